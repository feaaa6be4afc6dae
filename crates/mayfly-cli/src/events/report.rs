//! What is printed of events, and of their replay.

use std::fmt::Write;

use jiff::Timestamp;
use mayfly_core::event::JobEvent;
use serde::Serialize;

use super::choose::{Chosen, Machine};
use super::machines::{Outcome, What};
use super::read::Failure;
use super::source::Item;
use crate::output::{Report, counted, length, printable, table};

/// The events of a source. `mayfly events replay --from FILE` reads its JSON.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    #[serde(skip)]
    now: Timestamp,
    from: String,
    events: Vec<ListedEvent>,
    for_nobody: Vec<Passed>,
    unreadable: Vec<Passed>,
}

#[derive(Debug, Serialize)]
struct ListedEvent {
    place: String,
    event: JobEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

/// What is no event, and why.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Passed {
    place: String,
    reason: String,
}

impl Passed {
    pub(super) fn all(items: &[(String, Item)]) -> Vec<Self> {
        let passed = |(reason, item): &(String, Item)| Self {
            place: item.found.place.clone(),
            reason: reason.clone(),
        };
        items.iter().map(passed).collect()
    }
}

impl Listed {
    pub(super) fn of(chosen: Chosen<Item>, from: String, now: Timestamp) -> Self {
        let (for_nobody, unreadable) = (Passed::all(&chosen.nobodys), Passed::all(&chosen.unreadable));
        let listed = |(event, item): (Box<JobEvent>, Item)| ListedEvent {
            place: item.found.place,
            event: *event,
            failure: item.found.failure,
        };
        let events = chosen.events.into_iter().map(listed).collect();
        Self { now, from, events, for_nobody, unreadable }
    }

    pub(super) fn is_broken(&self) -> bool {
        !self.unreadable.is_empty()
    }
}

impl Report for Listed {
    fn to_text(&self, width: Option<u16>) -> String {
        let rows = self.events.iter().map(|listed| {
            let event = &listed.event;
            [
                event.key.to_string(),
                event.name.to_string(),
                event.project.as_ref().map(ToString::to_string).unwrap_or_default(),
                event.status.to_string(),
                length(self.now.duration_since(event.received_at)),
                listed.failure.as_ref().map(Failure::to_line).unwrap_or_default(),
            ]
        });
        let mut text = if self.events.is_empty() {
            format!("No event in {}.\n", printable(&self.from))
        } else {
            table(width, ["JOB", "NAME", "PROJECT", "STATUS", "AGE", "WHY IT FAILED"], rows)
        };
        tell_passed(&mut text, &self.for_nobody, &self.unreadable);
        text
    }
}

fn tell_passed(text: &mut String, for_nobody: &[Passed], unreadable: &[Passed]) {
    for (passed, what) in [(for_nobody, "is for nobody"), (unreadable, "cannot be read")] {
        for one in passed {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {what}: {}", printable(&one.place), printable(&one.reason));
        }
    }
}

/// What came of a replay.
#[derive(Debug, Serialize)]
pub(super) struct Replay {
    #[serde(skip)]
    now: Timestamp,
    dry_run: bool,
    events: Vec<Replayed>,
    for_nobody: Vec<Passed>,
    unreadable: Vec<Passed>,
}

/// What came of one event.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Replayed {
    place: String,
    job: String,
    name: String,
    status: String,
    received_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<&'static str>,
    outcome: What,
    said: String,
}

impl Replayed {
    pub(super) fn new(event: &JobEvent, place: &str, machine: Option<Machine>, outcome: Outcome) -> Self {
        Self {
            place: place.to_owned(),
            job: event.key.to_string(),
            name: event.name.to_string(),
            status: event.status.to_string(),
            received_at: event.received_at,
            machine: machine.map(Machine::as_str),
            outcome: outcome.what,
            said: outcome.said,
        }
    }
}

impl Replay {
    pub(super) fn new(
        mut events: Vec<Replayed>,
        for_nobody: Vec<Passed>,
        unreadable: Vec<Passed>,
        dry_run: bool,
        now: Timestamp,
    ) -> Self {
        events.sort_by(|left, right| {
            (left.received_at, &left.job, &left.place).cmp(&(right.received_at, &right.job, &right.place))
        });
        Self { now, dry_run, events, for_nobody, unreadable }
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.unreadable.is_empty() || self.events.iter().any(|event| event.outcome.has_failed())
    }
}

impl Report for Replay {
    fn to_text(&self, width: Option<u16>) -> String {
        let rows = self.events.iter().map(|event| {
            [
                event.job.clone(),
                event.name.clone(),
                event.status.clone(),
                length(self.now.duration_since(event.received_at)),
                event.outcome.as_str().to_owned(),
                event.said.clone(),
            ]
        });
        let mut text = if self.events.is_empty() {
            String::new()
        } else {
            table(width, ["JOB", "NAME", "STATUS", "AGE", "RESULT", "WHAT CAME OF IT"], rows)
        };
        tell_passed(&mut text, &self.for_nobody, &self.unreadable);
        let (all, failed) =
            (self.events.len(), self.events.iter().filter(|it| it.outcome.has_failed()).count());
        let (events, were) = (counted(all, "event"), if all == 1 { "was" } else { "were" });
        let line = match (self.dry_run, failed) {
            (true, _) => format!("{events} would be replayed; nothing was done"),
            (false, 0) => format!("{events} {were} replayed"),
            (false, failed) => format!("{events} {were} replayed, and {failed} of them failed"),
        };
        text + &line + ".\n"
    }
}
