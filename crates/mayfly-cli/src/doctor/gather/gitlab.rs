//! Questions to GitLab.

use mayfly_core::clock::Clock;
use mayfly_core::error::{Chain, PortError};
use mayfly_gitlab::client::{GitlabClient, Hook, HookPlace, refused_with};
use url::Url;

use crate::doctor::facts::{GitlabFacts, HookFacts};
use crate::gitlab_access::GitlabSource;
use crate::hooks::places::{Place, PlacesFlags};
use crate::hooks::plan;
use crate::many;

/// Which webhooks are looked at, and how.
pub(in crate::doctor) struct HookQuestions {
    pub(in crate::doctor) places: PlacesFlags,
    /// Whether GitLab shall send a test.
    pub(in crate::doctor) has_test: bool,
    pub(in crate::doctor) url: Option<Url>,
}

/// Asks about the installation's own token with it, and about webhooks with the one that is for asking.
pub(in crate::doctor) async fn gather(
    own: &GitlabSource,
    asking: &GitlabSource,
    questions: &HookQuestions,
    clock: &dyn Clock,
) -> GitlabFacts {
    let host = asking.url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    let webhook_url = questions.url.as_ref().map(ToString::to_string);
    let mut facts =
        GitlabFacts { host, about: Err(String::new()), token: None, webhook_url, hooks: Vec::new() };
    let client = match asking.client() {
        Ok(client) => client,
        Err(error) => {
            facts.about = Err(format!("{error:#}"));
            return facts;
        }
    };
    facts.about = client.about().await.map_err(|error| Chain(&error).to_string()).map(|about| {
        let skew = about.answered_at.map(|at| at.duration_since(clock.now()));
        (about.version, skew)
    });
    if facts.about.is_err() {
        return facts;
    }
    facts.token = own_token(own).await;
    if let Some(url) = questions.url.as_ref().filter(|_| asking.token.is_some()) {
        facts.hooks = hooks(&client, questions, url).await;
    }
    facts
}

async fn own_token(own: &GitlabSource) -> Option<Result<mayfly_gitlab::client::TokenInfo, String>> {
    own.token.as_ref()?;
    let client = match own.client() {
        Ok(client) => client,
        Err(error) => return Some(Err(format!("{error:#}"))),
    };
    Some(client.own_token().await.map_err(|error| match refused_with(&error) {
        Some(401) => "GitLab refuses it: it has expired, is revoked, or is of another GitLab".to_owned(),
        _ => Chain(&error).to_string(),
    }))
}

async fn hooks(
    client: &GitlabClient,
    questions: &HookQuestions,
    url: &Url,
) -> Vec<(String, Result<HookFacts, String>)> {
    let places = match questions.places.find(client).await {
        Ok(places) => places,
        Err(error) => return vec![(questions.places.groups.join(", "), Err(format!("{error:#}")))],
    };
    many::for_each(places, many::AT_ONCE, "Webhooks are looked at", |place| {
        let (client, url, has_test) = (client.clone(), url.clone(), questions.has_test);
        async move {
            match place {
                Ok(place) => {
                    let found = look(&client, &place, &url, has_test).await;
                    (place.path, found.map_err(|error| Chain(&error).to_string()))
                }
                Err((path, error)) => (path, Err(format!("{error:#}"))),
            }
        }
    })
    .await
}

async fn look(
    client: &GitlabClient,
    place: &Place,
    url: &Url,
    has_test: bool,
) -> Result<HookFacts, PortError> {
    let mut facts = HookFacts { ours: ours(client, place, url).await?, ..HookFacts::default() };
    let Some(hook) = facts.ours.first().map(|hook| hook.id) else {
        facts.covered_by = group_above(client, &place.path, url).await;
        return Ok(facts);
    };
    if has_test {
        let outcome = client.test_hook(place.place.clone(), hook).await;
        facts.test = Some(outcome.map_err(|error| Chain(&error).to_string()));
        // A test that succeeds enables a webhook.
        facts.ours = ours(client, place, url).await?;
    }
    // What it sent may be hidden from this token; the rest is worth telling all the same.
    facts.deliveries = client.hook_deliveries(place.place.clone(), hook).await.unwrap_or_default();
    Ok(facts)
}

/// The webhooks with our address, that which works best first.
async fn ours(client: &GitlabClient, place: &Place, url: &Url) -> Result<Vec<Hook>, PortError> {
    let mut ours: Vec<Hook> = client.list_hooks(place.place.clone()).await?;
    ours.retain(|hook| plan::is_at(hook, url));
    ours.sort_by_key(|hook| (plan::is_disabled(hook), !hook.job_events, hook.id));
    Ok(ours)
}

/// The group above a project whose own webhook hears of it. Whoever may not ask groups learns of none.
async fn group_above(client: &GitlabClient, project: &str, url: &Url) -> Option<String> {
    for (end, _) in project.rmatch_indices('/') {
        let group = &project[..end];
        let hooks = client.list_hooks(HookPlace::Group(group.to_owned())).await.unwrap_or_default();
        if hooks.iter().any(|hook| plan::is_at(hook, url) && hook.job_events && !plan::is_disabled(hook)) {
            return Some(group.to_owned());
        }
    }
    None
}
