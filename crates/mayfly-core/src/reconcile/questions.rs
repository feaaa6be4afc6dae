//! What to ask GitLab: it has no list of all waiting jobs, only one a project, and a limit of calls.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::JobKey;
use crate::ledger::LedgerRecord;
use crate::ports::{LiveJob, Sweep};
use crate::status::{JobStatus, Rank};

use super::keys;
use super::memory::{Memory, ProjectKey, Watched};
use super::policy::ReconcilePolicy;
use super::snapshot::{Snapshot, key_of};

/// The projects to ask for the jobs that wait and run in them: those with open records first, then those that were not asked
/// for the longest time.
pub fn projects_to_ask(
    memory: &Memory,
    sweep: &Sweep,
    now: Timestamp,
    policy: &ReconcilePolicy,
) -> Vec<ProjectKey> {
    let broken = sweep.broken.iter().map(|broken| &broken.key);
    let keys = sweep.records.iter().map(|record| &record.key).chain(broken);
    let active: BTreeSet<ProjectKey> = keys.map(ProjectKey::of).collect();
    let asked_at = |project: &ProjectKey| memory.projects.get(project).map(|watched| watched.asked_at);
    let is_watched = |watched: &Watched| now.duration_since(watched.active_at) < policy.watch;
    let mut quiet: Vec<&ProjectKey> = memory
        .projects
        .iter()
        .filter(|(project, watched)| is_watched(watched) && !active.contains(*project))
        .map(|(project, _)| project)
        .collect();
    let mut active: Vec<&ProjectKey> = active.iter().collect();
    active.sort_by_key(|project| asked_at(project));
    quiet.sort_by_key(|project| asked_at(project));
    // However many are active, the quiet ones have their turn too.
    let for_quiet = (policy.max_projects / 5).min(quiet.len());
    active.truncate(policy.max_projects - for_quiet);
    quiet.truncate(policy.max_projects - active.len());
    active.into_iter().chain(quiet).cloned().collect()
}

/// The jobs to ask for one by one: the ledger has them open, and their project shows them neither waiting nor running.
pub fn jobs_to_ask(
    records: &[LedgerRecord],
    projects: &BTreeMap<ProjectKey, Vec<LiveJob>>,
    policy: &ReconcilePolicy,
) -> Vec<JobKey> {
    let mut asked: Vec<&LedgerRecord> = records
        .iter()
        .filter(|record| record.rank != Rank::Finished)
        .filter(|record| {
            let jobs = projects.get(&ProjectKey::of(&record.key));
            jobs.is_some_and(|jobs| jobs.iter().all(|job| job.id != record.key.job))
        })
        .collect();
    asked.sort_by_key(|record| record.changed_at());
    asked.into_iter().take(policy.max_jobs).map(|record| record.key.clone()).collect()
}

/// The waiting jobs that no open record is about: some were given up, some are not ours, and of some nobody has heard.
pub fn jobs_to_look_up(
    records: &[LedgerRecord],
    projects: &BTreeMap<ProjectKey, Vec<LiveJob>>,
) -> Vec<JobKey> {
    let known = keys(records);
    let waiting = projects.iter().flat_map(|(project, jobs)| {
        jobs.iter().filter(|job| job.status == JobStatus::Pending).map(|job| key_of(project, job))
    });
    waiting.filter(|key| !known.contains(key)).collect()
}

/// The projects to watch from now on.
pub(super) fn watched(snapshot: &Snapshot<'_>, policy: &ReconcilePolicy) -> BTreeMap<ProjectKey, Watched> {
    let now = snapshot.now;
    let mut projects = snapshot.memory.projects.clone();
    projects.retain(|_, watched| now.duration_since(watched.active_at) < policy.watch);
    for record in snapshot.records.iter().filter(|record| record.is_open()) {
        let watched = projects.entry(ProjectKey::of(&record.key)).or_insert_with(|| Watched {
            path: None,
            active_at: now,
            asked_at: Timestamp::UNIX_EPOCH,
        });
        watched.active_at = now;
        if let Some(path) = &record.project {
            watched.path = Some(path.clone());
        }
    }
    for project in snapshot.projects.keys() {
        if let Some(watched) = projects.get_mut(project) {
            watched.asked_at = now;
        }
    }
    projects
}
