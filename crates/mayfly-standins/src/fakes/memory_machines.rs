//! Machines in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_core::assignment::Assignment;
use mayfly_core::error::PortError;
use mayfly_core::fleet::FleetOrder;
use mayfly_core::ids::{JobKey, MachineImage, ResourceId};
use mayfly_core::launch::ClientToken;
use mayfly_core::ports::{FleetOutcome, HandOver, LiveMachine, MachineBackend};

use crate::ec2::{
    Delivery, Ec2Error, Filter, FleetAnswer, FleetCall, Instance, InstanceState, Override, Reply, SharedEc2,
};

/// The stand-in EC2 as a machine backend, and a table of assignments in memory.
///
/// What EC2 has, refuses and loses is said to its model: `machines.ec2().with(|model, now| …)`, see
/// [`Ec2Model`](crate::ec2::Ec2Model). What a machine's agent does is [`read_assignment`](Self::read_assignment).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use mayfly_core::machine::Market;
/// use mayfly_standins::ec2::{Fault, Operation};
/// use mayfly_standins::fakes::MemoryMachines;
///
/// let machines = MemoryMachines::default();
/// machines.ec2().with(|model, _| {
///     model.set_market_capacity(Market::Spot, Some(0));
///     model.fail_next(Operation::CreateFleet, Fault::AnswerLost);
/// });
/// assert!(machines.live().is_empty());
/// # });
/// ```
#[derive(Debug, Default)]
pub struct MemoryMachines {
    ec2: SharedEc2,
    latency: Duration,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: BTreeMap<ResourceId, Waiting>,
    handed_over: Vec<(ResourceId, JobKey)>,
    read: Vec<(ResourceId, JobKey)>,
    calls: MachineCalls,
}

#[derive(Debug)]
struct Waiting {
    job: JobKey,
    assignment: Assignment,
}

/// How often each method of the port was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MachineCalls {
    /// `launch`.
    pub launches: usize,
    /// `is_there`.
    pub looks: usize,
    /// `hand_over`.
    pub hand_overs: usize,
    /// `withdraw`, those of `stop` not included.
    pub withdrawals: usize,
    /// `stop`.
    pub stops: usize,
}

impl MemoryMachines {
    /// Machines of this EC2.
    pub fn new(ec2: SharedEc2) -> Self {
        Self { ec2, ..Self::default() }
    }

    /// From now on a `CreateFleet` takes so long. Machines are there from its beginning.
    #[must_use]
    pub fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// The EC2 below.
    pub fn ec2(&self) -> &SharedEc2 {
        &self.ec2
    }

    /// The machines that live, in the order of their ids.
    pub fn live(&self) -> Vec<ResourceId> {
        self.ec2.with(|model, _| {
            model.live().filter_map(|instance| ResourceId::new(&*instance.id).ok()).collect()
        })
    }

    /// Ends a machine without being asked to, as EC2 does when it takes one back, or an agent.
    pub fn end(&self, machine: &ResourceId) {
        self.ec2.with(|model, now| model.end(machine.as_str(), now));
    }

    /// Reads the machine's assignment as its agent does: once.
    pub fn read_assignment(&self, machine: &ResourceId) -> Option<Assignment> {
        let mut table = self.table();
        let Waiting { job, assignment } = table.waiting.remove(machine)?;
        table.read.push((machine.clone(), job));
        Some(assignment)
    }

    /// The job whose assignment the machine has not read yet.
    pub fn waiting(&self, machine: &ResourceId) -> Option<JobKey> {
        self.table().waiting.get(machine).map(|waiting| waiting.job.clone())
    }

    /// Every assignment that was handed over, those read or withdrawn since included.
    pub fn handed_over(&self) -> Vec<(ResourceId, JobKey)> {
        self.table().handed_over.clone()
    }

    /// Every assignment that was read.
    pub fn read(&self) -> Vec<(ResourceId, JobKey)> {
        self.table().read.clone()
    }

    /// How often it was called.
    pub fn calls(&self) -> MachineCalls {
        self.table().calls
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is whole, so what a panicking test leaves behind is usable.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MachineBackend for MemoryMachines {
    async fn launch(&self, token: &ClientToken, order: &FleetOrder) -> FleetOutcome {
        self.table().calls.launches += 1;
        let call = fleet_call(token, order);
        let reply = self.ec2.with(|model, now| model.create_fleet(&call, now));
        tokio::time::sleep(self.latency).await;
        let outcome = match delivered(reply).await {
            Ok(answer) => Ok(answer),
            Err(Undelivered::Answer(error)) => Err(error),
            Err(Undelivered::Nothing) => {
                return FleetOutcome::Unknown { reason: "the answer was lost".to_owned() };
            }
        };
        match outcome {
            Ok(answer) if answer.machines.is_empty() && answer.errors.is_empty() => {
                let tag = Filter::Tag("mayfly:launch".to_owned(), token.to_string());
                let known = self.ec2.with(|model, now| model.describe(&tag, 0, now));
                let ids =
                    known.answer.map(|(instances, _)| instances.into_iter().map(|instance| instance.id));
                match ids.map(Iterator::collect::<Vec<String>>) {
                    Ok(ids) if !ids.is_empty() => launched(ids, order, ""),
                    _ => FleetOutcome::Unknown { reason: "neither machines nor errors".to_owned() },
                }
            }
            Ok(answer) => outcome_of_answer(&answer, order),
            Err(error) => outcome_of_error(&error),
        }
    }

    async fn is_there(&self, machine: &ResourceId) -> Result<bool, PortError> {
        self.table().calls.looks += 1;
        let ids = Filter::Ids(vec![machine.to_string()]);
        let reply = self.ec2.with(|model, now| {
            let reply = model.describe(&ids, 0, now);
            let answer = reply.answer.map(|(instances, _)| {
                instances.iter().all(|instance| model.state_of(instance, now) == InstanceState::Running)
            });
            Reply { answer, delivery: reply.delivery }
        });
        match delivered(reply).await {
            Ok(is_there) => Ok(is_there),
            Err(Undelivered::Answer(error)) if is_unknown(&error) => Ok(true),
            Err(undelivered) => Err(undelivered.into_error("machines: is there")),
        }
    }

    async fn hand_over(
        &self,
        machine: &ResourceId,
        job: &JobKey,
        assignment: &Assignment,
    ) -> Result<HandOver, PortError> {
        let mut table = self.table();
        table.calls.hand_overs += 1;
        if table.waiting.get(machine).is_some_and(|waiting| waiting.job != *job) {
            return Ok(HandOver::Taken);
        }
        table.handed_over.push((machine.clone(), job.clone()));
        table.waiting.insert(machine.clone(), Waiting { job: job.clone(), assignment: assignment.clone() });
        Ok(HandOver::Waits)
    }

    async fn withdraw(&self, machine: &ResourceId) -> Result<bool, PortError> {
        let mut table = self.table();
        table.calls.withdrawals += 1;
        Ok(table.waiting.remove(machine).is_some())
    }

    async fn stop(&self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError> {
        self.table().calls.stops += 1;
        let reply = self.ec2.with(|model, now| model.terminate(&[machine.to_string()], now));
        match delivered(reply).await {
            Ok(_) => {}
            Err(Undelivered::Answer(error)) if is_unknown(&error) && !is_fresh => {}
            Err(undelivered) => return Err(undelivered.into_error("machines: stop")),
        }
        self.table().waiting.remove(machine);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<LiveMachine>, PortError> {
        let ours = Filter::Tagged("mayfly:stack".to_owned());
        let reply = self.ec2.with(|model, now| model.describe_live(&ours, now));
        let listed = delivered(reply).await;
        let instances = listed.map_err(|undelivered| undelivered.into_error("machines: list"))?;
        Ok(instances.iter().filter_map(live_machine).collect())
    }
}

fn live_machine(instance: &Instance) -> Option<LiveMachine> {
    let tag = |name: &str| instance.tags.get(name);
    Some(LiveMachine {
        id: ResourceId::new(&*instance.id).ok()?,
        deadline: tag("mayfly:deadline").and_then(|deadline| deadline.parse().ok()),
        launch: tag("mayfly:launch").and_then(|launch| launch.parse().ok()),
    })
}

/// Why a caller has no answer that it wants.
enum Undelivered {
    Answer(Ec2Error),
    Nothing,
}

impl Undelivered {
    fn into_error(self, operation: &str) -> PortError {
        match self {
            Self::Answer(error) if error.is_throttling() || error.status >= 500 || is_unknown(&error) => {
                PortError::later(operation, error)
            }
            Self::Answer(error) => PortError::never(operation, error),
            Self::Nothing => PortError::later(operation, "the answer was lost"),
        }
    }
}

async fn delivered<T>(reply: Reply<T>) -> Result<T, Undelivered> {
    match reply.delivery {
        Delivery::AtOnce => {}
        Delivery::After(time) => tokio::time::sleep(time).await,
        Delivery::Lost | Delivery::Unreadable => return Err(Undelivered::Nothing),
    }
    reply.answer.map_err(Undelivered::Answer)
}

fn is_unknown(error: &Ec2Error) -> bool {
    error.code == "InvalidInstanceID.NotFound"
}

/// The call as it goes to EC2.
fn fleet_call(token: &ClientToken, order: &FleetOrder) -> FleetCall {
    let machine = &order.machine;
    let subnets = machine.subnets.iter().map(ToString::to_string);
    let subnets: Vec<String> =
        if machine.subnets.is_empty() { vec![String::new()] } else { subnets.collect() };
    let overrides = machine.instance_types.iter().flat_map(|instance_type| {
        subnets.iter().map(move |subnet| Override {
            instance_type: instance_type.to_string(),
            subnet: subnet.clone(),
            image: image(&machine.image),
            root_volume_gib: machine.root_volume_gib,
        })
    });
    FleetCall {
        token: token.to_string(),
        launch_template: machine.launch_template.clone(),
        version: machine.launch_template_version.clone(),
        market: order.market,
        overrides: overrides.collect(),
        count: order.members.len(),
        tags: order.tags(token),
        volume_tags: order.tags(token),
    }
}

fn image(image: &MachineImage) -> String {
    let text = image.as_str();
    if text.starts_with('/') { format!("resolve:ssm:{text}") } else { text.to_owned() }
}

fn outcome_of_answer(answer: &FleetAnswer, order: &FleetOrder) -> FleetOutcome {
    let mut words: Vec<String> =
        answer.errors.iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
    words.dedup();
    let reason = words.join("; ");
    if !answer.machines.is_empty() {
        let ids = answer.machines.iter().map(|(id, _)| id.clone()).collect();
        return launched(ids, order, &reason);
    }
    if answer.errors.iter().any(crate::ec2::FleetError::is_shortage) {
        FleetOutcome::Refused { reason }
    } else {
        FleetOutcome::Impossible { reason }
    }
}

fn launched(ids: Vec<String>, order: &FleetOrder, reason: &str) -> FleetOutcome {
    let mut machines: Vec<ResourceId> = ids.into_iter().filter_map(|id| ResourceId::new(id).ok()).collect();
    machines.sort();
    let is_short = machines.len() < order.members.len();
    FleetOutcome::Launched { machines, shortage: is_short.then(|| reason.to_owned()) }
}

fn outcome_of_error(error: &Ec2Error) -> FleetOutcome {
    let reason = error.to_string();
    if error.is_throttling() || error.code == "IdempotentParameterMismatch" {
        FleetOutcome::Busy { reason }
    } else if error.is_shortage() {
        FleetOutcome::Refused { reason }
    } else if error.status >= 500 {
        FleetOutcome::Unknown { reason }
    } else {
        FleetOutcome::Impossible { reason }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_core::machine::Market;
    use tokio::time::Instant;

    use super::*;
    use crate::contracts::fleet_order;
    use crate::ec2::{Ec2Model, Fault, Operation};
    use crate::fakes::{Failing, When};

    fn token(number: u32) -> ClientToken {
        ClientToken::new(&"gitlab.example.com/380/1977".parse().unwrap(), number, 0)
    }

    fn kind(outcome: &FleetOutcome) -> &'static str {
        match outcome {
            FleetOutcome::Launched { .. } => "launched",
            FleetOutcome::Refused { .. } => "refused",
            FleetOutcome::Busy { .. } => "busy",
            FleetOutcome::Unknown { .. } => "unknown",
            FleetOutcome::Impossible { .. } => "impossible",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_launch_takes_its_time_and_the_limit_goes_by_the_same_clock() {
        let machines = MemoryMachines::default().with_latency(Duration::from_secs(3));
        let began = Instant::now();
        let order = fleet_order([1]);
        let [first, second, third] = [0, 1, 2].map(token);
        let together = tokio::join!(
            machines.launch(&first, &order),
            machines.launch(&second, &order),
            machines.launch(&third, &order)
        );
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert_eq!([&together.0, &together.1, &together.2].map(kind), ["launched"; 3]);
        let quick = MemoryMachines::new(machines.ec2().clone());
        let mut kinds = Vec::new();
        for number in 3..9 {
            kinds.push(kind(&quick.launch(&token(number), &order).await));
        }
        assert_eq!(kinds, ["launched", "launched", "launched", "launched", "launched", "busy"]);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(kind(&quick.launch(&token(8), &order).await), "launched");
        assert_eq!(quick.calls().launches, 7);
    }

    #[tokio::test]
    async fn each_fault_is_the_outcome_that_the_adapter_makes_of_it() {
        let error = |status, code| Fault::Refused(Ec2Error::new(status, code, "words"));
        for (fault, expected, live) in [
            (error(503, "RequestLimitExceeded"), "busy", 0),
            (error(400, "MaxSpotInstanceCountExceeded"), "refused", 0),
            (error(400, "InvalidSubnetID.NotFound"), "impossible", 0),
            (error(500, "InternalError"), "unknown", 0),
            (Fault::RequestLost, "unknown", 0),
            (Fault::AnswerLost, "unknown", 2),
            (Fault::Fewer(1), "launched", 1),
            (Fault::Empty, "launched", 2),
            (Fault::NoneFor("InvalidSubnetID.NotFound".to_owned()), "impossible", 0),
            (Fault::NoneFor("UnfulfillableCapacity".to_owned()), "refused", 0),
        ] {
            let machines = MemoryMachines::default();
            machines.ec2().with(|model, _| model.fail_next(Operation::CreateFleet, fault.clone()));
            let outcome = machines.launch(&token(0), &fleet_order([1, 2])).await;
            assert_eq!((kind(&outcome), machines.live().len()), (expected, live), "{fault:?}");
        }
        let unknown = Ec2Model::default().with_unknown_for(Duration::from_hours(1));
        let machines = MemoryMachines::new(SharedEc2::new(unknown));
        machines.ec2().with(|model, _| model.fail_next(Operation::CreateFleet, Fault::Empty));
        assert_eq!(kind(&machines.launch(&token(0), &fleet_order([1])).await), "unknown");
    }

    #[tokio::test]
    async fn a_launch_that_a_decorator_lets_fail_is_unknown() {
        for (when, live) in [(When::BeforeEffect, 0), (When::AfterEffect, 1)] {
            let machines = Failing::new(MemoryMachines::default()).failing_at(1, when);
            assert_eq!(kind(&machines.launch(&token(0), &fleet_order([1])).await), "unknown");
            assert_eq!(machines.inner().live().len(), live);
            assert_eq!(kind(&machines.launch(&token(0), &fleet_order([1])).await), "launched");
            assert_eq!(machines.inner().live().len(), 1);
        }
    }

    #[tokio::test]
    async fn no_spot_capacity_leaves_the_other_market() {
        let machines = MemoryMachines::default();
        machines.ec2().with(|model, _| model.set_market_capacity(Market::Spot, Some(0)));
        let spot = fleet_order([1]);
        let on_demand = FleetOrder { market: Market::OnDemand, ..spot.clone() };
        assert_eq!(kind(&machines.launch(&token(0), &spot).await), "refused");
        assert_eq!(kind(&machines.launch(&token(1), &on_demand).await), "launched");
    }
}
