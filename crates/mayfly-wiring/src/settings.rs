//! What the stack tells its functions.

mod machines;

use std::path::PathBuf;
use std::str::FromStr;

use mayfly_app::Registration;
use mayfly_aws::function::{InvalidVariable, Variables};
use mayfly_aws::ssm::ParameterPath;
use mayfly_core::ids::Installation;
use mayfly_core::launch::Holder;
use mayfly_core::resolve::{DefaultSetting, DefaultTarget};

pub use machines::MachineSettings;

/// The settings of a function that acts as a dispatcher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the mapping table.
    pub mapping_table: String,
    /// The name of the ledger table.
    pub ledger_table: String,
    /// The address of the launch queue.
    pub launch_queue: String,
    /// Where GitLab's address and tokens are in Parameter Store.
    pub parameter_path: ParameterPath,
    /// Where jobs go that no mapping names; `None`: they are not ours.
    pub default_target: Option<DefaultTarget>,
    /// How runners get their token.
    pub registration: Registration,
    /// Whether shell runners are kept apart by project and protection of the branch.
    pub tenant_isolation: bool,
    /// A file with the certificates of a private authority, on the runner's machine.
    pub runner_ca_file: Option<PathBuf>,
    /// The stack's name, under which metrics are counted.
    pub stack: String,
    /// What machines are started with; `None` if the stack has none.
    pub machines: Option<MachineSettings>,
    /// The id of the stack: its registrations in GitLab say so.
    pub installation: Installation,
    /// This environment, in claims: the name of its log stream, so that its log is found.
    pub holder: Holder,
}

impl Settings {
    /// Reads them; an error names the first variable that is missing or wrong.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, InvalidVariable>
    where
        F: Fn(&str) -> Option<String>,
    {
        let default: DefaultSetting =
            variables.required("MAYFLY_DEFAULT_TARGET", "`none`, `EC2`, or the ARN of a Lambda function")?;
        let mode: Mode =
            variables.required("MAYFLY_REGISTRATION", "`per-job`, `shared` or `registration-token`")?;
        let stack: String = variables.required("MAYFLY_STACK", "the name of the stack")?;
        Ok(Self {
            machines: MachineSettings::read(variables, &stack)?,
            mapping_table: variables.required("MAYFLY_MAPPING_TABLE", "the name of the mapping table")?,
            ledger_table: variables.required("MAYFLY_LEDGER_TABLE", "the name of the ledger table")?,
            launch_queue: variables.required("MAYFLY_LAUNCH_QUEUE_URL", "the address of a queue")?,
            parameter_path: variables
                .required("MAYFLY_PARAMETER_PATH", "a path in Parameter Store such as /mayfly")?,
            default_target: default.0,
            registration: mode.0,
            tenant_isolation: variables.switch("MAYFLY_TENANT_ISOLATION", false)?,
            runner_ca_file: variables.optional("MAYFLY_RUNNER_CA_FILE", "the path of a file")?,
            installation: variables.required("MAYFLY_STACK_ID", "the id of the stack")?,
            stack,
            holder: Holder(variables.required("AWS_LAMBDA_LOG_STREAM_NAME", "set by Lambda")?),
        })
    }
}

struct Mode(Registration);

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "per-job" => Ok(Self(Registration::PerJob)),
            "shared" => Ok(Self(Registration::Shared)),
            "registration-token" => Ok(Self(Registration::RegistrationToken)),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::machine::MachineSpec;
    use mayfly_core::mapping::Target;

    const GOOD: [(&str, &str); 9] = [
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/08/01/[$LATEST]0a1b"),
        ("MAYFLY_DEFAULT_TARGET", "none"),
        ("MAYFLY_LAUNCH_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/mayfly-launch"),
        ("MAYFLY_LEDGER_TABLE", "ledger"),
        ("MAYFLY_MAPPING_TABLE", "mappings"),
        ("MAYFLY_PARAMETER_PATH", "/mayfly"),
        ("MAYFLY_REGISTRATION", "per-job"),
        ("MAYFLY_STACK", "mayfly-autoscaler"),
        ("MAYFLY_STACK_ID", "arn:aws:cloudformation:eu-central-1:123456789012:stack/mayfly-autoscaler/0a1b"),
    ];

    fn read(name: &str, value: Option<&str>) -> Result<Settings, String> {
        let variables = Variables::new(|asked: &str| {
            let good = GOOD.iter().find(|(known, _)| *known == asked).map(|(_, value)| *value);
            if asked == name { value } else { good }.map(str::to_owned)
        });
        Settings::read(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_without_a_default_is_asked_for() {
        for (name, _) in GOOD {
            let message = read(name, None).unwrap_err();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn default_targets_and_modes() {
        let arn = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";
        for (text, target) in
            [("EC2", Target::Ec2(MachineSpec::default())), (arn, Target::Lambda { arn: arn.to_owned() })]
        {
            let settings = read("MAYFLY_DEFAULT_TARGET", Some(text)).unwrap();
            assert_eq!(settings.default_target.unwrap().target, target);
        }
        assert!(read("MAYFLY_DEFAULT_TARGET", Some("LAMBDA")).is_err());
        assert_eq!(read("MAYFLY_REGISTRATION", Some("shared")).unwrap().registration, Registration::Shared);
        assert!(read("MAYFLY_REGISTRATION", Some("none")).is_err());
    }
}
