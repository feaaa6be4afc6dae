//! `cargo xtask bench cold-start`: how long our functions take from the start of their process to the first answer, next to the
//! smallest function there can be.
//!
//! Every program is the release build, and runs in the stand-in Lambda environment with everything it calls on loopback: AWS
//! behind TLS with all root certificates of this machine to be read, GitLab without. The programs take turns in one run: the
//! ratios mean something on a noisy machine, the times alone do not. CPU time is the better measure of what a function with
//! little memory will take, because Lambda gives CPU by memory.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod program;
mod report;
mod sample;
mod tls;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::program::Program;
use crate::report::{Report, judge, table};
use crate::sample::cold_start;
use crate::world::World;

/// Starts of each program that count; the first one only warms up.
const STARTS: usize = 50;

/// The programs to measure. `cargo xtask bench cold-start` builds and names them.
#[derive(Debug, Parser)]
struct Programs {
    #[arg(long)]
    hello_function: PathBuf,
    #[arg(long)]
    mayfly_webhook: PathBuf,
    #[arg(long)]
    mayfly_dispatcher: PathBuf,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let programs = Programs::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let reports = runtime.block_on(measure(&programs))?;
    println!("cold start, median (p90) of {STARTS} starts of each program, in turns:\n");
    println!("{}\n", table(&reports));
    let limits = judge(&reports);
    for limit in &limits {
        println!("{limit}");
    }
    let is_good = limits.iter().all(report::Limit::is_kept);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The reports of hello, webhook and dispatcher.
async fn measure(programs: &Programs) -> anyhow::Result<[Report; 3]> {
    let world = World::start().await?;
    let programs = [
        Program::hello(&programs.hello_function),
        Program::webhook(&programs.mayfly_webhook, &world),
        Program::dispatcher(&programs.mayfly_dispatcher, &world),
    ];
    let mut samples = [const { Vec::new() }; 3];
    for turn in 0..=STARTS {
        for (program, samples) in programs.iter().zip(&mut samples) {
            let sample = cold_start(program, &world).await?;
            if turn > 0 {
                samples.push(sample);
            }
        }
    }
    let [hello, webhook, dispatcher] = programs;
    let [hello_samples, webhook_samples, dispatcher_samples] = samples;
    Ok([
        Report::new(&hello, &hello_samples)?,
        Report::new(&webhook, &webhook_samples)?,
        Report::new(&dispatcher, &dispatcher_samples)?,
    ])
}
