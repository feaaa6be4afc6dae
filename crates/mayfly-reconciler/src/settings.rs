//! What the stack tells the function.

use jiff::SignedDuration;
use mayfly_aws::function::{InvalidVariable, Variables};
use mayfly_core::reconcile::ReconcilePolicy;

/// The function's settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Those it has in common with the dispatcher.
    pub(crate) dispatcher: mayfly_wiring::Settings,
    /// How it judges.
    pub(crate) policy: ReconcilePolicy,
    /// Whether passes only tell what they would do.
    pub(crate) is_dry_run: bool,
}

impl Settings {
    pub(crate) fn read<F>(variables: &Variables<F>) -> Result<Self, InvalidVariable>
    where
        F: Fn(&str) -> Option<String>,
    {
        Ok(Self {
            dispatcher: mayfly_wiring::Settings::read(variables)?,
            policy: policy(variables)?,
            is_dry_run: variables.switch("MAYFLY_RECONCILE_DRY_RUN", false)?,
        })
    }
}

fn policy<F>(variables: &Variables<F>) -> Result<ReconcilePolicy, InvalidVariable>
where
    F: Fn(&str) -> Option<String>,
{
    let mut policy = ReconcilePolicy::default();
    if let Some(most) = variables.optional("MAYFLY_RECONCILE_MAX_ENDS", "a number of runners")? {
        policy.max_ends = most;
    }
    let seconds: Option<u32> =
        variables.optional("MAYFLY_RECONCILE_GRACE_SECONDS", "a whole number of seconds")?;
    if let Some(seconds) = seconds {
        policy.grace = SignedDuration::from_secs(seconds.into());
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn read(own: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = Variables::new(|asked: &str| {
            let found = own.iter().chain(&GOOD).find(|(known, _)| *known == asked);
            found.map(|(_, value)| (*value).to_owned())
        });
        Settings::read(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_it_acts_by_the_usual_policy() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.policy, settings.is_dry_run), (ReconcilePolicy::default(), false));
    }

    #[test]
    fn the_stack_may_say_how_it_judges() {
        let settings = read(&[
            ("MAYFLY_RECONCILE_DRY_RUN", "true"),
            ("MAYFLY_RECONCILE_GRACE_SECONDS", "0"),
            ("MAYFLY_RECONCILE_MAX_ENDS", "3"),
        ])
        .unwrap();
        let grace = SignedDuration::ZERO;
        assert_eq!(settings.policy, ReconcilePolicy { grace, max_ends: 3, ..ReconcilePolicy::default() });
        assert!(settings.is_dry_run);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("MAYFLY_RECONCILE_DRY_RUN", "yes"),
            ("MAYFLY_RECONCILE_GRACE_SECONDS", "-1"),
            ("MAYFLY_RECONCILE_MAX_ENDS", "some"),
        ] {
            let message = read(&[(name, value)]).unwrap_err();
            assert!(message.contains(name), "{message}");
        }
    }
}
