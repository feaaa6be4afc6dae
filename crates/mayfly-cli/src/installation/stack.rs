//! What a CloudFormation stack tells of itself.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksError;
use aws_sdk_cloudformation::types;
use mayfly_core::error::Chain;

use super::aws::Account;

/// A deployed stack: what it was given and what it made.
#[derive(Debug)]
pub(crate) struct Stack {
    name: String,
    status: String,
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// An output, such as `MappingTable`. Every version that this command goes with has it.
    pub(crate) fn output(&self, output: &str) -> anyhow::Result<&str> {
        match self.outputs.get(output) {
            Some(value) => Ok(value),
            None => bail!(
                "the stack {} ({}) has no output {output}: either it is not the stack that is asked for, or it is of an \
                 older version than this command; look at it with `aws cloudformation describe-stacks --stack-name {}`, \
                 and deploy this version",
                self.name,
                self.status,
                self.name
            ),
        }
    }

    /// The value of a parameter.
    pub(crate) fn parameter(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter).map(String::as_str)
    }

    /// All it was given.
    pub(crate) fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// All it tells.
    pub(crate) fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// CloudFormation's word for its state, such as `CREATE_COMPLETE`.
    pub(crate) fn status(&self) -> &str {
        &self.status
    }

    fn read(stack: types::Stack) -> Self {
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        Self {
            name: stack.stack_name.unwrap_or_default(),
            status: stack.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            parameters: parameters.filter_map(|it| Some((it.parameter_key?, it.parameter_value?))).collect(),
            outputs: outputs.filter_map(|it| Some((it.output_key?, it.output_value?))).collect(),
        }
    }
}

impl Account {
    /// Asks CloudFormation for a stack. Takes the right `cloudformation:DescribeStacks`.
    pub(crate) async fn stack(&self, name: &str) -> anyhow::Result<Stack> {
        self.find_stack(name).await?.ok_or_else(|| {
            anyhow!(
                "there is no stack {name} in {}: give the autoscaler's stack with --stack, its account with --profile and \
                 its region with --region; `aws cloudformation list-stacks` lists those there are",
                self.region()
            )
        })
    }

    /// The stack, or `None` if there is none of this name.
    pub(crate) async fn find_stack(&self, name: &str) -> anyhow::Result<Option<Stack>> {
        self.ask_for_stack(name).await.map_err(|error| {
            let what = format!("ask CloudFormation for the stack {name}");
            self.explain(&what, error.code(), &Chain(&error))
        })
    }

    /// As [`Self::find_stack`], with the service's own error.
    pub(crate) async fn ask_for_stack(
        &self,
        name: &str,
    ) -> Result<Option<Stack>, SdkError<DescribeStacksError>> {
        match self.cloudformation().describe_stacks().stack_name(name).send().await {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next().map(Stack::read)),
            // CloudFormation has no code of its own for it.
            Err(error) if is_missing(error.code(), error.message()) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_missing(code: Option<&str>, message: Option<&str>) -> bool {
    code == Some("ValidationError") && message.is_some_and(|message| message.contains("does not exist"))
}
