//! Which events are meant, in which order they are replayed, and who handles each.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::RETENTION;
use mayfly_core::status::{JobStatus, Rank};

use super::read::{Content, Found};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub(super) struct FilterFlags {
    /// Only those of this job: `host/project id/job id`.
    #[arg(long, value_name = "KEY")]
    job: Option<JobKey>,
    /// Only those of this project: its path, or its id.
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Only those with this status. May be given several times.
    #[arg(long, value_name = "STATUS", value_parser = read_status)]
    status: Vec<JobStatus>,
    /// Only those that came in then or later: a time such as `2026-11-21T22:00:00Z`, or how long ago, such as `90m` or `2d`.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only those that came in before then.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// At most so many, the oldest first.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// A moment as a person names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    Ago(SignedDuration),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let ago = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        match ago {
            Ok(ago) if !ago.is_negative() => Ok(Self::Ago(ago)),
            _ => Err("write a time such as `2026-11-21T22:00:00Z`, or how long ago, such as `90m`, `2h30m` or `2d`".to_owned()),
        }
    }
}

impl When {
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

fn read_status(word: &str) -> Result<JobStatus, String> {
    JobStatus::parse(word)
        .ok_or_else(|| "it is none of created, pending, running, success, failed, canceled".to_owned())
}

/// What was found, sorted by what can be done with it.
#[derive(Debug)]
pub(super) struct Chosen<T> {
    /// The events that are meant, the oldest first.
    pub(super) events: Vec<(Box<JobEvent>, T)>,
    /// What nobody listens to, and why, if no filter asks for anything else.
    pub(super) nobodys: Vec<(String, T)>,
    /// What cannot be read, with the reason. No filter hides it.
    pub(super) unreadable: Vec<(String, T)>,
    /// What is not meant.
    pub(super) others: Vec<T>,
}

impl<T> Chosen<T> {
    /// What is to be replayed, or deleted.
    pub(super) fn meant(&self) -> impl Iterator<Item = &T> {
        self.events.iter().map(|(_, one)| one).chain(self.nobodys.iter().map(|(_, one)| one))
    }

    /// What stays as it is.
    pub(super) fn not_meant(&self) -> impl Iterator<Item = &T> {
        self.others.iter().chain(self.unreadable.iter().map(|(_, one)| one))
    }
}

impl FilterFlags {
    pub(super) fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.since.map(|when| when.resolve(now))
    }

    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.map(|when| when.resolve(now))
    }

    /// Sorts out what was found.
    pub(super) fn choose<T: AsRef<Found>>(&self, found: Vec<T>, now: Timestamp) -> Chosen<T> {
        let mut chosen =
            Chosen { events: Vec::new(), nobodys: Vec::new(), unreadable: Vec::new(), others: Vec::new() };
        for one in found {
            match one.as_ref().content.clone() {
                content if !self.is_meant(&content, now) => chosen.others.push(one),
                Content::Job(event) => chosen.events.push((event, one)),
                Content::Nobodys(reason) => chosen.nobodys.push((reason, one)),
                Content::Unreadable(reason) => chosen.unreadable.push((reason, one)),
            }
        }
        chosen.events.sort_by_key(|(event, _)| event.received_at);
        let limit = self.limit.unwrap_or(usize::MAX).min(chosen.events.len());
        let beyond = chosen.events.split_off(limit);
        chosen.others.extend(beyond.into_iter().map(|(_, one)| one));
        chosen
    }

    /// True for what is told or replayed, if no limit leaves it out.
    pub(super) fn is_meant(&self, content: &Content, now: Timestamp) -> bool {
        match content {
            Content::Job(event) => self.takes(event, now),
            Content::Nobodys(_) => self.is_empty(),
            Content::Unreadable(_) => true,
        }
    }

    fn is_empty(&self) -> bool {
        self.job.is_none()
            && self.project.is_none()
            && self.status.is_empty()
            && self.since.is_none()
            && self.until.is_none()
            && self.limit.is_none()
    }

    fn takes(&self, event: &JobEvent, now: Timestamp) -> bool {
        let is_project = |asked: &String| {
            event.project.as_ref().is_some_and(|path| path.as_str() == asked)
                || event.key.project.to_string() == *asked
        };
        self.job.as_ref().is_none_or(|job| *job == event.key)
            && self.project.as_ref().is_none_or(is_project)
            && (self.status.is_empty() || self.status.contains(&event.status))
            && self.since(now).is_none_or(|since| event.received_at >= since)
            && self.until(now).is_none_or(|until| event.received_at < until)
    }
}

/// The state machine that handles an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    Start,
    Finish,
}

impl Machine {
    /// As the rules of the autoscaler's stack choose. `None` for an event that nobody listens to.
    pub(super) fn of(status: JobStatus) -> Option<Self> {
        match status.rank() {
            Rank::Created => None,
            Rank::Pending => Some(Self::Start),
            Rank::Running | Rank::Finished => Some(Self::Finish),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start-runner",
            Self::Finish => "finish-runner",
        }
    }
}

/// True if the ledger may have forgotten the event's job: then nothing but GitLab knows that it is over.
pub(super) fn is_forgotten(event: &JobEvent, now: Timestamp) -> bool {
    now.duration_since(event.received_at) > RETENTION
}

/// Puts events together by job, and in each job what tells most first: a job that is over leaves its mark before its `pending`
/// comes, which then starts nothing.
pub(super) fn by_job<T>(events: Vec<(Box<JobEvent>, T)>) -> Vec<Vec<(Box<JobEvent>, T)>> {
    let mut places: BTreeMap<JobKey, usize> = BTreeMap::new();
    let mut jobs: Vec<Vec<(Box<JobEvent>, T)>> = Vec::new();
    for (event, of) in events {
        let place = *places.entry(event.key.clone()).or_insert(jobs.len());
        if place == jobs.len() {
            jobs.push(Vec::new());
        }
        jobs[place].push((event, of));
    }
    for job in &mut jobs {
        job.sort_by_key(|(event, _)| std::cmp::Reverse(event.status.rank()));
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    impl AsRef<Found> for Found {
        fn as_ref(&self) -> &Found {
            self
        }
    }

    fn event(job: u64, status: JobStatus, seconds_ago: i64) -> Box<JobEvent> {
        Box::new(JobEvent {
            key: format!("gitlab.example.com/380/{job}").parse().unwrap(),
            name: "test".parse().unwrap(),
            status,
            project: Some("group/app".parse().unwrap()),
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: NOW - SignedDuration::from_secs(seconds_ago),
        })
    }

    fn found(content: Content) -> Found {
        Found { place: "line 1".to_owned(), content, failure: None }
    }

    /// Of jobs 1 (pending, 100 s ago), 2 (running, 50 s ago) and 3 (success, 10 s ago), those that are meant.
    fn check(filter: &FilterFlags, expected: &[u64]) {
        let all = [(3, JobStatus::Success, 10), (1, JobStatus::Pending, 100), (2, JobStatus::Running, 50)];
        let all = all.map(|(job, status, ago)| found(Content::Job(event(job, status, ago)))).to_vec();
        let chosen = filter.choose(all, NOW);
        let jobs: Vec<u64> = chosen.events.iter().map(|(event, _)| event.key.job.0).collect();
        assert_eq!(jobs, expected, "{filter:?}");
        assert_eq!(chosen.others.len(), 3 - expected.len(), "{filter:?}");
    }

    #[test]
    fn each_filter_takes_what_it_names_the_oldest_first() {
        let none = FilterFlags::default;
        let ago = |seconds| Some(When::Ago(SignedDuration::from_secs(seconds)));
        check(&none(), &[1, 2, 3]);
        check(&FilterFlags { limit: Some(2), ..none() }, &[1, 2]);
        check(&FilterFlags { job: "gitlab.example.com/380/2".parse().ok(), ..none() }, &[2]);
        check(&FilterFlags { project: Some("group/app".to_owned()), ..none() }, &[1, 2, 3]);
        check(&FilterFlags { project: Some("380".to_owned()), ..none() }, &[1, 2, 3]);
        check(&FilterFlags { project: Some("app".to_owned()), ..none() }, &[]);
        check(&FilterFlags { status: vec![JobStatus::Success, JobStatus::Running], ..none() }, &[2, 3]);
        check(&FilterFlags { since: ago(50), ..none() }, &[2, 3]);
        check(&FilterFlags { until: ago(50), ..none() }, &[1]);
        check(&FilterFlags { since: Some(When::At(NOW)), ..none() }, &[]);
    }

    #[test]
    fn no_filter_hides_what_cannot_be_read_and_any_hides_what_nobody_listens_to() {
        let all =
            || vec![found(Content::Nobodys("news".to_owned())), found(Content::Unreadable("?".to_owned()))];
        let chosen = FilterFlags::default().choose(all(), NOW);
        assert_eq!((chosen.nobodys.len(), chosen.unreadable.len(), chosen.others.len()), (1, 1, 0));
        let filters = [
            FilterFlags { project: Some("380".to_owned()), ..FilterFlags::default() },
            FilterFlags { limit: Some(1), ..FilterFlags::default() },
        ];
        for filter in filters {
            let chosen = filter.choose(all(), NOW);
            let counts = (chosen.nobodys.len(), chosen.unreadable.len(), chosen.others.len());
            assert_eq!(counts, (0, 1, 1), "{filter:?}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        for (text, expected) in [
            ("2026-11-18T11:06:40Z", Some(0)),
            ("2026-11-18T13:06:40+02:00", Some(0)),
            ("90m", Some(5400)),
            ("2h30m", Some(9000)),
            ("2d", Some(172_800)),
            ("-2d", None),
            ("2026-11-18", None),
            ("soon", None),
            ("", None),
        ] {
            let moment =
                text.parse::<When>().ok().map(|when| NOW.duration_since(when.resolve(NOW)).as_secs());
            assert_eq!(moment, expected, "{text}");
        }
    }

    #[test]
    fn each_status_has_the_machine_that_the_rules_name() {
        for (status, machine) in [
            (JobStatus::Created, None),
            (JobStatus::Pending, Some(Machine::Start)),
            (JobStatus::Running, Some(Machine::Finish)),
            (JobStatus::Success, Some(Machine::Finish)),
            (JobStatus::Failed, Some(Machine::Finish)),
            (JobStatus::Canceled, Some(Machine::Finish)),
        ] {
            assert_eq!(Machine::of(status), machine, "{status}");
        }
    }

    #[test]
    fn the_end_of_a_job_is_told_before_its_beginning() {
        let all = [
            (1, JobStatus::Pending, 100),
            (2, JobStatus::Pending, 90),
            (1, JobStatus::Running, 80),
            (1, JobStatus::Success, 70),
        ];
        let all = all.map(|(job, status, ago)| (event(job, status, ago), ())).to_vec();
        let jobs = by_job(all).into_iter().map(|job| {
            job.into_iter().map(|(event, ())| (event.key.job.0, event.status.as_str())).collect::<Vec<_>>()
        });
        let expected = vec![vec![(1, "success"), (1, "running"), (1, "pending")], vec![(2, "pending")]];
        assert_eq!(jobs.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_ledger_remembers_for_eight_days() {
        let days = |count: i64| event(1, JobStatus::Pending, count * 86_400);
        assert!(!is_forgotten(&days(8), NOW));
        assert!(is_forgotten(&event(1, JobStatus::Pending, 8 * 86_400 + 1), NOW));
    }
}
