//! Questions to GitLab.

use mayfly_core::clock::Clock;
use mayfly_core::error::{Chain, PortError};
use mayfly_gitlab::client::{GitlabClient, Hook, HookPlace, refused_with};
use url::Url;

use crate::doctor::facts::{GitlabFacts, GroupAbove, HookFacts, OwnToken};
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

/// Asks about the installation's own token with it, if it is known whether there is one, and about webhooks with the one that is for asking.
pub(in crate::doctor) async fn gather(
    own: Option<&GitlabSource>,
    asking: &GitlabSource,
    questions: &HookQuestions,
    clock: &dyn Clock,
) -> GitlabFacts {
    let host = asking.url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    let webhook_url = questions.url.as_ref().map(ToString::to_string);
    let mut facts = GitlabFacts {
        host,
        about: Err(String::new()),
        token: OwnToken::Unknown,
        webhook_url,
        hooks: Vec::new(),
    };
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

async fn own_token(own: Option<&GitlabSource>) -> OwnToken {
    let Some(own) = own else { return OwnToken::Unknown };
    if own.token.is_none() {
        return OwnToken::Missing;
    }
    let client = match own.client() {
        Ok(client) => client,
        Err(error) => return OwnToken::Refused(format!("{error:#}")),
    };
    match client.own_token().await {
        Ok(info) => OwnToken::Known(info),
        Err(error) if refused_with(&error) == Some(401) => OwnToken::Refused(
            "GitLab refuses it: it has expired, is revoked, or is of another GitLab".to_owned(),
        ),
        Err(error) => OwnToken::Refused(Chain(&error).to_string()),
    }
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
        facts.above = group_above(client, &place.path, url).await;
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
    let hooks = client.list_hooks(place.place.clone()).await?;
    Ok(plan::ours(&hooks, url).into_iter().cloned().collect())
}

/// The group above a project whose own webhook hears of it. That a namespace is no group, or this GitLab has no webhooks of
/// groups, is an answer; that one may not ask is none.
async fn group_above(client: &GitlabClient, project: &str, url: &Url) -> GroupAbove {
    let is_heard = |hook: &&Hook| hook.job_events && !plan::is_disabled(hook);
    let mut above = GroupAbove::None;
    for (end, _) in project.rmatch_indices('/') {
        let group = &project[..end];
        match client.list_hooks(HookPlace::Group(group.to_owned())).await {
            Ok(hooks) if plan::ours(&hooks, url).iter().any(is_heard) => {
                return GroupAbove::Covers(group.to_owned());
            }
            Ok(_) => {}
            Err(error) if refused_with(&error) == Some(404) => {}
            Err(error) => above = GroupAbove::Unknown(Chain(&error).to_string()),
        }
    }
    above
}
