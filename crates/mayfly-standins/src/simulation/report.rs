//! What became of a run, for people.

use std::fmt;

use super::tally::{Call, Fact, Tally, Trouble};
use super::watch::Broken;
use super::world::WorldReport;

/// What became of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// How many worlds were run.
    pub worlds: u64,
    /// All counts of all worlds.
    pub tally: Tally,
    /// What did not hold, by the number of the world, in the order of these.
    pub broken: Vec<(u64, Broken)>,
}

impl Report {
    pub(super) fn add(&mut self, number: u64, world: WorldReport) {
        self.worlds += 1;
        self.tally = std::mem::take(&mut self.tally).with(&world.tally);
        self.broken.extend(world.broken.map(|broken| (number, broken)));
    }

    pub(super) fn with(mut self, other: Self) -> Self {
        self.worlds += other.worlds;
        self.tally = self.tally.with(&other.tally);
        self.broken.extend(other.broken);
        self.broken.sort_by_key(|(number, _)| *number);
        self
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let waited = tally.facts(Fact::JobsWaited);
        writeln!(
            formatter,
            "{waited} jobs in {} worlds, {:.1} hours simulated",
            self.worlds,
            seconds(tally.simulated) / 3600.0
        )?;
        let run = tally.facts(Fact::JobsRun);
        writeln!(
            formatter,
            "{} runners started, {:.4} a job run by them; a job waited {:.1} s on average, {:.0} s at most",
            tally.starts(),
            ratio(tally.starts(), run),
            seconds(tally.all_waits) / ratio(run, 1),
            seconds(tally.longest_wait),
        )?;
        writeln!(formatter, "what happened:")?;
        for fact in Fact::ALL {
            line(formatter, fact.as_str(), tally.facts(*fact))?;
        }
        writeln!(formatter, "what went wrong:")?;
        for trouble in Trouble::ALL {
            line(formatter, trouble.as_str(), tally.troubles(*trouble))?;
        }
        writeln!(formatter, "calls:")?;
        for call in Call::ALL {
            line(formatter, call.as_str(), tally.calls(*call))?;
        }
        writeln!(formatter, "repairs (and how many of them failed):")?;
        for ((act, reason), (count, failed)) in &tally.repairs {
            writeln!(formatter, "  {:<52}{count:>9}{failed:>9}", format!("{act}: {reason}"))?;
        }
        Ok(())
    }
}

fn line(formatter: &mut fmt::Formatter<'_>, words: &str, count: u64) -> fmt::Result {
    if count == 0 {
        return Ok(());
    }
    writeln!(formatter, "  {words:<52}{count:>9}")
}
