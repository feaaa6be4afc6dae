//! One job's story, as a table.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use mayfly_core::ledger::{LedgerRecord, LedgerState, Transition};
use mayfly_standins::gitlab::JobSnapshot;

pub(crate) struct Story<'a> {
    pub(crate) title: &'a str,
    /// When the pipeline began.
    pub(crate) start: Timestamp,
    pub(crate) snapshot: &'a JobSnapshot,
    pub(crate) record: &'a LedgerRecord,
}

/// The ledger's transitions and GitLab's times in one order.
pub(crate) fn timeline(story: &Story<'_>) -> String {
    let Story { title, start, snapshot, record } = story;
    let mut rows: Vec<(Timestamp, &str, String)> = record
        .transitions
        .iter()
        .map(|transition| (transition.at, step(transition), what(transition, record)))
        .collect();
    let runner = snapshot.runner_description.as_deref().unwrap_or("no runner");
    rows.extend(snapshot.started_at.map(|at| (at, "job picked up", format!("GitLab: by {runner}"))));
    rows.extend(snapshot.finished_at.map(|at| (at, "finished", format!("GitLab: {}", snapshot.status))));
    rows.sort_by_key(|(at, ..)| *at);

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    for (at, step, what) in rows {
        let seconds = at.duration_since(*start).as_secs_f64();
        table.add_row([format!("{seconds:+8.3} s"), step.to_owned(), what]);
    }
    format!("Job {} `{}`: {title}\n{}\n", record.key.job, record.name, table.trim_fmt())
}

fn step(transition: &Transition) -> &'static str {
    let is_end = transition.reason.starts_with("its runner ended");
    match transition.to {
        _ if is_end => "runner gone",
        LedgerState::Seen | LedgerState::Running | LedgerState::Finished => "webhook",
        LedgerState::Claimed => "decided",
        LedgerState::Launched => "runner started",
        LedgerState::Parked => "given up",
        LedgerState::Ignored => "ignored",
    }
}

fn what(transition: &Transition, record: &LedgerRecord) -> String {
    match (&record.explanation, transition.to) {
        (Some(explanation), LedgerState::Claimed) => format!("{}: {explanation}", transition.reason),
        _ => transition.reason.clone(),
    }
}
