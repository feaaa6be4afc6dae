//! One cold start, watched from outside of the process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, bail};
use mayfly_standins::lambda_runtime::Answer;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::program::Program;
use crate::world::World;

/// How long a program may take to ask for its first event.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one cold start took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// From just before the process's start to its asking for the first event.
    pub(crate) ready: Duration,
    /// From the first event's being there to its answer.
    pub(crate) answered: Duration,
    /// CPU time of all threads, until the first event was asked for.
    pub(crate) cpu_ready: Duration,
    /// CPU time of all threads, from there to the first answer.
    pub(crate) cpu_answered: Duration,
    /// The most memory that was in use until the first answer, in bytes.
    pub(crate) peak_memory: u64,
    /// TLS handshakes until the first answer.
    pub(crate) handshakes: u32,
}

/// Starts the program, hands it one event as soon as it asks for one, and ends it.
pub(crate) async fn cold_start(program: &Program, world: &World) -> anyhow::Result<Sample> {
    let doing = || format!("a start of {}", program.path().display());
    let event = program.event(world)?.to_string();
    world.take_handshakes();
    let mut environment = program.function.start().await?;
    let ready = environment.ready(PATIENCE).await?;
    let cpu_ready = cpu_time(environment.process_id()).with_context(doing)?;
    let invocation = environment.invoke(event).await?;
    let cpu = cpu_time(environment.process_id()).with_context(doing)?;
    let peak_memory = peak_memory(environment.process_id()).with_context(doing)?;
    match invocation.answer {
        Answer::Response(answer) => program.check(&answer, world).with_context(doing)?,
        other => bail!("{}: {other:?}: {:#?}", doing(), environment.log()),
    }
    Ok(Sample {
        ready,
        answered: invocation.took,
        cpu_ready,
        cpu_answered: cpu.saturating_sub(cpu_ready),
        peak_memory,
        handshakes: world.take_handshakes(),
    })
}

/// What all threads of a process have used, those that are gone too.
fn cpu_time(process: i32) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(process)).context("the process has no CPU clock")?;
    Ok(clock_gettime(clock).context("the process's CPU clock cannot be read")?.into())
}

/// From `/proc/<id>/status`: `VmHWM:      5800 kB`.
fn peak_memory(process: i32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context(line.to_owned())?;
    Ok(kibibytes * 1024)
}
