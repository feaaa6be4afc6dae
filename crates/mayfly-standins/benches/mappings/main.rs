//! `cargo xtask bench mappings`: how long `mayfly mappings list`, `diff` and `lint` take with 10,000 rows in the data folder of a
//! `mayfly local`, how much memory they take, and what writing them took.
//!
//! The program is the release build. It runs as a person starts it: process, store, table, answer.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod folder;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use tokio::time::Instant;

use crate::folder::{DataFolder, ROWS};

/// Runs of each command that count; the first one only warms up.
const RUNS: usize = 5;
/// What must hold.
const LONGEST: Duration = Duration::from_secs(2);
const MOST_MEMORY_MB: i64 = 100;

/// The program to measure. `cargo xtask bench mappings` builds and names it.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    mayfly: PathBuf,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let mayfly = Arguments::parse().mayfly;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let folder = runtime.block_on(DataFolder::make())?;
    println!("mappings: {ROWS} rows, median of {RUNS} runs\n");
    let written = run(&mayfly, &["apply", folder.json(), "--yes"], &folder, 0)?;
    println!("{:<16} {:>7.3} s  (once)", "apply", written.as_secs_f64());

    let mut is_good = true;
    for (name, arguments, code) in [
        ("list", &["list"][..], 0),
        ("diff, JSON", &["diff", folder.json(), "--prune"], 0),
        ("diff, YAML", &["diff", folder.yaml(), "--prune"], 0),
        // A table of this size has something to say.
        ("lint", &["lint", "--fail-on", "never"], 0),
    ] {
        let mut times = Vec::new();
        for turn in 0..=RUNS {
            let time = run(&mayfly, arguments, &folder, code)?;
            if turn > 0 {
                times.push(time);
            }
        }
        times.sort_unstable();
        let median = times[RUNS / 2];
        is_good &= median < LONGEST;
        println!("{name:<16} {:>7.3} s  (limit {} s)", median.as_secs_f64(), LONGEST.as_secs());
    }
    // Linux counts kilobytes (getrusage(2)).
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() / 1024;
    is_good &= memory < MOST_MEMORY_MB;
    println!("{:<16} {memory:>7} MB (limit {MOST_MEMORY_MB} MB, the most of any run)", "memory");
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `mayfly mappings`, and says how long it took.
fn run(mayfly: &PathBuf, arguments: &[&str], folder: &DataFolder, code: i32) -> anyhow::Result<Duration> {
    let mut command = Command::new(mayfly);
    command.arg("mappings").args(arguments).arg("--data-dir").arg(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {}", mayfly.display()))?;
    let took = start.elapsed();
    ensure!(status.code() == Some(code), "mayfly mappings {}: {status}", arguments.join(" "));
    Ok(took)
}
