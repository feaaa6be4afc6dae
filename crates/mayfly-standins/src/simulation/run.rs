//! Runs many worlds beside each other, and tells the story of one.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mayfly_core::ids::{InvalidId, JobId};

use super::compute::Which;
use super::mix::Mix;
use super::report::Report;
use super::story::Story;
use super::world::{Running, WorldReport, WorldSettings};

/// What is to be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The seed: it decides everything.
    pub seed: u64,
    /// How many jobs begin in all worlds together, retries not counted.
    pub jobs: u64,
    /// How many worlds they are divided over.
    pub worlds: u64,
    /// How many worlds run beside each other; `None`: as many as this machine has processors.
    pub threads: Option<NonZero<usize>>,
    /// What goes wrong.
    pub mix: Mix,
}

/// Whose story is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Everything.
    pub is_all: bool,
    /// These jobs and their runners.
    pub jobs: Vec<JobId>,
    /// The runner of this name.
    pub runner: Option<String>,
}

impl Settings {
    /// The world of this number.
    pub fn world(&self, number: u64) -> WorldSettings {
        let one_more = u64::from(number < self.jobs % self.worlds.max(1));
        let jobs = self.jobs / self.worlds.max(1) + one_more;
        WorldSettings { seed: self.seed, number, jobs, mix: self.mix }
    }

    fn threads(&self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        self.threads.map_or_else(processors, NonZero::get)
    }
}

/// Runs all worlds.
///
/// # Errors
///
/// If the worlds' own names are not valid, which a test would show.
pub fn run(settings: &Settings) -> Result<Report, InvalidId> {
    let next = AtomicU64::new(0);
    let worlds = || -> Result<Report, InvalidId> {
        let mut report = Report::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= settings.worlds {
                return Ok(report);
            }
            let world = run_world(&settings.world(number))?;
            report.add(number, world);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..settings.threads()).map(|_| scope.spawn(worlds)).collect();
        let mut all = Report::default();
        for thread in threads {
            match thread.join() {
                Ok(report) => all = all.with(report?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

/// Runs one world.
///
/// # Errors
///
/// As [`run`].
pub fn run_world(settings: &WorldSettings) -> Result<WorldReport, InvalidId> {
    Ok(Running::new(settings, Story::default())?.run())
}

/// Runs one world again, and tells the story of some of its jobs and runners; if none are named, of what does not hold in it.
///
/// # Errors
///
/// As [`run`].
pub fn tell(settings: &WorldSettings, trace: &Trace) -> Result<Vec<String>, InvalidId> {
    let mut running = Running::new(settings, Story::told())?;
    let report = running.run();
    let sim = running.world.lock();
    if trace.is_all {
        return Ok(sim.story.all());
    }
    let mut jobs = trace.jobs.clone();
    let named = trace.runner.as_ref().and_then(|name| name.parse().ok());
    let mut which: Option<Which> = named.and_then(|name| sim.computes.find(&name));
    if jobs.is_empty() && which.is_none() {
        jobs.extend(report.broken.as_ref().and_then(|broken| broken.job));
        which = report.broken.as_ref().and_then(|broken| broken.which);
    }
    Ok(sim.story.about(&jobs, which))
}
