//! Runners on EC2 instances: one `CreateFleet` for many jobs, and an assignment for each machine.

mod fleet;
mod outcome;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::create_fleet::CreateFleetOutput;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesError;
use aws_sdk_ec2::types::{CreateFleetInstance, Filter, Instance, InstanceStateName, Reservation};
use mayfly_core::assignment::Assignment;
use mayfly_core::error::{PortError, Retry};
use mayfly_core::fleet::FleetOrder;
use mayfly_core::ids::{JobKey, ResourceId};
use mayfly_core::launch::ClientToken;
use mayfly_core::ports::{FleetOutcome, HandOver, LiveMachine, MachineBackend};

use crate::dynamodb::Assignments;
use crate::sdk_error::port_error;
use fleet::request;
use outcome::{Shortage, outcome_of_error, reason};

/// The tag that holds the stack a machine belongs to.
const STACK_TAG: &str = "mayfly:stack";
/// The tag that holds when a machine must be gone.
const DEADLINE_TAG: &str = "mayfly:deadline";
/// The tag that holds a call's token.
const LAUNCH_TAG: &str = "mayfly:launch";
/// EC2 does not know the machine: not yet, or not any more (EC2 API reference, "Error codes").
const NOT_FOUND: &str = "InvalidInstanceID.NotFound";
/// The right is missing, or does not hold for this machine's tags.
const UNAUTHORIZED: &str = "UnauthorizedOperation";
/// The most machines on one page (EC2 API reference, `DescribeInstances`).
const PAGE: i32 = 1000;

/// How long one look at machines, or the end of one, may take. Starting some may take as long as the client says.
const QUICK_ATTEMPT: Duration = Duration::from_secs(3);
const QUICK_OPERATION: Duration = Duration::from_secs(8);

/// Starts and ends machines, and leaves each its assignment in a table.
///
/// EC2 takes a call with a token it knows for the same call, so what has no answer may be sent again, and the SDK does so.
#[derive(Debug, Clone)]
pub struct Ec2Backend {
    client: Client,
    /// The same with less time.
    quick: Client,
    assignments: Assignments,
    stack: String,
}

impl Ec2Backend {
    /// Starts machines with this client and leaves their assignments in this table. `role_id` is the id of the machines'
    /// role, which begins with `AROA`. `stack` is what the machines' tag says that they belong to: those of others are not
    /// listed.
    pub fn new(
        client: Client,
        dynamodb: aws_sdk_dynamodb::Client,
        table: impl Into<String>,
        role_id: impl Into<String>,
        stack: impl Into<String>,
    ) -> Self {
        let quick = quick(&client);
        let assignments = Assignments::new(dynamodb, table.into(), role_id.into());
        Self { client, quick, assignments, stack: stack.into() }
    }

    /// What an answer to a `CreateFleet` says. An answer that names no machine is not the last word: it may be to a repeated
    /// call, or EC2 may have started some all the same.
    async fn outcome_of_answer(
        &self,
        token: &ClientToken,
        order: &FleetOrder,
        answer: CreateFleetOutput,
    ) -> FleetOutcome {
        let shortage = Shortage::of(answer.errors());
        let named = answer.instances().iter().flat_map(CreateFleetInstance::instance_ids).cloned();
        let mut ids: Vec<String> = named.collect();
        if ids.is_empty() {
            match self.started_with(token).await {
                // The tags of some may not be known yet, and then machines would change their places.
                Ok(found) if found.len() < order.members.len() && shortage.is_unexplained() => {
                    return FleetOutcome::Unknown { reason: shortage.words(token) };
                }
                Ok(found) => ids = found,
                Err(error) => {
                    let error = DisplayErrorContext(&error);
                    return FleetOutcome::Unknown {
                        reason: reason(token, &format!("no machine is named: {error}")),
                    };
                }
            }
        }
        if ids.is_empty() {
            return shortage.into_outcome(token);
        }
        match machines(ids) {
            Ok(machines) => {
                let is_short = machines.len() < order.members.len();
                FleetOutcome::Launched { machines, shortage: is_short.then(|| shortage.words(token)) }
            }
            Err(error) => FleetOutcome::Unknown { reason: reason(token, &error.to_string()) },
        }
    }

    /// The machines that were ever started with this token, as far as EC2 remembers them: about an hour after their end.
    async fn started_with(
        &self,
        token: &ClientToken,
    ) -> Result<Vec<String>, SdkError<DescribeInstancesError>> {
        let instances = self.described([filter(format!("tag:{LAUNCH_TAG}"), [token.as_str()])]).await?;
        Ok(instances.into_iter().filter_map(|instance| instance.instance_id).collect())
    }

    /// The machines that pass all these filters, of all pages.
    async fn described(
        &self,
        filters: impl IntoIterator<Item = Filter>,
    ) -> Result<Vec<Instance>, SdkError<DescribeInstancesError>> {
        let filters = Some(filters.into_iter().collect());
        let request = self.quick.describe_instances().set_filters(filters);
        let mut pages = request.into_paginator().page_size(PAGE).send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let reservations = page?.reservations.unwrap_or_default();
            instances.extend(reservations.into_iter().flat_map(|one| one.instances.unwrap_or_default()));
        }
        Ok(instances)
    }
}

#[async_trait]
impl MachineBackend for Ec2Backend {
    async fn launch(&self, token: &ClientToken, order: &FleetOrder) -> FleetOutcome {
        let asked = match request(&self.client, token, order) {
            Ok(asked) => asked,
            Err(error) => return FleetOutcome::Impossible { reason: reason(token, &error.to_string()) },
        };
        match asked.send().await {
            Ok(answer) => self.outcome_of_answer(token, order, answer).await,
            Err(error) => outcome_of_error(token, &error),
        }
    }

    async fn is_there(&self, machine: &ResourceId) -> Result<bool, PortError> {
        let described = self.quick.describe_instances().instance_ids(machine.as_str()).send().await;
        match described {
            Ok(answer) => {
                let mut instances = answer.reservations().iter().flat_map(Reservation::instances);
                Ok(!instances.any(is_ending))
            }
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(true),
            Err(error) => Err(port_error(format!("EC2: describe instance {machine}"), error, |_| None)),
        }
    }

    async fn hand_over(
        &self,
        machine: &ResourceId,
        job: &JobKey,
        assignment: &Assignment,
    ) -> Result<HandOver, PortError> {
        self.assignments.put(machine, job, assignment).await
    }

    async fn withdraw(&self, machine: &ResourceId) -> Result<bool, PortError> {
        self.assignments.delete(machine).await
    }

    async fn stop(&self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError> {
        let ended = self.quick.terminate_instances().instance_ids(machine.as_str()).send().await;
        if let Err(error) = ended {
            let is_unknown = error.code() == Some(NOT_FOUND);
            // The tags that give the right to end a machine may be as late to be known as the machine itself.
            let may_pass = is_unknown || error.code() == Some(UNAUTHORIZED);
            if is_fresh || !is_unknown {
                let error = port_error(format!("EC2: terminate instance {machine}"), error, hint);
                return Err(if is_fresh && may_pass {
                    PortError { retry: Retry::Later(None), ..error }
                } else {
                    error
                });
            }
        }
        self.assignments.delete(machine).await.map(|_| ())
    }

    /// Those that are stopped do not live: whoever stops one of ours has ended it.
    async fn list(&self) -> Result<Vec<LiveMachine>, PortError> {
        let filters = [
            filter(format!("tag:{STACK_TAG}"), [self.stack.as_str()]),
            filter("instance-state-name", ["pending", "running"]),
        ];
        let listed = self.described(filters).await;
        let operation = || format!("EC2: describe the machines of stack {}", self.stack);
        let instances = listed.map_err(|error| port_error(operation(), error, |_| None))?;
        Ok(instances.iter().filter_map(live_machine).collect())
    }
}

fn filter<'a>(name: impl Into<String>, values: impl IntoIterator<Item = &'a str>) -> Filter {
    let values = values.into_iter().map(str::to_owned).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// What a machine's tags say, as far as they can be read: somebody may have changed them.
fn live_machine(instance: &Instance) -> Option<LiveMachine> {
    let tag = |name: &str| {
        let tag = instance.tags().iter().find(|tag| tag.key() == Some(name));
        tag.and_then(|tag| tag.value())
    };
    Some(LiveMachine {
        id: ResourceId::new(instance.instance_id()?).ok()?,
        deadline: tag(DEADLINE_TAG).and_then(|deadline| deadline.parse().ok()),
        launch: tag(LAUNCH_TAG).and_then(|token| token.parse().ok()),
    })
}

/// A client with little time, which uses the same connections.
fn quick(client: &Client) -> Client {
    let given = client.config().timeout_config();
    let mut timeouts = given.map(TimeoutConfig::to_builder).unwrap_or_default();
    timeouts.set_operation_attempt_timeout(Some(QUICK_ATTEMPT)).set_operation_timeout(Some(QUICK_OPERATION));
    Client::from_conf(client.config().to_builder().timeout_config(timeouts.build()).build())
}

/// What to check when EC2 does not end a machine.
fn hint(code: &str) -> Option<String> {
    (code == UNAUTHORIZED).then(|| {
        "it is no machine of this stack by its tags, or the rights of the role do not allow to end machines".to_owned()
    })
}

/// True if nothing will run on the machine any more. Whoever stops one of ours has ended it: it is never started again.
fn is_ending(instance: &Instance) -> bool {
    use InstanceStateName::{ShuttingDown, Stopped, Stopping, Terminated};
    let state = instance.state().and_then(|state| state.name());
    matches!(state, Some(ShuttingDown | Terminated | Stopping | Stopped))
}

/// The ids in a fixed order, whatever the order of an answer.
fn machines(ids: Vec<String>) -> Result<Vec<ResourceId>, mayfly_core::ids::InvalidId> {
    let mut machines = ids.into_iter().map(ResourceId::new).collect::<Result<Vec<_>, _>>()?;
    machines.sort();
    machines.dedup();
    Ok(machines)
}
