//! What an error of `CreateFleet` says about its machines, whether it is the answer or stands in one.

use std::error::Error;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::CreateFleetError;
use mayfly_core::error::Chain;
use mayfly_core::launch::ClientToken;
use mayfly_core::ports::FleetOutcome;

use crate::error_codes::{TOO_MANY_REQUESTS, is_passing_code};

/// How much of EC2's words is kept, in characters. A refused right comes with a text of thousands that only AWS can decode.
const LONGEST_WORDS: usize = 300;

/// How many different errors of one answer are told.
const MOST_TOLD: usize = 4;

/// What a code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing was started, and the same may be asked a little later.
    Busy,
    /// Nothing was started: no capacity, or a quota is used up.
    Refused,
    /// Nothing was started, and nothing will be until a person mends something.
    Impossible,
}

/// Codes that say more than their status and their form (EC2 API reference, "Error codes"; capacity codes of `CreateFleet`
/// also from the list that `terraform-aws-github-runner` takes for scaling errors). Some come with a 5xx.
const MEANINGS: [(&str, Meaning); 25] = {
    use Meaning::{Busy, Impossible, Refused};
    [
        ("Blocked", Impossible),
        ("ConcurrentTagAccess", Busy),
        ("IdempotentInstanceTerminated", Refused),
        // A younger version of this code asks for the same in other words: a new call will do.
        ("IdempotentParameterMismatch", Busy),
        ("InstanceLimitExceeded", Refused),
        ("InsufficientCapacity", Refused),
        ("InsufficientCapacityOnHost", Refused),
        ("InsufficientFreeAddressesInSubnet", Refused),
        ("InsufficientHostCapacity", Refused),
        ("InsufficientInstanceCapacity", Refused),
        ("InsufficientReservedInstanceCapacity", Refused),
        ("InsufficientVolumeCapacity", Refused),
        ("MaxIOPSLimitExceeded", Refused),
        ("MaxSpotFleetRequestCountExceeded", Refused),
        ("MaxSpotInstanceCountExceeded", Refused),
        ("OptInRequired", Impossible),
        // A region that is new to the account: EC2 looks at it, for hours at most.
        ("PendingVerification", Refused),
        ("RequestExpired", Busy),
        ("RequestLimitExceeded", Busy),
        ("ResourceLimitExceeded", Refused),
        ("SpotMaxPriceTooLow", Refused),
        ("TargetCapacityLimitExceededException", Refused),
        ("UnauthorizedOperation", Impossible),
        ("UnfulfillableCapacity", Refused),
        ("VcpuLimitExceeded", Refused),
    ]
};

/// Why an answer names fewer machines than were asked for: what EC2 says of each pool that gave nothing.
pub(super) struct Shortage {
    told: Vec<String>,
    /// True if what is wrong is nothing that passes.
    is_for_good: bool,
    /// True if EC2 was only asked too much at once.
    is_busy: bool,
}

impl Shortage {
    /// What these errors of an answer say.
    pub(super) fn of(errors: &[CreateFleetError]) -> Self {
        let mut told = Vec::new();
        for error in errors {
            let words = said(error.error_code(), error.error_message());
            if !told.contains(&words) {
                told.push(words);
            }
        }
        let is_for_good =
            |error: &CreateFleetError| meaning(error.error_code(), 400) == Some(Meaning::Impossible);
        let is_throttled = |code: &str| code == "RequestLimitExceeded" || code.contains("Throttling");
        let is_busy = errors.iter().all(|error| error.error_code().is_some_and(is_throttled));
        Self { told, is_for_good: errors.iter().all(is_for_good), is_busy }
    }

    /// In EC2's words.
    pub(super) fn words(&self, token: &ClientToken) -> String {
        let mut words = self.told.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join("; ");
        if self.told.len() > MOST_TOLD {
            words.push_str("; and more");
        }
        reason(
            token,
            if words.is_empty() { "EC2 does not say why there are not more machines" } else { &words },
        )
    }

    /// True if EC2 gives no reason.
    pub(super) fn is_unexplained(&self) -> bool {
        self.told.is_empty()
    }

    /// What an answer without any machine means.
    pub(super) fn into_outcome(self, token: &ClientToken) -> FleetOutcome {
        let reason = self.words(token);
        if self.told.is_empty() {
            FleetOutcome::Unknown { reason }
        } else if self.is_busy {
            FleetOutcome::Busy { reason }
        } else if self.is_for_good {
            FleetOutcome::Impossible { reason }
        } else {
            FleetOutcome::Refused { reason }
        }
    }
}

/// What became of a call that was not answered with a 200.
pub(super) fn outcome_of_error<E>(token: &ClientToken, error: &SdkError<E, HttpResponse>) -> FleetOutcome
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code();
            let named = code.map_or_else(|| format!("status {status}"), str::to_owned);
            let reason = reason(token, &said(Some(&named), answer.err().message()));
            match meaning(code, status) {
                Some(Meaning::Busy) => FleetOutcome::Busy { reason },
                Some(Meaning::Refused) => FleetOutcome::Refused { reason },
                Some(Meaning::Impossible) => FleetOutcome::Impossible { reason },
                None => FleetOutcome::Unknown { reason },
            }
        }
        SdkError::ConstructionFailure(_) => FleetOutcome::Impossible { reason: reason(token, &chain(error)) },
        // Timeouts, lost connections, answers that cannot be read, and kinds of errors younger than this code.
        _ => FleetOutcome::Unknown { reason: reason(token, &chain(error)) },
    }
}

/// A reason that names the call.
pub(super) fn reason(token: &ClientToken, why: &str) -> String {
    format!("EC2: create fleet {token}: {why}")
}

/// `None` if the answer does not say whether machines were started.
fn meaning(code: Option<&str>, status: u16) -> Option<Meaning> {
    let code = code.unwrap_or_default();
    if let Some((_, meaning)) = MEANINGS.into_iter().find(|(named, _)| *named == code) {
        return Some(meaning);
    }
    match status {
        TOO_MANY_REQUESTS => Some(Meaning::Busy),
        400..=499 if is_passing_code(code) => Some(Meaning::Busy),
        400..=499 if code.starts_with("Insufficient") || code.ends_with("LimitExceeded") => {
            Some(Meaning::Refused)
        }
        400..=499 => Some(Meaning::Impossible),
        _ if code.contains("Throttling") => Some(Meaning::Busy),
        _ => None,
    }
}

fn said(code: Option<&str>, message: Option<&str>) -> String {
    let code = code.unwrap_or("no code");
    let Some(message) = message else { return code.to_owned() };
    let mut words: String = message.chars().take(LONGEST_WORDS).collect();
    if words.len() < message.len() {
        words.push('…');
    }
    format!("{code}: {words}")
}

fn chain(error: &(dyn Error + 'static)) -> String {
    Chain(error).to_string()
}

#[cfg(test)]
mod tests {
    use mayfly_core::ids::JobKey;

    use super::*;

    fn token() -> ClientToken {
        let key: JobKey = "gitlab.example.com/380/1977".parse().unwrap();
        ClientToken::new(&key, 0, 0)
    }

    fn outcome(codes: &[&str]) -> FleetOutcome {
        let error =
            |code: &&str| CreateFleetError::builder().error_code(*code).error_message("words").build();
        Shortage::of(&codes.iter().map(error).collect::<Vec<_>>()).into_outcome(&token())
    }

    #[test]
    fn every_code_stands_once_and_in_order() {
        assert!(MEANINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn what_is_not_named_is_judged_by_its_status_and_form() {
        for (code, status, expected) in [
            (Some("RequestLimitExceeded"), 503, Some(Meaning::Busy)),
            (Some("Throttling"), 400, Some(Meaning::Busy)),
            (Some("Throttling"), 503, Some(Meaning::Busy)),
            (None, 429, Some(Meaning::Busy)),
            (Some("ExpiredToken"), 400, Some(Meaning::Busy)),
            (Some("InsufficientInstanceCapacity"), 500, Some(Meaning::Refused)),
            (Some("InsufficientSomethingNew"), 400, Some(Meaning::Refused)),
            (Some("VolumeLimitExceeded"), 400, Some(Meaning::Refused)),
            (Some("UnauthorizedOperation"), 403, Some(Meaning::Impossible)),
            (Some("InvalidSubnetID.NotFound"), 400, Some(Meaning::Impossible)),
            (Some("AuthFailure.ServiceLinkedRoleCreationNotPermitted"), 403, Some(Meaning::Impossible)),
            (Some("SomethingNew"), 400, Some(Meaning::Impossible)),
            (None, 404, Some(Meaning::Impossible)),
            (Some("InternalError"), 500, None),
            (Some("Unavailable"), 503, None),
            (None, 502, None),
        ] {
            assert_eq!(meaning(code, status), expected, "{code:?} {status}");
        }
    }

    #[test]
    fn errors_of_an_answer_without_machines_are_for_good_only_if_all_are() {
        assert!(matches!(outcome(&[]), FleetOutcome::Unknown { .. }));
        assert!(matches!(outcome(&["UnfulfillableCapacity"]), FleetOutcome::Refused { .. }));
        assert!(matches!(outcome(&["InternalError"]), FleetOutcome::Refused { .. }));
        assert!(matches!(outcome(&["RequestLimitExceeded"]), FleetOutcome::Busy { .. }));
        let also_throttled = outcome(&["RequestLimitExceeded", "UnfulfillableCapacity"]);
        assert!(matches!(also_throttled, FleetOutcome::Refused { .. }), "{also_throttled:?}");
        let mixed = outcome(&["InvalidSubnetID.NotFound", "InsufficientInstanceCapacity"]);
        assert!(matches!(mixed, FleetOutcome::Refused { .. }), "{mixed:?}");
        let FleetOutcome::Impossible { reason } =
            outcome(&["InvalidSubnetID.NotFound", "UnauthorizedOperation"])
        else {
            unreachable!("nothing of it passes")
        };
        let words = "InvalidSubnetID.NotFound: words; UnauthorizedOperation: words";
        assert_eq!(reason, format!("EC2: create fleet {}: {words}", token()));
    }

    #[test]
    fn words_are_told_once_and_not_at_length() {
        let errors =
            ["A", "A", "B", "C", "D", "E"].map(|code| CreateFleetError::builder().error_code(code).build());
        let words = Shortage::of(&errors).words(&token());
        assert!(words.ends_with(": A; B; C; D; and more"), "{words}");
        assert_eq!(said(Some("A"), Some(&"ü".repeat(301))), format!("A: {}…", "ü".repeat(300)));
        assert_eq!(said(None, Some("b")), "no code: b");
    }
}
