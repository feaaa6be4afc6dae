//! What was done about webhooks, or would be, and which there are.

use serde::Serialize;
use url::Url;

use super::act::{Failed, Looked, Outcome};
use super::places::Place;
use super::plan::{Act, Change, is_at};
use crate::output::{Report, printable, table};

/// What was done, or would be.
#[derive(Debug, Serialize)]
pub(super) struct HooksReport {
    dry_run: bool,
    url: String,
    hooks: Vec<HookLine>,
    failures: Vec<FailureLine>,
}

#[derive(Debug, Serialize)]
struct HookLine {
    /// The project or group.
    place: String,
    result: &'static str,
    /// GitLab's id of the webhook.
    hook: Option<u64>,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct FailureLine {
    place: String,
    reason: String,
}

impl HooksReport {
    pub(super) fn planned(url: &Url, plan: &[Result<(Place, Vec<Act>), Failed>]) -> Self {
        let mut report = Self::empty(true, url);
        for planned in plan {
            match planned {
                Ok((place, acts)) => {
                    report.hooks.extend(acts.iter().map(|act| HookLine::of(&place.path, act, None, true)));
                }
                Err(failed) => report.failures.push(FailureLine::of(failed)),
            }
        }
        report
    }

    pub(super) fn done(url: &Url, outcomes: Vec<Outcome>) -> Self {
        let mut report = Self::empty(false, url);
        for Outcome { path, done, failure } in outcomes {
            report.hooks.extend(done.iter().map(|(act, hook)| HookLine::of(&path, act, *hook, false)));
            report.failures.extend(failure.map(|reason| FailureLine { place: path, reason }));
        }
        report
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    fn empty(dry_run: bool, url: &Url) -> Self {
        Self { dry_run, url: url.to_string(), hooks: Vec::new(), failures: Vec::new() }
    }
}

impl HookLine {
    fn of(place: &str, act: &Act, hook: Option<u64>, is_planned: bool) -> Self {
        let (words, planned) = match act {
            Act::Create => (["created", "to create"], None),
            Act::Update { hook, .. } => (["updated", "to update"], Some(*hook)),
            Act::Enable { hook } => (["enabled", "to enable"], Some(*hook)),
            Act::Keep { hook } => (["unchanged"; 2], Some(*hook)),
            Act::Report { duplicate } => (["duplicate"; 2], Some(*duplicate)),
            Act::Remove { hook } => (["removed", "to remove"], Some(*hook)),
        };
        let changes = match act {
            Act::Update { changes, .. } => changes.clone(),
            _ => Vec::new(),
        };
        Self {
            place: place.to_owned(),
            result: words[usize::from(is_planned)],
            hook: hook.or(planned),
            changes,
        }
    }
}

impl FailureLine {
    fn of(failed: &Failed) -> Self {
        Self { place: failed.path.clone(), reason: failed.reason.clone() }
    }
}

impl Report for HooksReport {
    fn to_text(&self, width: Option<u16>) -> String {
        let mut text = String::new();
        if self.hooks.is_empty() && self.failures.is_empty() {
            text.extend(["No webhook sends to ", &printable(&self.url), ".\n"]);
        }
        if !self.hooks.is_empty() {
            let rows = self.hooks.iter().map(|line| {
                let changes: Vec<&str> = line.changes.iter().map(|change| change.as_str()).collect();
                [line.place.clone(), id(line.hook), line.result.to_owned(), changes.join(", ")]
            });
            text += &table(width, ["PROJECT", "HOOK", "RESULT", "CHANGED"], rows);
        }
        let places: std::collections::BTreeSet<&str> =
            self.hooks.iter().map(|line| line.place.as_str()).collect();
        if self.hooks.iter().any(|line| line.result == "duplicate") {
            text += "Each event comes from each duplicate too: --remove-duplicates keeps one.\n";
        }
        text += &failures_text(&self.failures, places.len());
        text
    }
}

/// The webhooks there are.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    url: String,
    hooks: Vec<ListedHook>,
    failures: Vec<FailureLine>,
}

#[derive(Debug, Serialize)]
struct ListedHook {
    place: String,
    /// Absent if the place has no webhook with our address.
    hook: Option<u64>,
    job_events: bool,
    ssl_verification: bool,
    /// GitLab's word, such as `executable`.
    status: Option<String>,
    disabled_until: Option<String>,
}

impl Listed {
    pub(super) fn of(url: &Url, looked: Vec<Result<Looked, Failed>>) -> Self {
        let mut listed = Self { url: url.to_string(), hooks: Vec::new(), failures: Vec::new() };
        for looked in looked {
            match looked {
                Ok(Looked { place, hooks }) => {
                    let mut ours = hooks.into_iter().filter(|hook| is_at(hook, url)).peekable();
                    if ours.peek().is_none() {
                        listed.hooks.push(ListedHook::none(&place));
                    }
                    listed.hooks.extend(ours.map(|hook| ListedHook {
                        place: place.path.clone(),
                        hook: Some(hook.id),
                        job_events: hook.job_events,
                        ssl_verification: hook.enable_ssl_verification,
                        status: hook.alert_status,
                        disabled_until: hook.disabled_until,
                    }));
                }
                Err(failed) => listed.failures.push(FailureLine::of(&failed)),
            }
        }
        listed
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

impl ListedHook {
    fn none(place: &Place) -> Self {
        Self {
            place: place.path.clone(),
            hook: None,
            job_events: false,
            ssl_verification: false,
            status: None,
            disabled_until: None,
        }
    }

    fn cells(&self) -> [String; 5] {
        if self.hook.is_none() {
            return [self.place.clone(), "none".to_owned(), String::new(), String::new(), String::new()];
        }
        let word = |is_on: bool| if is_on { "yes" } else { "no" }.to_owned();
        let until = self.disabled_until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        let status = format!("{}{until}", self.status.as_deref().unwrap_or("unknown"));
        [self.place.clone(), id(self.hook), word(self.job_events), word(self.ssl_verification), status]
    }
}

impl Report for Listed {
    fn to_text(&self, width: Option<u16>) -> String {
        let mut text = format!("Webhooks to {}\n", printable(&self.url));
        let header = ["PROJECT", "HOOK", "JOB EVENTS", "SSL VERIFICATION", "STATUS"];
        text += &table(width, header, self.hooks.iter().map(ListedHook::cells));
        text += &failures_text(&self.failures, self.hooks.len());
        text
    }
}

fn failures_text(failures: &[FailureLine], successes: usize) -> String {
    let line = |failure: &FailureLine| {
        format!("failed: {}: {}\n", printable(&failure.place), printable(&failure.reason))
    };
    let mut lines: Vec<String> = failures.iter().map(line).collect();
    if !failures.is_empty() {
        lines.push(format!("{} of {} failed.\n", failures.len(), failures.len() + successes));
    }
    lines.concat()
}

fn id(hook: Option<u64>) -> String {
    hook.map_or_else(|| "-".to_owned(), |hook| hook.to_string())
}
