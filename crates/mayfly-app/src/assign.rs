//! The assignment of a claim's runner: registered in GitLab, and noted in the claim before anything is started with it.

use jiff::SignedDuration;
use mayfly_core::assignment::Assignment;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::ids::RunnerId;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{LaunchOutcome, Written};
use mayfly_core::runner_name::RunnerName;
use tracing::{error, warn};

use crate::busy::jobs_of_paused;
use crate::dispatcher::Dispatcher;
use crate::launch::same_launch;
use crate::register::register;
use crate::start::{MAX_CONFLICTS, put_or_found};

/// What became of an assignment.
pub(crate) enum Assigned {
    Ready(Box<Assignment>),
    /// The runner of an earlier try has its registration, and a job: it was started.
    InUse(RunnerName),
    /// GitLab gave no token, or there is no secret that holds it.
    WithoutToken(PortError),
    /// The record changed meanwhile: an event overtook us, or another dispatcher did. Nothing is left of it in GitLab.
    Overtaken,
}

/// Registers the runner of the record's claim under this name, in the place of an earlier registration.
pub(crate) async fn assign(
    dispatcher: &Dispatcher,
    record: &mut LedgerRecord,
    runner: RunnerName,
) -> Result<Assigned, PortError> {
    let Some(claim) = record.claim.clone() else { return Ok(Assigned::Overtaken) };
    if let Some(stale) = claim.registered {
        match remove_unused(dispatcher, stale).await {
            Ok(true) => {}
            Ok(false) => return Ok(Assigned::InUse(runner)),
            Err(error) => return Ok(Assigned::WithoutToken(error)),
        }
    }
    let registered = match register(dispatcher, &claim.request, &runner).await {
        Ok(registered) => registered,
        Err(error) => {
            error!(job.key = %record.key, error = %Chain(&error), "Could not get a runner token for job {}", record.key);
            return Ok(Assigned::WithoutToken(error));
        }
    };
    let noted = note_registration(dispatcher, record, registered.id).await;
    if !matches!(noted, Ok(true)) {
        if let Some(id) = registered.id {
            unregister(dispatcher, id).await;
        }
        return noted.map(|_| Assigned::Overtaken);
    }
    let settings = claim.request.settings.clone();
    let life = SignedDuration::try_from(settings.max_life()).unwrap_or(SignedDuration::from_hours(1));
    Ok(Assigned::Ready(Box::new(Assignment {
        runner,
        gitlab_url: dispatcher.gitlab_url.clone(),
        ca_file: dispatcher.ca_file.clone(),
        token: registered.token,
        at_end: registered.at_end,
        settings,
        deadline: dispatcher.clock.now() + life,
        job_credentials: None,
    })))
}

/// Removes the registration of an earlier try, whose token is lost: with it a second runner could take a job. False if its
/// runner has one.
async fn remove_unused(dispatcher: &Dispatcher, stale: RunnerId) -> Result<bool, PortError> {
    let removed = async {
        if !jobs_of_paused(dispatcher, stale).await?.is_empty() {
            return Ok(false);
        }
        dispatcher.gitlab.delete_runner(stale).await.map(|()| true)
    };
    match removed.await {
        Err(error) if !error.is_transient() => {
            warn!(runner.id = %stale, error = %Chain(&error), "Could not remove registration {stale}");
            Ok(true)
        }
        other => other,
    }
}

/// Removes the registration of a launch that definitely started nothing.
pub(crate) async fn unregister_unless_used(
    dispatcher: &Dispatcher,
    record: &LedgerRecord,
    outcome: &LaunchOutcome,
) {
    let may_be_used = matches!(outcome, LaunchOutcome::Started { .. } | LaunchOutcome::Unknown { .. });
    if let (false, Some(id)) = (may_be_used, record.claim.as_ref().and_then(|claim| claim.registered)) {
        unregister(dispatcher, id).await;
    }
}

/// Writes the registration into the claim before anything is started with it. False if somebody wrote in between: the
/// job may be over by now, so nothing is started.
async fn note_registration(
    dispatcher: &Dispatcher,
    record: &mut LedgerRecord,
    id: Option<RunnerId>,
) -> Result<bool, PortError> {
    for _ in 0..MAX_CONFLICTS {
        let Some(claim) = record.claim.as_mut().filter(|_| id.is_some()) else { return Ok(true) };
        claim.registered = id;
        if put_or_found(dispatcher, record).await? == Written::Yes {
            record.version += 1;
            return Ok(true);
        }
        let fresh = dispatcher.ledger.get(&record.key, dispatcher.clock.now()).await?;
        // News of the claim's own machine change the record and nothing of the claim.
        match fresh.filter(|fresh| {
            fresh.state == LedgerState::Claimed && same_launch(fresh.claim.as_ref(), record.claim.as_ref())
        }) {
            Some(fresh) => *record = fresh,
            None => return Ok(false),
        }
    }
    Ok(false)
}

/// Removes a registration nobody uses. A failure only leaves a registration behind that no machine has.
pub(crate) async fn unregister(dispatcher: &Dispatcher, id: RunnerId) {
    if let Err(error) = dispatcher.gitlab.delete_runner(id).await {
        warn!(runner.id = %id, error = %Chain(&error), "Could not remove registration {id}");
    }
}
