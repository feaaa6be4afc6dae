//! The table of assignments: what a machine must know, readable by that machine only, once.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::{SignedDuration, Timestamp};
use mayfly_core::assignment::Assignment;
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobKey, ResourceId};
use mayfly_core::ports::HandOver;
use secrecy::ExposeSecret;

use super::attributes::text;
use super::errors::port_error;
use super::{EXPIRES_AT, PARTITION_KEY};

/// What the machine reads.
const ASSIGNMENT: &str = "assignment";
/// The job it is for.
const JOB: &str = "job";

/// How long an assignment is kept that nobody reads: by then its machine has given up waiting.
const UNREAD: SignedDuration = SignedDuration::from_mins(10);

/// An assignment goes where none is, or over one for the same job.
const IS_OURS: &str = "attribute_not_exists(#pk) OR #job = :job";

/// The assignments in a DynamoDB table with partition key `pk` = `<role id>:<instance id>`, which is `aws:userid` of an
/// instance with that role: the rights of the role give each instance its own item and no other.
#[derive(Debug, Clone)]
pub(crate) struct Assignments {
    client: Client,
    table: String,
    role_id: String,
}

impl Assignments {
    /// The assignments in this table for the instances of this role, whose id begins with `AROA`.
    pub(crate) fn new(client: Client, table: String, role_id: String) -> Self {
        Self { client, table, role_id }
    }

    /// Writes the assignment of a machine. It expires soon: it is read at once or never.
    pub(crate) async fn put(
        &self,
        machine: &ResourceId,
        job: &JobKey,
        assignment: &Assignment,
    ) -> Result<HandOver, PortError> {
        let json = assignment.to_secret_json();
        let expires_at = expiry_of(assignment).as_second().to_string();
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(PARTITION_KEY, self.key_of(machine))
            .item(ASSIGNMENT, text(json.expose_secret()))
            .item(JOB, text(job.to_string()))
            .item(EXPIRES_AT, AttributeValue::N(expires_at))
            .condition_expression(IS_OURS)
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#job", JOB)
            .expression_attribute_values(":job", text(job.to_string()))
            .send()
            .await;
        match written {
            Ok(_) => Ok(HandOver::Waits),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(HandOver::Taken),
                _ => Err(port_error(&format!("put assignment of {machine}"), &self.table, error)),
            },
        }
    }

    /// Removes the assignment of a machine; true if it was there. The assignment itself comes back with the answer, and is
    /// not looked at.
    pub(crate) async fn delete(&self, machine: &ResourceId) -> Result<bool, PortError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, self.key_of(machine))
            .return_values(ReturnValue::AllOld);
        let deleted = request.send().await;
        deleted
            .map(|answer| answer.attributes.is_some_and(|attributes| !attributes.is_empty()))
            .map_err(|error| port_error(&format!("delete assignment of {machine}"), &self.table, error))
    }

    fn key_of(&self, machine: &ResourceId) -> AttributeValue {
        text(format!("{}:{machine}", self.role_id))
    }
}

/// The assignment was made its runner's whole life before its deadline.
fn expiry_of(assignment: &Assignment) -> Timestamp {
    let life = SignedDuration::try_from(assignment.settings.max_life()).unwrap_or_default();
    (assignment.deadline - life + UNREAD).min(assignment.deadline)
}
