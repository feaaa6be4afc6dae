//! The world's EC2 and its table of assignments, as ports.

use std::collections::HashMap;

use async_trait::async_trait;
use mayfly_core::assignment::Assignment;
use mayfly_core::error::PortError;
use mayfly_core::fleet::FleetOrder;
use mayfly_core::ids::{JobKey, ResourceId};
use mayfly_core::launch::ClientToken;
use mayfly_core::machine::Market;
use mayfly_core::ports::{FleetOutcome, HandOver, LiveMachine, MachineBackend};
use secrecy::ExposeSecret;

use super::agenda::{MINUTE, Moment, SECOND, moment, timestamp};
use super::calls::Heard;
use super::compute::{Brief, Cause, Compute, Life};
use super::gitlab::registration_of;
use super::mappings::LONGEST_LIFE;
use super::sim::{Event, Outages, Sim, World};
use super::tally::{Call, Fact, Trouble};

/// How long a machine may boot, on top of its runner's life.
const BOOT: Moment = 5 * MINUTE;

/// Calls that were made, by their tokens.
pub(super) type Launches = HashMap<ClientToken, (FleetOrder, FleetOutcome)>;

/// EC2, as production code sees it.
pub(super) struct MachinesPort(pub(super) World);

#[async_trait]
impl MachineBackend for MachinesPort {
    async fn launch(&self, token: &ClientToken, order: &FleetOrder) -> FleetOutcome {
        let unknown = |reason: &str| FleetOutcome::Unknown { reason: reason.to_owned() };
        match self.0.call(Call::Ec2CreateFleet, |sim| sim.create_fleet(token, order)).await {
            Heard::Answer(outcome) => outcome,
            Heard::Throttled => FleetOutcome::Busy { reason: "RequestLimitExceeded".to_owned() },
            Heard::LostAnswer(_) | Heard::Nothing => unknown("no answer came"),
        }
    }

    async fn is_there(&self, machine: &ResourceId) -> Result<bool, PortError> {
        self.0
            .ask(Call::Ec2IsThere, |sim| {
                let found = sim.computes.machine(machine).map(|which| sim.computes.get(which));
                Ok(found.is_none_or(Compute::is_alive))
            })
            .await
    }

    async fn hand_over(
        &self,
        machine: &ResourceId,
        job: &JobKey,
        assignment: &Assignment,
    ) -> Result<HandOver, PortError> {
        self.0.ask(Call::AssignmentPut, |sim| Ok(sim.hand_over(machine, job, assignment))).await
    }

    async fn withdraw(&self, machine: &ResourceId) -> Result<bool, PortError> {
        self.0
            .ask(Call::AssignmentWithdraw, |sim| {
                let which = sim.computes.machine(machine);
                Ok(which.is_some_and(|which| sim.computes.assignments.remove(&which).is_some()))
            })
            .await
    }

    async fn stop(&self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError> {
        self.0.ask(Call::Ec2Terminate, |sim| sim.terminate(machine, is_fresh)).await
    }

    async fn list(&self) -> Result<Vec<LiveMachine>, PortError> {
        self.0
            .ask(Call::Ec2List, |sim| {
                let now = sim.now();
                let known = sim.computes.live().filter(|(_, compute)| compute.known_at <= now);
                let machines = known.filter_map(|(_, compute)| {
                    let (launch, deadline) = compute.launch.as_ref()?;
                    Some(LiveMachine {
                        id: compute.name.resource.clone(),
                        deadline: Some(timestamp(*deadline)),
                        launch: Some(launch.clone()),
                    })
                });
                Ok(machines.collect())
            })
            .await
    }
}

impl Sim {
    fn create_fleet(&mut self, token: &ClientToken, order: &FleetOrder) -> FleetOutcome {
        if let Some((earlier, outcome)) = self.watch.launches.get(token) {
            let outcome = outcome.clone();
            if earlier != order {
                self.watch.breaks("a repeated call asks for the same", None, None, || {
                    format!(
                        "call {token} for {} jobs was repeated with other parameters",
                        order.members.len()
                    )
                });
            }
            return outcome;
        }
        let now = self.now();
        if !self.computes.may_create_fleet(now) {
            return FleetOutcome::Busy { reason: "RequestLimitExceeded".to_owned() };
        }
        self.tally.add(Fact::MachinesAsked, order.members.len() as u64);
        let outages = match order.market {
            Market::Spot => &self.outages.spot,
            Market::OnDemand => &self.outages.on_demand,
        };
        let is_short = Outages::end(outages, now).is_some();
        let wanted = order.members.len();
        let count = if is_short { self.chance.position(wanted) / 2 } else { wanted };
        for _ in count..wanted {
            self.tally.trouble(Trouble::NoCapacity);
        }
        for member in order.members.iter().take(count) {
            self.check_machine_start(member.job, token);
        }
        let deadline = moment(order.deadline);
        let hard_end = self.hard_end(order);
        let mut machines: Vec<ResourceId> =
            (0..count).map(|_| self.add_machine(order.market, token.clone(), deadline, hard_end)).collect();
        machines.sort();
        for (machine, member) in machines.iter().zip(&order.members) {
            if let Some(which) = self.computes.machine(machine) {
                self.story.tell_both(now, member.job, which, || format!("machine {machine} by call {token}"));
            }
        }
        let shortage = (count < wanted).then(|| "InsufficientInstanceCapacity".to_owned());
        let outcome = match shortage {
            Some(reason) if machines.is_empty() => FleetOutcome::Refused { reason },
            shortage => FleetOutcome::Launched { machines, shortage },
        };
        self.watch.launches.insert(token.clone(), (order.clone(), outcome.clone()));
        outcome
    }

    /// When machines of this order must be gone: as long as its mapping lets a runner live, and the time to boot, after now.
    /// The order's own deadline is what is tested.
    fn hard_end(&self, order: &FleetOrder) -> Moment {
        let life = self.watch.lives.get(&order.mapping).copied().unwrap_or(LONGEST_LIFE);
        self.now() + u64::from(life) * SECOND + BOOT
    }

    fn hand_over(&mut self, machine: &ResourceId, job: &JobKey, assignment: &Assignment) -> HandOver {
        let now = self.now();
        let Some(which) = self.computes.machine(machine) else { return HandOver::Waits };
        if let Some(waiting) = self.computes.assignments.get(&which)
            && waiting.job != Some(job.job)
        {
            return HandOver::Taken;
        }
        let Some(registration) = registration_of(assignment.token.expose_secret()) else {
            return HandOver::Waits;
        };
        let brief = Brief {
            registration,
            wait: u64::from(assignment.settings.wait_timeout_seconds) * SECOND,
            deadline: moment(assignment.deadline),
            job: Some(job.job),
        };
        self.computes.assignments.insert(which, brief);
        self.story.tell_both(now, job.job, which, || {
            format!("assignment with registration {registration} handed over")
        });
        self.check_step_of_machine(which, job.job);
        if self.computes.get(which).life == Life::Waiting {
            let wait = self.chance.between(0, 2 * SECOND);
            self.after(wait, Event::Read(which));
        }
        HandOver::Waits
    }

    fn terminate(&mut self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError> {
        let now = self.now();
        let Some(which) = self.computes.machine(machine) else { return Ok(()) };
        if is_fresh && now < self.computes.get(which).known_at {
            return Err(PortError::later(Call::Ec2Terminate.as_str(), "InvalidInstanceID.NotFound"));
        }
        if now < self.computes.get(which).known_at || !self.computes.get(which).is_alive() {
            return Ok(());
        }
        self.check_not_busy(which);
        self.tally.fact(Fact::StoppedByUs);
        self.computes.assignments.remove(&which);
        self.end(which, Cause::Us);
        Ok(())
    }
}
