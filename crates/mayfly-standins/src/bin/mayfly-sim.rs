//! Runs the seeded simulation, and prints what came of it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

use std::num::NonZero;
use std::process::ExitCode;

use clap::Parser;
use mayfly_core::ids::{InvalidId, JobId};
use mayfly_standins::simulation::{Mix, Report, Settings, Trace, run, run_world, tell};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The seeded simulation: no job is lost, and no runner leaks.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many jobs begin, in all worlds together
    #[arg(long, default_value_t = 100_000)]
    jobs: u64,
    /// Decides everything
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many worlds the jobs are divided over; a thousand jobs each if not given
    #[arg(long)]
    worlds: Option<u64>,
    /// How many worlds run beside each other
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Everything goes wrong so many times as often
    #[arg(long, default_value_t = 1.0)]
    times: f64,
    /// Nothing goes wrong
    #[arg(long, conflicts_with = "times")]
    without_faults: bool,
    /// Only the world of this number, with its story
    #[arg(long)]
    world: Option<u64>,
    /// The jobs whose story is told, by their ids, or the name of a runner, or `all`
    #[arg(long, value_name = "JOB|RUNNER|all", requires = "world")]
    trace: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match simulate(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(arguments: &Arguments) -> Result<bool, InvalidId> {
    let settings = Settings {
        seed: arguments.seed,
        jobs: arguments.jobs,
        worlds: arguments.worlds.unwrap_or(arguments.jobs.div_ceil(1000)).max(1),
        threads: arguments.threads,
        mix: if arguments.without_faults { Mix::NOTHING } else { Mix::default().times(arguments.times) },
    };
    if let Some(number) = arguments.world {
        return replay(&settings, number, arguments);
    }
    #[expect(clippy::disallowed_methods, reason = "the real time that it takes is what is measured")]
    let begun = std::time::Instant::now();
    let report = run(&settings)?;
    let took = begun.elapsed().as_secs_f64();
    print!("{report}");
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let speed = settings.jobs as f64 / took;
    println!("seed {}: {} jobs in {took:.2} s: {speed:.0} jobs a second", settings.seed, settings.jobs);
    say_broken(&settings, &report, arguments)
}

fn say_broken(settings: &Settings, report: &Report, arguments: &Arguments) -> Result<bool, InvalidId> {
    for (number, broken) in &report.broken {
        println!("world {number}: BROKEN: {}: {}", broken.invariant, broken.words);
    }
    let Some((number, _)) = report.broken.first() else { return Ok(true) };
    println!("the story of world {number}:");
    for line in tell(&settings.world(*number), &Trace::default())? {
        println!("{line}");
    }
    let Settings { seed, jobs, worlds, .. } = settings;
    let mix = match arguments.times {
        _ if arguments.without_faults => " --without-faults".to_owned(),
        1.0 => String::new(),
        times => format!(" --times {times}"),
    };
    println!("again: cargo xtask sim --seed {seed} --jobs {jobs} --worlds {worlds} --world {number}{mix}");
    Ok(false)
}

fn replay(settings: &Settings, number: u64, arguments: &Arguments) -> Result<bool, InvalidId> {
    let mut trace = Trace::default();
    for word in &arguments.trace {
        match (word.as_str(), word.parse::<u64>()) {
            ("all", _) => trace.is_all = true,
            (_, Ok(id)) => trace.jobs.push(JobId(id)),
            (_, Err(_)) => trace.runner = Some(word.clone()),
        }
    }
    for line in tell(&settings.world(number), &trace)? {
        println!("{line}");
    }
    let report = run_world(&settings.world(number))?;
    match &report.broken {
        Some(broken) => println!("world {number}: BROKEN: {}: {}", broken.invariant, broken.words),
        None => println!("world {number}: all holds"),
    }
    Ok(report.broken.is_none())
}
