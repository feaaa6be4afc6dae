//! What happened to jobs and runners, for people. Nothing is kept, and no word is made, unless somebody wants to read it.

use mayfly_core::ids::JobId;

use super::agenda::Moment;
use super::compute::Which;

/// Whom a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Job(JobId),
    Compute(Which),
    Both(JobId, Which),
    All,
}

/// The story of a world.
#[derive(Debug, Default)]
pub(super) struct Story {
    is_told: bool,
    lines: Vec<(Moment, About, String)>,
}

impl Story {
    /// A story that is told.
    pub(super) fn told() -> Self {
        Self { is_told: true, lines: Vec::new() }
    }

    /// True if anybody wants to read it.
    pub(super) fn is_told(&self) -> bool {
        self.is_told
    }

    fn tell(&mut self, at: Moment, about: About, words: impl FnOnce() -> String) {
        if self.is_told {
            self.lines.push((at, about, words()));
        }
    }

    pub(super) fn tell_job(&mut self, at: Moment, job: JobId, words: impl FnOnce() -> String) {
        self.tell(at, About::Job(job), words);
    }

    pub(super) fn tell_compute(&mut self, at: Moment, which: Which, words: impl FnOnce() -> String) {
        self.tell(at, About::Compute(which), words);
    }

    pub(super) fn tell_both(&mut self, at: Moment, job: JobId, which: Which, words: impl FnOnce() -> String) {
        self.tell(at, About::Both(job, which), words);
    }

    pub(super) fn tell_all(&mut self, at: Moment, words: impl FnOnce() -> String) {
        self.tell(at, About::All, words);
    }

    /// All lines.
    pub(super) fn all(&self) -> Vec<String> {
        self.lines.iter().map(written).collect()
    }

    /// The lines about these jobs and this compute, and about all compute that had to do with these jobs.
    pub(super) fn about(&self, jobs: &[JobId], compute: Option<Which>) -> Vec<String> {
        let of_job =
            |about: About| matches!(about, About::Job(job) | About::Both(job, _) if jobs.contains(&job));
        let mut with: Vec<Which> = compute.into_iter().collect();
        for (_, about, _) in &self.lines {
            if let About::Both(job, which) = about
                && jobs.contains(job)
                && !with.contains(which)
            {
                with.push(*which);
            }
        }
        let wanted = |about: About| match about {
            About::All => true,
            About::Compute(which) | About::Both(_, which) if with.contains(&which) => true,
            about => of_job(about),
        };
        self.lines.iter().filter(|(_, about, _)| wanted(*about)).map(written).collect()
    }
}

fn written((at, about, words): &(Moment, About, String)) -> String {
    format!("{:>10.3} s  {}: {words}", seconds(*at), who(*about))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds(at: Moment) -> f64 {
    at as f64 / 1000.0
}

fn who(about: About) -> String {
    match about {
        About::Job(job) => format!("job {job}"),
        About::Compute(which) => format!("compute {which}"),
        About::Both(job, which) => format!("job {job}, compute {which}"),
        About::All => "world".to_owned(),
    }
}
