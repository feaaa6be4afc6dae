//! What the stack tells the function.

use ipnet::IpNet;
use mayfly_aws::function::{InvalidVariable, Variables};
use mayfly_aws::ssm::ParameterName;
use mayfly_gitlab::webhook::SignaturePolicy;

/// The function's settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The bus that events go to.
    pub(crate) event_bus: String,
    /// The parameters that hold the secret tokens: the present one, and the next or the last while they are rotated.
    pub(crate) secret_tokens: Vec<ParameterName>,
    /// The parameters that hold the signing tokens.
    pub(crate) signing_tokens: Vec<ParameterName>,
    /// What counts where there is a signing token.
    pub(crate) policy: SignaturePolicy,
    /// Where webhooks may come from; empty means from anywhere.
    pub(crate) allowed_sources: Vec<IpNet>,
}

impl Settings {
    /// Reads the settings. A function without a secret would refuse everything, so it does not start.
    pub(crate) fn read<F>(variables: &Variables<F>) -> Result<Self, InvalidVariable>
    where
        F: Fn(&str) -> Option<String>,
    {
        let names = "names of parameters in Parameter Store, separated by commas";
        let secret_tokens = variables.list("MAYFLY_WEBHOOK_SECRETS", names)?;
        let signing_tokens: Vec<ParameterName> = variables.list("MAYFLY_SIGNING_TOKENS", names)?;
        if secret_tokens.is_empty() && signing_tokens.is_empty() {
            // Says that the variable is missing.
            variables.required::<ParameterName>("MAYFLY_WEBHOOK_SECRETS", names)?;
        }
        let policy = if variables.switch("MAYFLY_REQUIRE_SIGNATURE", false)? {
            SignaturePolicy::Required
        } else {
            SignaturePolicy::Optional
        };
        Ok(Self {
            event_bus: variables.required("MAYFLY_EVENT_BUS", "the name of an event bus")?,
            secret_tokens,
            signing_tokens,
            policy,
            allowed_sources: variables
                .list("MAYFLY_ALLOWED_SOURCES", "ranges of IP addresses such as 192.0.2.0/24")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        let variables = Variables::new(|name: &str| find(name).map(|(_, value)| (*value).to_owned()));
        Settings::read(&variables).map_err(|error| error.to_string())
    }

    const BUS: (&str, &str) = ("MAYFLY_EVENT_BUS", "mayfly");
    const SECRET: (&str, &str) = ("MAYFLY_WEBHOOK_SECRETS", "/mayfly/a,/mayfly/b");

    #[test]
    fn a_bus_and_a_secret_suffice() {
        let settings = read(&[BUS, SECRET]).unwrap();
        assert_eq!((settings.secret_tokens.len(), settings.allowed_sources.len()), (2, 0));
        assert_eq!(settings.policy, SignaturePolicy::Optional);
        let signed = read(&[BUS, ("MAYFLY_SIGNING_TOKENS", "/x"), ("MAYFLY_REQUIRE_SIGNATURE", "true")]);
        assert_eq!(signed.unwrap().policy, SignaturePolicy::Required);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let sources = ("MAYFLY_ALLOWED_SOURCES", "192.0.2.0/24, 300.0.0.0/8");
        let signature = ("MAYFLY_REQUIRE_SIGNATURE", "perhaps");
        for (variables, name) in [
            (&[BUS][..], "MAYFLY_WEBHOOK_SECRETS"),
            (&[SECRET], "MAYFLY_EVENT_BUS"),
            (&[BUS, SECRET, sources], "MAYFLY_ALLOWED_SOURCES"),
            (&[BUS, SECRET, signature], "MAYFLY_REQUIRE_SIGNATURE"),
        ] {
            let message = read(variables).unwrap_err();
            assert!(message.contains(name), "{message}");
        }
    }
}
