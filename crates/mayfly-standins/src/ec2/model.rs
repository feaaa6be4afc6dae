//! EC2 as values: machines, client tokens, capacity and limits.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use mayfly_core::machine::Market;
use sha2::{Digest, Sha256};

use super::bucket::TokenBucket;
use super::call::{Ec2Error, Filter, FleetAnswer, FleetCall, FleetError, Override, Pool};
use super::fault::{Delivery, Fault, Operation, Reply};

/// The tag without which nothing may be ended: what the dispatcher's rights ask for.
const OWNER_TAG: &str = "mayfly:stack";

/// The most machines on one page of `DescribeInstances`.
const PAGE: usize = 50;

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Where it was bought.
    pub pool: Pool,
    /// The image.
    pub image: String,
    /// The size of its root volume, if the call named one.
    pub root_volume_gib: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The tags of its volume.
    pub volume_tags: BTreeMap<String, String>,
    /// When it was asked for.
    pub launched_at: Duration,
    /// When it was ended.
    pub ended_at: Option<Duration>,
}

/// What a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// It runs, or is about to.
    Running,
    /// It ends.
    ShuttingDown,
    /// It is gone.
    Terminated,
}

/// A stand-in EC2 with AWS's limits, where capacity is never short until a test says so.
#[derive(Debug)]
pub struct Ec2Model {
    instances: BTreeMap<String, Instance>,
    /// What was asked for under each client token, and the answer.
    launches: BTreeMap<String, (FleetCall, FleetAnswer)>,
    /// How many more machines there are; a pool that is not here has plenty.
    capacity: BTreeMap<Pool, usize>,
    markets: BTreeMap<Market, usize>,
    /// How long a new machine is unknown to all but the call that started it.
    unknown_for: Duration,
    /// How long a machine takes from its end until it is gone.
    ending_for: Duration,
    requests: BTreeMap<Operation, TokenBucket>,
    machines: TokenBucket,
    faults: BTreeMap<Operation, VecDeque<Fault>>,
    calls: Vec<(Operation, Duration)>,
    counter: u64,
}

impl Default for Ec2Model {
    /// Limits of calls as AWS's guide gives them for `RunInstances` ("Request throttling for the Amazon EC2 API"). Those of
    /// `CreateFleet` are not published; it starts machines, so it is taken to have the same.
    fn default() -> Self {
        Self {
            instances: BTreeMap::new(),
            launches: BTreeMap::new(),
            capacity: BTreeMap::new(),
            markets: BTreeMap::new(),
            unknown_for: Duration::ZERO,
            ending_for: Duration::ZERO,
            requests: BTreeMap::from([
                (Operation::CreateFleet, TokenBucket::new(5, 2)),
                (Operation::DescribeInstances, TokenBucket::new(100, 20)),
                (Operation::TerminateInstances, TokenBucket::new(100, 5)),
            ]),
            machines: TokenBucket::new(1000, 2),
            faults: BTreeMap::new(),
            calls: Vec::new(),
            counter: 0,
        }
    }
}

impl Ec2Model {
    /// A new machine is unknown for so long to all but the call that started it.
    #[must_use]
    pub fn with_unknown_for(self, unknown_for: Duration) -> Self {
        Self { unknown_for, ..self }
    }

    /// A machine takes so long from its end until it is gone.
    #[must_use]
    pub fn with_ending_for(self, ending_for: Duration) -> Self {
        Self { ending_for, ..self }
    }

    /// The pool has so many more machines.
    pub fn set_capacity(&mut self, pool: Pool, machines: usize) {
        self.capacity.insert(pool, machines);
    }

    /// All pools of the market together have so many more machines; `None` for plenty.
    pub fn set_market_capacity(&mut self, market: Market, machines: Option<usize>) {
        match machines {
            Some(machines) => self.markets.insert(market, machines),
            None => self.markets.remove(&market),
        };
    }

    /// From now on calls have no limits.
    pub fn forget_limits(&mut self) {
        self.requests.clear();
    }

    /// The next call of this operation has this fault. Several wait in line.
    pub fn fail_next(&mut self, operation: Operation, fault: Fault) {
        self.faults.entry(operation).or_default().push_back(fault);
    }

    /// From now on calls have no faults.
    pub fn forget_faults(&mut self) {
        self.faults.clear();
    }

    /// Every machine ever started.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// Every machine that was not ended.
    pub fn live(&self) -> impl Iterator<Item = &Instance> {
        self.instances().filter(|instance| instance.ended_at.is_none())
    }

    /// Every call so far and when it came, those that were refused or lost on the way included.
    pub fn calls(&self) -> &[(Operation, Duration)] {
        &self.calls
    }

    /// How often the operation was called.
    pub fn count(&self, operation: Operation) -> usize {
        self.calls.iter().filter(|(called, _)| *called == operation).count()
    }

    /// Starts machines, once for each client token.
    pub fn create_fleet(&mut self, call: &FleetCall, now: Duration) -> Reply<FleetAnswer> {
        self.reply(Operation::CreateFleet, now, |model, fault| {
            let mut answer = model.started(call, fault, now)?;
            if fault == Some(&Fault::Empty) {
                answer = FleetAnswer::default();
            }
            Ok(answer)
        })
    }

    /// Machines by id or tag, in the order of their ids, from the one of this number on; with the number where the next
    /// page begins, if there is one.
    pub fn describe(
        &mut self,
        filter: &Filter,
        from: usize,
        now: Duration,
    ) -> Reply<(Vec<Instance>, Option<usize>)> {
        self.reply(Operation::DescribeInstances, now, |model, _| {
            let found = model.found(filter, now)?;
            let next = from + PAGE;
            let is_more = found.len() > next;
            Ok((found.into_iter().skip(from).take(PAGE).collect(), is_more.then_some(next)))
        })
    }

    /// All machines of a filter that were not ended, without pages.
    pub fn describe_live(&mut self, filter: &Filter, now: Duration) -> Reply<Vec<Instance>> {
        self.reply(Operation::DescribeInstances, now, |model, _| {
            let mut found = model.found(filter, now)?;
            found.retain(|instance| instance.ended_at.is_none());
            Ok(found)
        })
    }

    /// Ends machines: all of them, or, if one is not known or must not be ended, none.
    pub fn terminate(&mut self, ids: &[String], now: Duration) -> Reply<Vec<Instance>> {
        self.reply(Operation::TerminateInstances, now, |model, _| {
            let found = model.found(&Filter::Ids(ids.to_vec()), now)?;
            if found.iter().any(|instance| !instance.tags.contains_key(OWNER_TAG)) {
                let message = "You are not authorized to perform this operation.";
                return Err(Ec2Error::new(403, "UnauthorizedOperation", message));
            }
            for id in ids {
                model.end(id, now);
            }
            model.found(&Filter::Ids(ids.to_vec()), now)
        })
    }

    /// Ends a machine as EC2 does of itself when it takes it back, or as the machine does itself.
    pub fn end(&mut self, id: &str, now: Duration) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.ended_at.get_or_insert(now);
        }
    }

    /// Changes a tag of a machine, as somebody does by hand.
    pub fn tag(&mut self, id: &str, name: &str, value: &str) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.tags.insert(name.to_owned(), value.to_owned());
        }
    }

    /// A machine that is none of ours.
    pub fn add_stranger(&mut self, now: Duration) -> String {
        let pool =
            Pool { market: Market::OnDemand, instance_type: "m7g.large".to_owned(), subnet: String::new() };
        let something = Override {
            instance_type: pool.instance_type.clone(),
            subnet: String::new(),
            image: "ami-0123456789abcdef0".to_owned(),
            root_volume_gib: None,
        };
        self.add(pool, &something, &BTreeMap::new(), &BTreeMap::new(), now)
    }

    /// What the machine is.
    pub fn state_of(&self, instance: &Instance, now: Duration) -> InstanceState {
        match instance.ended_at {
            None => InstanceState::Running,
            Some(ended_at) if now < ended_at + self.ending_for => InstanceState::ShuttingDown,
            Some(_) => InstanceState::Terminated,
        }
    }

    fn reply<T>(
        &mut self,
        operation: Operation,
        now: Duration,
        effect: impl FnOnce(&mut Self, Option<&Fault>) -> Result<T, Ec2Error>,
    ) -> Reply<T> {
        self.calls.push((operation, now));
        let fault = self.faults.get_mut(&operation).and_then(VecDeque::pop_front);
        let delivery = fault.as_ref().map_or(Delivery::AtOnce, Fault::delivery);
        let answer = match &fault {
            Some(Fault::Refused(error)) => Err(error.clone()),
            Some(Fault::RequestLost) => Err(Ec2Error::new(500, "InternalError", "nothing arrived")),
            _ if !self.is_within_limit(operation, now) => Err(Ec2Error::throttled()),
            _ => effect(self, fault.as_ref()),
        };
        Reply { answer, delivery }
    }

    fn is_within_limit(&mut self, operation: Operation, now: Duration) -> bool {
        self.requests.get_mut(&operation).is_none_or(|bucket| bucket.take(1, now))
    }

    fn started(
        &mut self,
        call: &FleetCall,
        fault: Option<&Fault>,
        now: Duration,
    ) -> Result<FleetAnswer, Ec2Error> {
        if let Some((earlier, answer)) = self.launches.get(&call.token) {
            if earlier != call {
                let message = "Arguments on this idempotent request are inconsistent with arguments used in previous requests.";
                return Err(Ec2Error::new(400, "IdempotentParameterMismatch", message));
            }
            return Ok(answer.clone());
        }
        let machines = u32::try_from(call.count).unwrap_or(u32::MAX);
        if !self.machines.take(machines, now) {
            return Err(Ec2Error::throttled());
        }
        let answer = match fault {
            Some(Fault::NoneFor(code)) => {
                let errors =
                    call.overrides.iter().map(|place| error(code, "As the test wants.", pool(call, place)));
                FleetAnswer { machines: Vec::new(), errors: errors.collect() }
            }
            Some(Fault::Fewer(most)) => self.fill(call, call.count.min(*most), now),
            _ => self.fill(call, call.count, now),
        };
        self.launches.insert(call.token.clone(), (call.clone(), answer.clone()));
        Ok(answer)
    }

    fn fill(&mut self, call: &FleetCall, most: usize, now: Duration) -> FleetAnswer {
        let mut answer = FleetAnswer::default();
        for place in &call.overrides {
            let pool = pool(call, place);
            while answer.machines.len() < most && self.take_capacity(&pool) {
                let id = self.add(pool.clone(), place, &call.tags, &call.volume_tags, now);
                answer.machines.push((id, pool.clone()));
            }
            if answer.machines.len() < call.count {
                let (code, message) = match call.market {
                    Market::Spot => (
                        "UnfulfillableCapacity",
                        "Unable to fulfill capacity due to your request configuration.",
                    ),
                    Market::OnDemand => {
                        ("InsufficientInstanceCapacity", "We currently do not have sufficient capacity.")
                    }
                };
                answer.errors.push(error(code, message, pool));
            }
        }
        answer
    }

    fn take_capacity(&mut self, pool: &Pool) -> bool {
        let left = [self.capacity.get(pool), self.markets.get(&pool.market)].into_iter().flatten().min();
        if left == Some(&0) {
            return false;
        }
        for left in [self.capacity.get_mut(pool), self.markets.get_mut(&pool.market)].into_iter().flatten() {
            *left -= 1;
        }
        true
    }

    fn add(
        &mut self,
        pool: Pool,
        place: &Override,
        tags: &BTreeMap<String, String>,
        volume_tags: &BTreeMap<String, String>,
        now: Duration,
    ) -> String {
        self.counter += 1;
        let id = instance_id(self.counter);
        let instance = Instance {
            id: id.clone(),
            pool,
            image: place.image.clone(),
            root_volume_gib: place.root_volume_gib,
            tags: tags.clone(),
            volume_tags: volume_tags.clone(),
            launched_at: now,
            ended_at: None,
        };
        self.instances.insert(id.clone(), instance);
        id
    }

    fn found(&self, filter: &Filter, now: Duration) -> Result<Vec<Instance>, Ec2Error> {
        let is_known = |instance: &&Instance| now >= instance.launched_at + self.unknown_for;
        match filter {
            Filter::Tagged(name) => {
                let with_tag = |instance: &&Instance| instance.tags.contains_key(name);
                Ok(self.instances().filter(is_known).filter(with_tag).cloned().collect())
            }
            Filter::Tag(name, value) | Filter::LiveTag(name, value) => {
                let may_be_ended = matches!(filter, Filter::Tag(..));
                let lives = |instance: &&Instance| may_be_ended || instance.ended_at.is_none();
                let with_tag = |instance: &&Instance| instance.tags.get(name) == Some(value);
                Ok(self.instances().filter(is_known).filter(with_tag).filter(lives).cloned().collect())
            }
            Filter::Ids(ids) => ids
                .iter()
                .map(|id| {
                    self.instances.get(id).filter(is_known).cloned().ok_or_else(|| {
                        let message = format!("The instance ID '{id}' does not exist");
                        Ec2Error::new(400, "InvalidInstanceID.NotFound", message)
                    })
                })
                .collect(),
        }
    }
}

fn pool(call: &FleetCall, place: &Override) -> Pool {
    Pool { market: call.market, instance_type: place.instance_type.clone(), subnet: place.subnet.clone() }
}

fn error(code: &str, message: &str, pool: Pool) -> FleetError {
    FleetError { code: code.to_owned(), message: message.to_owned(), pool }
}

/// `i-` and 17 hexadecimal digits. Their order says nothing of when the machines were started, as with EC2.
fn instance_id(number: u64) -> String {
    let mut id = "i-0".to_owned();
    for byte in Sha256::digest(number.to_be_bytes()).iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests;
