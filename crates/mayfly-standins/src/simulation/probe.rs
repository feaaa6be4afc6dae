//! How long the reconciler takes to repair one thing, in a world where nothing else goes wrong.

use mayfly_core::ids::InvalidId;
use mayfly_core::launch::ClientToken;
use mayfly_core::machine::Market;

use super::agenda::{HOUR, MINUTE};
use super::compute::Life;
use super::gitlab::Status;
use super::mix::Mix;
use super::story::Story;
use super::world::{Running, WorldSettings};

/// How many jobs begin in the worlds that are looked at.
const JOBS: u64 = 600;

fn world(seed: u64) -> Result<Running, InvalidId> {
    let mix = Mix { is_crowded: true, ..Mix::NOTHING };
    Running::new(&WorldSettings { seed, number: 0, jobs: JOBS, mix }, Story::default())
}

/// How many passes begin from when a job waits, whose `pending` is lost, until a runner is to be started for it. `None`:
/// nobody ever starts one.
///
/// # Errors
///
/// If the world's own names are not valid, which a test would show.
pub fn passes_until_served(seed: u64) -> Result<Option<u64>, InvalidId> {
    let mut running = world(seed)?;
    running.world.lock().watch.probe.loses_from = Some((5 + seed % 5) * MINUTE + seed * 7919 % MINUTE);
    let mut since = None;
    while running.step() {
        let sim = running.world.lock();
        let probe = &sim.watch.probe;
        let Some(lost) = probe.lost else { continue };
        let since = *since.get_or_insert(running.passes);
        // A runner that was started for another job may take it, too.
        let is_taken = sim.gitlab.job(lost).is_some_and(|job| job.status != Status::Pending);
        if probe.is_served || is_taken {
            return Ok(Some(running.passes - since));
        }
    }
    Ok(None)
}

/// How many passes begin from when there is a machine of this installation that is in no record, and does not end by itself,
/// until it is ended. `None`: nobody ever ends it.
///
/// # Errors
///
/// As [`passes_until_served`].
pub fn passes_until_orphan_ends(seed: u64) -> Result<Option<u64>, InvalidId> {
    let mut running = world(seed)?;
    let begins = (5 + seed % 5) * MINUTE + seed * 7919 % MINUTE;
    let mut orphan = None;
    while running.step() {
        let mut sim = running.world.lock();
        let now = sim.now();
        match orphan {
            None if now >= begins => {
                let Ok(token) = format!("{seed:032x}").parse::<ClientToken>() else { return Ok(None) };
                let id = sim.add_machine(Market::Spot, token, now + HOUR, now + HOUR);
                let Some(which) = sim.computes.machine(&id) else { return Ok(None) };
                sim.computes.get_mut(which).life = Life::Hung;
                orphan = Some((which, running.passes));
            }
            Some((which, since)) if !sim.computes.get(which).is_alive() => {
                return Ok(Some(running.passes - since));
            }
            _ => {}
        }
    }
    Ok(None)
}
