//! Launches on machines: one call for all jobs that want the same, written down before it is made.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use mayfly_core::decide::{decide_machine_started, started_machine};
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::fleet::{Fleet, FleetOrder, MAX_FLEET};
use mayfly_core::ids::{JobKey, ResourceId};
use mayfly_core::launch::{ClientToken, LaunchStep};
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::machine::{MachineRequest, Market};
use mayfly_core::ports::{FleetOutcome, LaunchOutcome, Written};
use tracing::info;

use crate::dispatcher::{Dispatcher, Machines};
use crate::equip::{equip, equip_again};
use crate::launch::{Settled, settle};
use crate::start::{AT_ONCE, Handled, WaitsFor, put_or_found};

/// How long a machine may take to boot and read its assignment; it comes on top of its runner's life.
const BOOT: SignedDuration = SignedDuration::from_mins(5);

/// When a machine that was told nothing has surely ended: it boots, waits a minute and turns itself off. EC2 cannot be asked
/// forever, because it forgets a machine an hour after its end.
pub(crate) const GIVES_UP: SignedDuration = SignedDuration::from_mins(4);

/// How many calls are under way at once: EC2 allows only a few in a second.
const CALLS_AT_ONCE: usize = 2;

/// When to look again at a job that another dispatcher got to first.
const OVERTAKEN_RECHECK: SignedDuration = SignedDuration::from_secs(2);

/// Whether a call may have been made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    First,
    /// Its machines may have given up waiting.
    Again,
}

/// A job whose claim asks for a machine.
pub(crate) struct Wanted {
    /// The job's position among those that were asked about.
    pub(crate) index: usize,
    pub(crate) event: JobEvent,
    /// With the claim.
    pub(crate) record: LedgerRecord,
    /// False until the claim is in the ledger.
    pub(crate) is_written: bool,
}

/// What became of the job at this position.
pub(crate) type Done = (usize, Result<Handled, PortError>);

/// What became of some jobs in one round.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) done: Vec<Done>,
    /// These go on with the next step of their plan, or from its beginning.
    pub(crate) again: Vec<Wanted>,
    /// These have a machine, which is in the ledger and does not know yet what it is for.
    noted: Vec<(Wanted, Call)>,
}

impl Progress {
    pub(crate) fn done(job: &Wanted, result: Result<Handled, PortError>) -> Self {
        Self { done: vec![(job.index, result)], ..Self::default() }
    }

    pub(crate) fn again(job: Wanted) -> Self {
        Self { again: vec![job], ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.done.extend(other.done);
        self.again.extend(other.again);
        self.noted.extend(other.noted);
    }
}

/// Carries out claims that ask for machines, until each has its machine on the way or nothing more can be done now.
///
/// A dispatcher that dies anywhere in here leaves claims that run out. Whoever takes one over finds the call written down
/// and repeats it, or finds none, and makes sure that it never will be made.
pub(crate) async fn launch_machines(
    dispatcher: &Dispatcher,
    machines: &Machines,
    wanted: Vec<Wanted>,
) -> Vec<Done> {
    let mut done = Vec::new();
    let mut rest = wanted;
    while !rest.is_empty() {
        let progress = round(dispatcher, machines, rest).await;
        done.extend(progress.done);
        rest = progress.again;
    }
    done
}

async fn round(dispatcher: &Dispatcher, machines: &Machines, wanted: Vec<Wanted>) -> Progress {
    let (begun, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|job| fleet_of(&job.record).is_some());
    let (started, called): (Vec<_>, Vec<_>) =
        begun.into_iter().partition(|job| machine_of(&job.record).is_some());
    let mut progress = Progress::default();

    let (started, lost) = write_claims(dispatcher, started).await;
    progress.add(lost);
    progress.add(each(started, |job| equip_again(dispatcher, machines, job)).await);

    let (called, lost) = write_claims(dispatcher, called).await;
    progress.add(lost);
    let calls = by_fleet(called).into_iter();
    progress.add(calls_of(calls.map(|(token, jobs)| call_again(dispatcher, machines, token, jobs))).await);

    let calls = by_request(new).into_values().flat_map(in_chunks);
    progress.add(calls_of(calls.map(|jobs| call_first(dispatcher, machines, jobs))).await);

    let noted = std::mem::take(&mut progress.noted);
    let equipped: Vec<BoxFuture<'_, Progress>> =
        noted.into_iter().map(|(job, call)| equip(dispatcher, machines, job, call).boxed()).collect();
    progress.add(gathered(stream::iter(equipped).buffer_unordered(AT_ONCE)).await);
    progress
}

/// Claims the jobs for one call, writes the call down, and makes it for those whose claims were got.
async fn call_first(dispatcher: &Dispatcher, machines: &Machines, mut jobs: Vec<Wanted>) -> Progress {
    let now = dispatcher.clock.now();
    let steps = jobs.iter().filter_map(|job| Some(job.record.claim.as_ref()?.token(&job.record.key)));
    let token = Fleet::token_for(&dispatcher.holder, now, steps);
    for job in &mut jobs {
        job.is_written = false;
        if let Some(claim) = job.record.claim.as_mut() {
            claim.fleet = Some(token.clone());
        }
    }
    let (jobs, mut progress) = write_claims(dispatcher, jobs).await;
    let Some(order) = order_of(dispatcher, &jobs) else { return progress };
    match dispatcher.ledger.freeze(&Fleet { token: token.clone(), order: Some(order) }, now).await {
        Ok(fleet) => progress.add(call(dispatcher, machines, &fleet, jobs, Call::First).await),
        Err(error) => progress.done.extend(failed(&jobs, &error)),
    }
    progress
}

/// Repeats a call that another dispatcher wrote down. One that was not written down is given up for good.
async fn call_again(
    dispatcher: &Dispatcher,
    machines: &Machines,
    token: ClientToken,
    jobs: Vec<Wanted>,
) -> Progress {
    let now = dispatcher.clock.now();
    match dispatcher.ledger.freeze(&Fleet::given_up(token), now).await {
        Ok(Fleet { order: Some(order), .. }) if now.duration_since(order.asked_at) > GIVES_UP => {
            Progress { again: jobs.into_iter().map(begun_again).collect(), ..Progress::default() }
        }
        Ok(fleet) => call(dispatcher, machines, &fleet, jobs, Call::Again).await,
        Err(error) => Progress { done: failed(&jobs, &error), ..Progress::default() },
    }
}

/// Makes the call, and notes which machine each job has. All are noted before the first is equipped: news of a machine's end
/// must find its job, and equipping waits for GitLab.
async fn call(
    dispatcher: &Dispatcher,
    machines: &Machines,
    fleet: &Fleet,
    jobs: Vec<Wanted>,
    which: Call,
) -> Progress {
    let (members, others): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|job| fleet.position(&job.record.key).is_some());
    // The call was never made for these, and never will be.
    let again = others.into_iter().map(begun_again).collect();
    let mut progress = Progress { again, ..Progress::default() };
    let Some(order) = fleet.order.as_ref().filter(|_| !members.is_empty()) else { return progress };
    let outcome = machines.backend.launch(&fleet.token, order).await;
    info!(fleet = %fleet.token, jobs = order.members.len(), market = ?order.market, "Asked EC2 for {} machines: {}", order.members.len(), in_words(&outcome));
    let went = each(members, |job| {
        let outcome = outcome_for(fleet, &job.record.key, &outcome);
        async move {
            match outcome {
                Ok(machine) => note(dispatcher, job, machine, order.asked_at, which).await,
                Err(outcome) => go_on(dispatcher, job, &outcome).await,
            }
        }
    });
    progress.add(went.await);
    progress
}

/// Writes down which machine a job has.
async fn note(
    dispatcher: &Dispatcher,
    mut job: Wanted,
    machine: ResourceId,
    asked_at: Timestamp,
    call: Call,
) -> Progress {
    let noted = decide_machine_started(&job.record, machine, asked_at, dispatcher.clock.now());
    match put_or_found(dispatcher, &noted).await {
        Ok(Written::Yes) => {
            job.record = LedgerRecord { version: noted.version + 1, ..noted };
            Progress { noted: vec![(job, call)], ..Progress::default() }
        }
        Ok(Written::Conflict) => Progress::done(&job, Ok(overtaken(dispatcher))),
        Err(error) => Progress::done(&job, Err(error)),
    }
}

/// The machine of one member, or what became of its launch instead.
fn outcome_for(fleet: &Fleet, key: &JobKey, outcome: &FleetOutcome) -> Result<ResourceId, LaunchOutcome> {
    match outcome {
        FleetOutcome::Launched { machines, shortage } => {
            let machine = fleet.position(key).and_then(|position| machines.get(position));
            let reason = || shortage.clone().unwrap_or_else(|| "fewer machines than asked for".to_owned());
            machine.cloned().ok_or_else(|| LaunchOutcome::Refused { reason: reason() })
        }
        FleetOutcome::Refused { reason } => Err(LaunchOutcome::Refused { reason: reason.clone() }),
        FleetOutcome::Busy { reason } => Err(LaunchOutcome::Busy { reason: reason.clone() }),
        FleetOutcome::Unknown { reason } => Err(LaunchOutcome::Unknown { reason: reason.clone() }),
        FleetOutcome::Impossible { reason } => Err(LaunchOutcome::Impossible { reason: reason.clone() }),
    }
}

fn in_words(outcome: &FleetOutcome) -> String {
    match outcome {
        FleetOutcome::Launched { machines, shortage: None } => format!("{} start", machines.len()),
        FleetOutcome::Launched { machines, shortage: Some(reason) } => {
            format!("only {} start, because {reason}", machines.len())
        }
        FleetOutcome::Refused { reason } => format!("refused: {reason}"),
        FleetOutcome::Busy { reason } => format!("not now: {reason}"),
        FleetOutcome::Unknown { reason } => format!("nobody knows: {reason}"),
        FleetOutcome::Impossible { reason } => format!("impossible: {reason}"),
    }
}

/// Writes what became of a job's launch. A job with another step in its plan goes on with it.
pub(crate) async fn go_on(dispatcher: &Dispatcher, job: Wanted, outcome: &LaunchOutcome) -> Progress {
    let Wanted { index, event, record, .. } = job;
    match settle(dispatcher, &event, record, outcome).await {
        Ok(Settled::NextStep(record)) => {
            Progress::again(Wanted { index, event, record: *record, is_written: true })
        }
        Ok(Settled::Handled(handled)) => Progress { done: vec![(index, Ok(handled))], ..Progress::default() },
        Err(error) => Progress { done: vec![(index, Err(error))], ..Progress::default() },
    }
}

/// Writes the claims that are not in the ledger yet, and parts the jobs into those that were got and those that were not.
async fn write_claims(dispatcher: &Dispatcher, jobs: Vec<Wanted>) -> (Vec<Wanted>, Progress) {
    let progress = each(jobs, |job| async move { write_claim(dispatcher, job).await }).await;
    (progress.again, Progress { done: progress.done, ..Progress::default() })
}

async fn write_claim(dispatcher: &Dispatcher, mut job: Wanted) -> Progress {
    if job.is_written {
        return Progress::again(job);
    }
    let result = match put_or_found(dispatcher, &job.record).await {
        Ok(Written::Yes) => {
            job.record.version += 1;
            job.is_written = true;
            return Progress::again(job);
        }
        Ok(Written::Conflict) => Ok(overtaken(dispatcher)),
        Err(error) => Err(error),
    };
    Progress::done(&job, result)
}

pub(crate) fn overtaken(dispatcher: &Dispatcher) -> Handled {
    Handled::Later {
        at: dispatcher.clock.now() + OVERTAKEN_RECHECK,
        reason: "another dispatcher is at it".to_owned(),
        waits_for: WaitsFor::Others,
    }
}

/// The job from the beginning of its plan, with tokens of its own.
pub(crate) fn begun_again(mut job: Wanted) -> Wanted {
    if let Some(claim) = job.record.claim.as_mut() {
        claim.begin_again();
    }
    job
}

fn order_of(dispatcher: &Dispatcher, jobs: &[Wanted]) -> Option<FleetOrder> {
    let claim = jobs.first()?.record.claim.as_ref()?;
    let life = SignedDuration::try_from(claim.request.settings.max_life()).unwrap_or(SignedDuration::MAX);
    Some(FleetOrder {
        members: jobs.iter().map(|job| job.record.key.clone()).collect(),
        machine: claim.request.machine.clone()?,
        market: claim.launch_step()?.market()?,
        mapping: claim.request.mapping.clone(),
        asked_at: dispatcher.clock.now(),
        deadline: dispatcher.clock.now() + life + BOOT,
    })
}

fn fleet_of(record: &LedgerRecord) -> Option<&ClientToken> {
    record.claim.as_ref()?.fleet.as_ref()
}

/// The machine that was started for the record's claim.
pub(crate) fn machine_of(record: &LedgerRecord) -> Option<&ResourceId> {
    Some(&started_machine(record, record.claim.as_ref()?)?.name.resource)
}

fn by_fleet(jobs: Vec<Wanted>) -> BTreeMap<ClientToken, Vec<Wanted>> {
    let mut fleets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for job in jobs {
        if let Some(token) = fleet_of(&job.record).cloned() {
            fleets.entry(token).or_default().push(job);
        }
    }
    fleets
}

/// What jobs of one call have in common.
type Request = (Option<MachineRequest>, Option<Market>, String, u32);

fn by_request(jobs: Vec<Wanted>) -> BTreeMap<Request, Vec<Wanted>> {
    let mut requests: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for job in jobs {
        let Some(claim) = &job.record.claim else { continue };
        let market = claim.launch_step().and_then(LaunchStep::market);
        let life = claim.request.settings.max_life_seconds;
        let request = (claim.request.machine.clone(), market, claim.request.mapping.clone(), life);
        requests.entry(request).or_default().push(job);
    }
    requests
}

fn in_chunks(jobs: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut chunks = Vec::new();
    let mut jobs = jobs.into_iter().peekable();
    while jobs.peek().is_some() {
        chunks.push(jobs.by_ref().take(MAX_FLEET).collect());
    }
    chunks
}

fn failed(jobs: &[Wanted], error: &PortError) -> Vec<Done> {
    let repeated = || PortError {
        operation: error.operation.clone(),
        retry: error.retry,
        source: mayfly_core::error::Chain(&*error.source).to_string().into(),
    };
    jobs.iter().map(|job| (job.index, Err(repeated()))).collect()
}

async fn each<F>(jobs: Vec<Wanted>, act: impl Fn(Wanted) -> F) -> Progress
where
    F: Future<Output = Progress> + Send,
{
    // In boxes, because many large futures are moved about otherwise.
    let acting: Vec<BoxFuture<'_, Progress>> = jobs.into_iter().map(|job| act(job).boxed()).collect();
    gathered(stream::iter(acting).buffer_unordered(AT_ONCE)).await
}

async fn calls_of<F>(calls: impl Iterator<Item = F>) -> Progress
where
    F: Future<Output = Progress> + Send,
{
    let calls: Vec<BoxFuture<'_, Progress>> = calls.map(FutureExt::boxed).collect();
    gathered(stream::iter(calls).buffer_unordered(CALLS_AT_ONCE)).await
}

async fn gathered(progress: impl stream::Stream<Item = Progress>) -> Progress {
    progress
        .fold(Progress::default(), |mut all, part| async move {
            all.add(part);
            all
        })
        .await
}
