//! `cargo xtask bench intake`: how fast authentic webhooks are accepted, next to a bare axum handler that only reads the body.
//!
//! Both serve on loopback from the same kind of runtime, and are asked by the same client in turns, in one run: the ratio means
//! something on a noisy machine, the rates alone do not. Accepting means: authenticated, parsed, and on the disk.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod load;
mod servers;

use std::time::Duration;

use anyhow::ensure;

use crate::load::{Load, flood, paced};
use crate::servers::{Server, webhook_request};

/// Connections at full load: as many as GitLab's background workers may have.
const CONNECTIONS: usize = 256;
/// Connections at half load.
const HALF_LOAD_CONNECTIONS: usize = 64;
/// Turns of each server; the median counts.
const ROUNDS: usize = 7;
/// Requests a turn.
const REQUESTS: usize = 20_000;
/// How long one turn of half load lasts.
const HALF_LOAD: Duration = Duration::from_secs(5);
/// Turns of half load; the median counts.
const HALF_LOAD_ROUNDS: usize = 5;

/// What must hold.
const LEAST_RATIO: f64 = 0.5;
const LONGEST_P99: Duration = Duration::from_millis(10);

fn main() -> anyhow::Result<()> {
    let bare = Server::bare()?;
    let intake = Server::intake()?;
    let request = |server: &Server| Load {
        address: server.address,
        request: webhook_request(server.address),
        connections: CONNECTIONS,
    };
    let (bare_load, intake_load) = (request(&bare), request(&intake));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let bare = runtime.block_on(flood(&bare_load, REQUESTS))?;
        let intake = runtime.block_on(flood(&intake_load, REQUESTS))?;
        // The first turn only warms up.
        if round > 0 {
            rounds.push((bare, intake));
        }
    }
    rounds.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (bare_flood, intake_flood) = &rounds[ROUNDS / 2];
    let ratio = ratio(&rounds[ROUNDS / 2]);
    let half_load = Load { connections: HALF_LOAD_CONNECTIONS, ..intake_load };
    let mut halves = Vec::new();
    for _ in 0..HALF_LOAD_ROUNDS {
        halves.push(runtime.block_on(paced(&half_load, intake_flood.per_second() / 2.0, HALF_LOAD))?);
    }
    halves.sort_by_key(load::Measured::p99);
    let half = &halves[HALF_LOAD_ROUNDS / 2];

    println!("full load, {CONNECTIONS} connections, median of {ROUNDS} turns of {REQUESTS} requests:");
    println!("  bare handler  {bare_flood}");
    println!("  intake        {intake_flood}");
    println!("  ratio         {ratio:.2} (at least {LEAST_RATIO})");
    println!(
        "half load, {HALF_LOAD_CONNECTIONS} connections, median of {HALF_LOAD_ROUNDS} turns of {} s:",
        HALF_LOAD.as_secs()
    );
    println!("  intake        {half} (p99 below {} ms)", LONGEST_P99.as_millis());
    let queued = intake.queued()?;
    println!("events on the disk afterwards: {queued}");
    ensure!(ratio >= LEAST_RATIO, "the intake is slower than {LEAST_RATIO} of the bare handler");
    ensure!(half.p99() < LONGEST_P99, "p99 at half load is not below {} ms", LONGEST_P99.as_millis());
    Ok(())
}

fn ratio((bare, intake): &(load::Measured, load::Measured)) -> f64 {
    intake.per_second() / bare.per_second()
}
