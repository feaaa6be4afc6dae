//! Runners: registering, listing and pausing them, checking their tokens, removing them.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_core::error::PortError;
use mayfly_core::ids::{Installation, RunnerId};
use mayfly_core::ports::{NewRunner, OurRunner, RegisteredRunner};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::GitlabClient;
use super::call::{Authority, Call, READ_SCOPE};
use super::pages::Row;

/// The scope for registrations to be changed.
const MANAGE_SCOPE: &str = "manage_runner";

/// GitLab refuses a shorter one (model validation: at least 10 minutes).
const SHORTEST_MAXIMUM_TIMEOUT: Duration = Duration::from_mins(10);

/// What the maintenance note of a registration begins with; the installation follows.
const NOTE: &str = "Made by Mayfly, installation ";

/// What a refusal of a runner's own token means when the runner is to be removed: it is gone.
const GONE: &[StatusCode] = &[StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];

#[derive(Serialize)]
struct RunnerBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<u64>,
    description: String,
    tag_list: Vec<&'a str>,
    run_untagged: bool,
    locked: bool,
    maintenance_note: String,
    maximum_timeout: u64,
}

#[derive(Serialize)]
struct TokenBody<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_id: Option<&'a str>,
}

#[derive(Serialize)]
struct PauseBody {
    paused: bool,
}

#[derive(Deserialize)]
struct RunnerRow {
    id: u64,
    description: Option<String>,
}

#[derive(Deserialize)]
struct RunnerDetails {
    maintenance_note: Option<String>,
}

#[derive(Deserialize)]
struct RegistrationAnswer {
    id: u64,
    token: String,
}

impl GitlabClient {
    /// Registers a runner for one project, locked to it. Never repeated inside. Scope `create_runner`.
    pub async fn create_runner(&self, runner: &NewRunner) -> Result<RegisteredRunner, PortError> {
        let body = RunnerBody {
            runner_type: Some("project_type"),
            project_id: Some(runner.project.0),
            ..RunnerBody::of(runner)
        };
        let operation = format!("GitLab: create runner {} in project {}", runner.name, runner.project);
        let authority = Authority::ApiToken { scope: "create_runner" };
        self.register(&Call::post(operation, "/user/runners".to_owned(), authority).body(&body)?).await
    }

    /// Registers a runner with a registration token, which decides for which project, group or installation it is.
    /// Never repeated inside. GitLab before 20, and there only where it is switched on (else it answers 410).
    pub async fn register_runner(
        &self,
        registration_token: &SecretString,
        runner: &NewRunner,
    ) -> Result<RegisteredRunner, PortError> {
        let body = RunnerBody { token: Some(registration_token.expose_secret()), ..RunnerBody::of(runner) };
        let operation = format!("GitLab: register runner {}", runner.name);
        let authority = Authority::InBody { what: "registration token", token: registration_token };
        self.register(&Call::post(operation, "/runners".to_owned(), authority).body(&body)?).await
    }

    /// All registrations with a name that we give, by id. Scope `read_api`.
    ///
    /// GitLab lists the runners of projects and groups that the token's user maintains or owns, and none of the whole
    /// installation (`GET /runners`, `User#ci_owned_runners`). Pages are by number, so that a registration may be missed
    /// while others are being removed. One that cannot be read is left out with a warning.
    pub async fn our_runners(&self) -> Result<Vec<OurRunner>, PortError> {
        let rows: Vec<Row<RunnerRow>> =
            self.all_pages(Call::get("GitLab: list runners", "/runners".to_owned(), READ_SCOPE)).await?;
        let listed = rows.len();
        let rows: Vec<RunnerRow> = rows.into_iter().filter_map(Row::readable).collect();
        if rows.len() < listed {
            tracing::warn!(unreadable = listed - rows.len(), "some runners cannot be read");
        }
        let ours: BTreeMap<_, _> = rows
            .into_iter()
            .filter_map(|row| Some((RunnerId(row.id), row.description?.parse().ok()?)))
            .collect();
        Ok(ours.into_iter().map(|(id, name)| OurRunner { id, name }).collect())
    }

    /// The installation that made a registration, as its maintenance note tells; `None` if it is gone, or its note says
    /// something else. Scope `read_api`.
    pub async fn installation_of(&self, id: RunnerId) -> Result<Option<Installation>, PortError> {
        let call = Call::get(format!("GitLab: get runner {id}"), format!("/runners/{id}"), READ_SCOPE)
            .accept(&[StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let runner: RunnerDetails = answer.decode(&call.operation)?;
        Ok(runner.maintenance_note.and_then(|note| note.strip_prefix(NOTE)?.parse().ok()))
    }

    /// Lets a runner take no more jobs; the one it has goes on. Pausing one that is gone is `Ok`. Scope `manage_runner`.
    pub async fn pause_runner(&self, id: RunnerId) -> Result<(), PortError> {
        let authority = Authority::ApiToken { scope: MANAGE_SCOPE };
        let call = Call::put(format!("GitLab: pause runner {id}"), format!("/runners/{id}"), authority)
            .accept(&[StatusCode::NOT_FOUND])
            .body(&PauseBody { paused: true })?;
        self.send(&call).await.map(|_| ())
    }

    /// Removes a registration by its id. Removing one that is gone is `Ok`. Scope `manage_runner`.
    pub async fn delete_runner(&self, id: RunnerId) -> Result<(), PortError> {
        let authority = Authority::ApiToken { scope: MANAGE_SCOPE };
        let call = Call::delete(format!("GitLab: delete runner {id}"), format!("/runners/{id}"), authority)
            .accept(&[StatusCode::NOT_FOUND]);
        self.send(&call).await.map(|_| ())
    }

    /// Removes a registration with its own token. Removing one that is gone is `Ok`: its token is refused then.
    pub async fn delete_by_token(&self, runner_token: &SecretString) -> Result<(), PortError> {
        let call = Call::delete("GitLab: delete runner", "/runners".to_owned(), runner(runner_token))
            .accept(GONE)
            .body(&TokenBody { token: runner_token.expose_secret(), system_id: None })?;
        self.send(&call).await.map(|_| ())
    }

    /// Removes the record of one machine of a runner whose token many machines share. Removing one that is gone is `Ok`.
    pub async fn delete_manager(
        &self,
        runner_token: &SecretString,
        system_id: &str,
    ) -> Result<(), PortError> {
        let operation = format!("GitLab: delete runner manager {system_id}");
        let call = Call::delete(operation, "/runners/managers".to_owned(), runner(runner_token))
            .accept(GONE)
            .body(&TokenBody { token: runner_token.expose_secret(), system_id: Some(system_id) })?;
        self.send(&call).await.map(|_| ())
    }

    /// Whether GitLab accepts a runner's token. `system_id` names the machine that asks.
    pub async fn verify(&self, runner_token: &SecretString, system_id: &str) -> Result<bool, PortError> {
        let call = Call::post("GitLab: verify runner", "/runners/verify".to_owned(), runner(runner_token))
            .repeatable()
            .accept(&[StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY])
            .body(&TokenBody { token: runner_token.expose_secret(), system_id: Some(system_id) })?;
        Ok(self.send(&call).await?.status.is_success())
    }

    async fn register(&self, call: &Call<'_>) -> Result<RegisteredRunner, PortError> {
        let answer: RegistrationAnswer = self.send(call).await?.decode(&call.operation)?;
        Ok(RegisteredRunner { id: RunnerId(answer.id), token: answer.token.into() })
    }
}

impl<'a> RunnerBody<'a> {
    fn of(runner: &'a NewRunner) -> Self {
        Self {
            token: None,
            runner_type: None,
            project_id: None,
            description: runner.name.to_string(),
            tag_list: runner.tags.iter().collect(),
            run_untagged: runner.tags.is_empty(),
            locked: true,
            maintenance_note: format!("{NOTE}{}", runner.installation),
            maximum_timeout: runner.maximum_timeout.max(SHORTEST_MAXIMUM_TIMEOUT).as_secs(),
        }
    }
}

fn runner(token: &SecretString) -> Authority<'_> {
    Authority::InBody { what: "runner token", token }
}
