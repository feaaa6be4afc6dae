//! What is to be done about the webhooks of one project or group: a pure function of those there are.

use mayfly_gitlab::client::Hook;
use serde::Serialize;
use url::Url;

/// The webhook that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Where it sends its events.
    pub(crate) url: Url,
    /// Give a webhook that is there its secret anew: GitLab does not tell which one it has.
    pub(crate) rotates: bool,
    /// Remove all but one of several with this address.
    pub(crate) removes_duplicates: bool,
}

/// What is wrong with a webhook that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// It does not send job events.
    JobEvents,
    /// It sends push events, which nobody wants.
    PushEvents,
    /// It takes any certificate for good.
    SslVerification,
    /// It has neither secret nor signing token, or is to get a new one.
    Secret,
}

impl Change {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::JobEvents => "job events",
            Self::PushEvents => "push events",
            Self::SslVerification => "SSL verification",
            Self::Secret => "secret",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Make the webhook.
    Create,
    /// Put right what is wrong with it.
    Update {
        hook: u64,
        url: String,
        changes: Vec<Change>,
    },
    /// GitLab has disabled it: a test delivery that is answered 2xx enables it.
    Enable {
        hook: u64,
    },
    /// It is as it should be.
    Keep {
        hook: u64,
    },
    /// Say that there is one more with the same address: every event comes twice.
    Report {
        duplicate: u64,
    },
    Remove {
        hook: u64,
    },
}

impl Act {
    /// True if GitLab must be told the secret.
    pub(crate) fn sends_secret(&self) -> bool {
        match self {
            Self::Create => true,
            Self::Update { changes, .. } => changes.contains(&Change::Secret),
            _ => false,
        }
    }
}

/// Whether a webhook's address is this one, however it is written.
pub(crate) fn is_at(hook: &Hook, url: &Url) -> bool {
    Url::parse(&hook.url).is_ok_and(|other| other == *url)
}

/// Those with this address, that which works best first; among those that work, the oldest.
pub(crate) fn ours<'a>(hooks: &'a [Hook], url: &Url) -> Vec<&'a Hook> {
    let mut ours: Vec<&Hook> = hooks.iter().filter(|hook| is_at(hook, url)).collect();
    ours.sort_by_key(|hook| (is_disabled(hook), !hook.job_events, hook.id));
    ours
}

/// What makes the webhooks there as they are wanted.
pub(crate) fn install(hooks: &[Hook], wanted: &Wanted) -> Vec<Act> {
    let ours = ours(hooks, &wanted.url);
    let Some((kept, duplicates)) = ours.split_first() else { return vec![Act::Create] };
    let changes = changes(kept, wanted);
    let mut acts = Vec::new();
    if !changes.is_empty() {
        acts.push(Act::Update { hook: kept.id, url: kept.url.clone(), changes });
    }
    if is_disabled(kept) {
        acts.push(Act::Enable { hook: kept.id });
    }
    if acts.is_empty() {
        acts.push(Act::Keep { hook: kept.id });
    }
    let removes = wanted.removes_duplicates;
    acts.extend(duplicates.iter().map(|hook| {
        if removes { Act::Remove { hook: hook.id } } else { Act::Report { duplicate: hook.id } }
    }));
    acts
}

/// What takes away all webhooks with this address.
pub(crate) fn remove(hooks: &[Hook], url: &Url) -> Vec<Act> {
    hooks.iter().filter(|hook| is_at(hook, url)).map(|hook| Act::Remove { hook: hook.id }).collect()
}

/// True if GitLab sends nothing to it, for a time or for good.
pub(crate) fn is_disabled(hook: &Hook) -> bool {
    hook.alert_status.as_deref().is_some_and(|status| status != "executable")
}

fn changes(hook: &Hook, wanted: &Wanted) -> Vec<Change> {
    let has_no_secret = hook.token_present == Some(false) && hook.signing_token_present != Some(true);
    [
        (Change::JobEvents, !hook.job_events),
        (Change::PushEvents, hook.push_events),
        (Change::SslVerification, !hook.enable_ssl_verification),
        (Change::Secret, wanted.rotates || has_no_secret),
    ]
    .into_iter()
    .filter_map(|(change, is_needed)| is_needed.then_some(change))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.example.com/webhook";

    fn wanted() -> Wanted {
        Wanted { url: URL.parse().unwrap(), rotates: false, removes_duplicates: false }
    }

    fn hook(id: u64) -> Hook {
        Hook {
            id,
            url: URL.to_owned(),
            job_events: true,
            push_events: false,
            enable_ssl_verification: true,
            alert_status: Some("executable".to_owned()),
            disabled_until: None,
            token_present: Some(true),
            signing_token_present: Some(false),
        }
    }

    fn check(hooks: &[Hook], wanted: &Wanted, expected: &[Act]) {
        assert_eq!(install(hooks, wanted), expected, "{hooks:?}");
    }

    fn update(hook: u64, changes: &[Change]) -> Act {
        Act::Update { hook, url: URL.to_owned(), changes: changes.to_vec() }
    }

    #[test]
    fn a_hook_is_made_where_none_is_ours() {
        check(&[], &wanted(), &[Act::Create]);
        let other = Hook { url: "https://api.example.com/other".to_owned(), ..hook(1) };
        let masked = Hook { url: "no address".to_owned(), ..hook(2) };
        check(&[other, masked], &wanted(), &[Act::Create]);
    }

    #[test]
    fn a_hook_that_is_right_is_left_alone() {
        check(&[hook(1)], &wanted(), &[Act::Keep { hook: 1 }]);
        let old = Hook { alert_status: None, token_present: None, signing_token_present: None, ..hook(1) };
        check(&[old], &wanted(), &[Act::Keep { hook: 1 }]);
        let signed = Hook { token_present: Some(false), signing_token_present: Some(true), ..hook(1) };
        check(&[signed], &wanted(), &[Act::Keep { hook: 1 }]);
        let written_otherwise = Hook { url: "https://API.example.com:443/webhook".to_owned(), ..hook(1) };
        check(&[written_otherwise], &wanted(), &[Act::Keep { hook: 1 }]);
    }

    #[test]
    fn each_difference_is_put_right() {
        use Change::{JobEvents, PushEvents, Secret, SslVerification};
        check(&[Hook { job_events: false, ..hook(1) }], &wanted(), &[update(1, &[JobEvents])]);
        check(&[Hook { push_events: true, ..hook(1) }], &wanted(), &[update(1, &[PushEvents])]);
        let lax = Hook { enable_ssl_verification: false, ..hook(1) };
        check(&[lax], &wanted(), &[update(1, &[SslVerification])]);
        check(&[Hook { token_present: Some(false), ..hook(1) }], &wanted(), &[update(1, &[Secret])]);
        check(&[hook(1)], &Wanted { rotates: true, ..wanted() }, &[update(1, &[Secret])]);
        for status in ["disabled", "temporarily_disabled"] {
            let disabled = Hook { alert_status: Some(status.to_owned()), job_events: false, ..hook(1) };
            check(&[disabled], &wanted(), &[update(1, &[JobEvents]), Act::Enable { hook: 1 }]);
        }
    }

    #[test]
    fn of_several_the_one_that_works_is_kept() {
        let disabled = Hook { alert_status: Some("disabled".to_owned()), ..hook(1) };
        let silent = Hook { job_events: false, ..hook(2) };
        let hooks = [disabled, silent, hook(4), hook(3)];
        let reports = [4, 2, 1].map(|duplicate| Act::Report { duplicate });
        check(&hooks, &wanted(), &[&[Act::Keep { hook: 3 }], &reports[..]].concat());
        let removals = [4, 2, 1].map(|hook| Act::Remove { hook });
        let wanted = Wanted { removes_duplicates: true, ..wanted() };
        check(&hooks, &wanted, &[&[Act::Keep { hook: 3 }], &removals[..]].concat());
    }

    #[test]
    fn what_is_installed_is_left_alone_the_next_time() {
        for hooks in [vec![], vec![Hook { job_events: false, push_events: true, ..hook(7) }]] {
            let acts = install(&hooks, &wanted());
            assert!(!acts.contains(&Act::Keep { hook: 7 }), "{acts:?}");
            check(&[hook(7)], &wanted(), &[Act::Keep { hook: 7 }]);
        }
    }

    #[test]
    fn every_hook_with_our_address_is_removed_and_no_other() {
        let other = Hook { url: "https://api.example.com/other".to_owned(), ..hook(2) };
        let acts = remove(&[hook(1), other, hook(3)], &wanted().url);
        assert_eq!(acts, [Act::Remove { hook: 1 }, Act::Remove { hook: 3 }]);
    }
}
