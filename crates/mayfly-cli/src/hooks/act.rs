//! Looks at webhooks, and does what is planned: a dull loop for each project, several projects at once.

use std::sync::Arc;

use mayfly_core::error::{Chain, PortError};
use mayfly_gitlab::client::{GitlabClient, Hook, HookChange, HookPlace, NewHook, TestDelivery, refused_with};
use url::Url;

use super::credentials::Credentials;
use super::places::{Place, PlacesFlags};
use super::plan::Act;
use crate::many;

/// The webhooks of one place.
pub(super) struct Looked {
    pub(super) place: Place,
    pub(super) hooks: Vec<Hook>,
}

/// A place where something went wrong, and what.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    /// Its path.
    pub(super) path: String,
    pub(super) reason: String,
}

/// What was done in one place, as far as it went.
pub(super) struct Outcome {
    pub(super) path: String,
    /// Each act, with the id of its webhook.
    pub(super) done: Vec<(Act, Option<u64>)>,
    pub(super) failure: Option<String>,
}

/// Asks GitLab for the webhooks of each place.
pub(super) async fn look(
    client: &GitlabClient,
    flags: &PlacesFlags,
) -> anyhow::Result<Vec<Result<Looked, Failed>>> {
    let places = flags.find(client).await?;
    Ok(many::for_each(places, many::AT_ONCE, "Webhooks are looked at", |place| {
        let client = client.clone();
        async move {
            let place = place.map_err(|(path, error)| Failed { path, reason: format!("{error:#}") })?;
            match client.list_hooks(place.place.clone()).await {
                Ok(hooks) => Ok(Looked { place, hooks }),
                Err(error) => Err(Failed { reason: explain(&place, &error), path: place.path }),
            }
        }
    })
    .await)
}

/// Does what is planned. What fails in one place does not stop the others.
pub(super) async fn perform(
    client: &GitlabClient,
    plan: Vec<Result<(Place, Vec<Act>), Failed>>,
    url: &Url,
    credentials: &Credentials,
) -> Vec<Outcome> {
    let new = Arc::new(NewHook {
        url: url.clone(),
        token: credentials.secret.clone(),
        signing_token: credentials.signing_token.clone(),
    });
    many::for_each(plan, many::AT_ONCE, "Webhooks are changed", |planned| {
        let (client, new) = (client.clone(), Arc::clone(&new));
        async move {
            match planned {
                Ok((place, acts)) => perform_in(&client, place, acts, &new).await,
                Err(Failed { path, reason }) => Outcome { path, done: Vec::new(), failure: Some(reason) },
            }
        }
    })
    .await
}

async fn perform_in(client: &GitlabClient, place: Place, acts: Vec<Act>, new: &NewHook) -> Outcome {
    let mut done = Vec::new();
    let mut failure = None;
    for act in acts {
        match perform_one(client, &place, &act, new).await {
            Ok(hook) => done.push((act, hook)),
            Err(reason) => {
                failure = Some(reason);
                break;
            }
        }
    }
    Outcome { path: place.path, done, failure }
}

/// Does one thing, and returns the webhook it is about.
async fn perform_one(
    client: &GitlabClient,
    place: &Place,
    act: &Act,
    new: &NewHook,
) -> Result<Option<u64>, String> {
    let at = place.place.clone();
    let result = match act {
        Act::Create => client.create_hook(at, new).await.map(|hook| Some(hook.id)),
        Act::Update { hook, url, .. } => {
            let sends = act.sends_secret();
            let secret = |secret: &Option<_>| secret.clone().filter(|_| sends);
            let change = HookChange {
                url: url.clone(),
                token: secret(&new.token),
                signing_token: secret(&new.signing_token),
            };
            client.update_hook(at, *hook, &change).await.map(|hook| Some(hook.id))
        }
        Act::Enable { hook } => return enable(client, place, *hook).await,
        Act::Remove { hook } => client.delete_hook(at, *hook).await.map(|()| Some(*hook)),
        Act::Keep { hook } | Act::Report { duplicate: hook } => Ok(Some(*hook)),
    };
    result.map_err(|error| explain(place, &error))
}

async fn enable(client: &GitlabClient, place: &Place, hook: u64) -> Result<Option<u64>, String> {
    match client.test_hook(place.place.clone(), hook).await {
        Ok(TestDelivery::Accepted) => Ok(Some(hook)),
        Ok(TestDelivery::Refused(why)) => Err(format!(
            "GitLab has disabled webhook {hook}, and the test delivery that would enable it failed: {why}; \
             if its secret may be wrong, say --rotate"
        )),
        Ok(TestDelivery::NothingToSend) => Err(format!(
            "GitLab has disabled webhook {hook}, and has no event for the test delivery that would enable it: no job has run there \
             yet; run a pipeline, and install again"
        )),
        Ok(TestDelivery::NotOffered) => Err(format!(
            "GitLab has disabled webhook {hook}, and this GitLab cannot be asked for a test delivery, which would enable it: \
             send one from the project's settings, under Webhooks"
        )),
        Err(error) => Err(explain(place, &error)),
    }
}

fn explain(place: &Place, error: &PortError) -> String {
    let reason = Chain(error).to_string();
    match (&place.place, refused_with(error)) {
        (HookPlace::Group(_), Some(403 | 404)) => format!(
            "{reason}; a group's own webhook needs GitLab Premium or Ultimate, and the role of an owner: without, leave \
             --group-hook out, and each project gets one"
        ),
        (HookPlace::Project(_), Some(403)) => {
            format!("{reason}; give a token of a maintainer in MAYFLY_API_TOKEN")
        }
        _ => reason,
    }
}
