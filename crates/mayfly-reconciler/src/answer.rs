//! What the function answers.

use std::collections::BTreeMap;

use lambda_runtime::Diagnostic;
use mayfly_app::{Done, Mode, Ordered, Pass};
use mayfly_core::decide::{EndOrder, OrderedEnd};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::mapping::TargetType;
use mayfly_core::reconcile::Repair;
use serde::Serialize;

/// How many entries of a list are told. An answer of more than 6 MB would be an error (Lambda quotas).
const LONGEST_LIST: usize = 1000;

/// The answer to one invocation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Said {
    Pass(Answer),
    End(Ended),
}

/// What came of the order to end one runner.
#[derive(Debug, Serialize)]
pub(crate) struct Ended {
    runner: String,
    /// A word for programs: `ended`, `gone`, `busy`, `perhaps-busy` or `unknown`.
    result: &'static str,
    /// The job that dies with it, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// All of it in words.
    text: String,
}

impl Ended {
    pub(crate) fn new(order: &EndOrder, ordered: Ordered) -> Self {
        let runner = &order.runner;
        let (result, job, text) = match ordered.decided {
            OrderedEnd::Unknown => {
                let text = format!(
                    "the ledger does not know runner {runner}; if a machine has our tag and no record, the next passes end it"
                );
                ("unknown", None, text)
            }
            OrderedEnd::Gone { at, reason } => {
                ("gone", None, format!("runner {runner} ended {at}: {reason}"))
            }
            OrderedEnd::Busy(job) => {
                let text =
                    format!("runner {runner} has job {job}, which would die with it; it was not ended");
                ("busy", Some(job), text)
            }
            OrderedEnd::PerhapsBusy => {
                let text = format!("nothing tells whether runner {runner} has a job; it was not ended");
                ("perhaps-busy", None, text)
            }
            OrderedEnd::End { ending, dies, .. } => {
                let text = ended_in_words(order, dies.is_some(), ordered.then.as_deref());
                ("ended", dies, format!("{text} ({})", ending.reason))
            }
        };
        Self { runner: runner.to_string(), result, job: job.map(|job| job.to_string()), text }
    }
}

fn ended_in_words(order: &EndOrder, is_busy: bool, then: Option<&str>) -> String {
    let runner = &order.runner;
    let mut text = match (runner.target, is_busy) {
        (TargetType::Lambda, true) => format!(
            "the registration of runner {runner} is removed; its invocation cannot be stopped and goes on with its job: cancel \
             the job in GitLab"
        ),
        (TargetType::Lambda, false) => {
            format!("the registration of runner {runner} is removed; its invocation finds no job and leaves")
        }
        (_, true) => format!(
            "runner {runner} is ended, and its job with it; GitLab may show that running for up to an hour, unless it is canceled"
        ),
        (_, false) => format!("runner {runner} is ended"),
    };
    if let Some(then) = then {
        text.push_str("; the job it was started for: ");
        text.push_str(then);
    }
    text
}

/// What came of one pass.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    dry_run: bool,
    /// How many records are not done with.
    open: usize,
    /// What was repaired or could not be; in a dry run, what would have been.
    repairs: Vec<Told>,
    /// What is left to later passes, because it is too much at once.
    held_back: Vec<Told>,
    /// What could not be looked at.
    unseen: Vec<String>,
    /// How many entries the lists lack.
    #[serde(skip_serializing_if = "is_zero")]
    not_listed: usize,
}

/// One repair.
#[derive(Debug, Serialize)]
struct Told {
    act: &'static str,
    reason: &'static str,
    /// Both in words, with names.
    text: String,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// Why it could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Answer {
    pub(crate) fn new(pass: &Pass, mode: Mode) -> Self {
        let mut not_listed = 0;
        let repairs = match mode {
            Mode::Act => first(pass.done.iter().map(Told::done), &mut not_listed),
            Mode::DryRun => first(pass.plan.repairs.iter().map(Told::planned), &mut not_listed),
        };
        Self {
            dry_run: mode == Mode::DryRun,
            open: pass.open,
            repairs,
            held_back: first(pass.plan.held_back.iter().map(Told::planned), &mut not_listed),
            unseen: first(pass.unseen.iter().map(|error| Chain(error).to_string()), &mut not_listed),
            not_listed,
        }
    }
}

/// The first entries of a list; the others are counted.
fn first<T>(entries: impl ExactSizeIterator<Item = T>, not_listed: &mut usize) -> Vec<T> {
    *not_listed += entries.len().saturating_sub(LONGEST_LIST);
    entries.take(LONGEST_LIST).collect()
}

impl Told {
    fn planned(repair: &Repair) -> Self {
        let Repair { act, reason } = repair;
        let text = repair.to_string();
        Self { act: act.as_str(), reason: reason.as_str(), text, result: None, error: None }
    }

    fn done(done: &Done) -> Self {
        let (result, error) = match &done.result {
            Ok(result) => (Some(result.clone()), None),
            Err(failed) => (None, Some(Chain(failed).to_string())),
        };
        Self { result, error, ..Self::planned(&done.repair) }
    }
}

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The pass could not be made.
    #[error(transparent)]
    NotMade(#[from] PortError),
    /// It was made, and something is left to do: how much of what.
    #[error("{0}; the log says which and why")]
    Incomplete(String),
}

impl Failed {
    /// Why a pass that was made counts as failed; `None` if it does not.
    pub(crate) fn of(pass: &Pass) -> Option<Self> {
        let mut failed: BTreeMap<&str, usize> = BTreeMap::new();
        for done in pass.done.iter().filter(|done| done.result.is_err()) {
            *failed.entry(done.repair.act.as_str()).or_default() += 1;
        }
        let mut parts = Vec::new();
        if !failed.is_empty() {
            let acts: Vec<_> = failed.iter().map(|(act, count)| format!("{count} × {act}")).collect();
            let (all, acts) = (pass.done.len(), acts.join(", "));
            parts.push(format!("{} of {all} repairs failed ({acts})", failed.values().sum::<usize>()));
        }
        if !pass.unseen.is_empty() {
            parts.push(format!("{} of the looks failed", pass.unseen.len()));
        }
        pass.has_failed().then(|| Self::Incomplete(parts.join(", and ")))
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let error_type = match &failed {
            Failed::NotMade(error) if error.is_transient() => "Later",
            Failed::NotMade(_) => "Never",
            Failed::Incomplete(_) => "Incomplete",
        };
        Self { error_type: error_type.to_owned(), error_message: Chain(&failed).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_core::ids::RunnerId;
    use mayfly_core::reconcile::{Act, Plan, Reason};
    use serde_json::{Value, json};

    use super::*;

    fn repair(id: u64) -> Repair {
        let runner = format!("mayfly-lambda-{id}").parse().unwrap();
        Repair { act: Act::Unregister { id: RunnerId(id), runner }, reason: Reason::NoRunner }
    }

    fn done(id: u64, result: Result<String, PortError>) -> Done {
        Done { repair: repair(id), result }
    }

    fn check(pass: &Pass, mode: Mode, expected: &Value) {
        assert_eq!(serde_json::to_value(Answer::new(pass, mode)).unwrap(), *expected);
    }

    fn told(id: u64) -> Value {
        json!({
            "act": "unregister",
            "reason": "no-runner",
            "text": format!("remove registration {id} of runner mayfly-lambda-{id}: no runner that lives has it"),
        })
    }

    #[test]
    fn the_answer_is_pinned() {
        let mut pass = Pass {
            plan: Plan { repairs: vec![repair(1), repair(2)], held_back: vec![repair(3)], ..Plan::default() },
            done: vec![
                done(1, Ok("removed".to_owned())),
                done(2, Err(PortError::later("remove runner 2", "GitLab is down"))),
            ],
            unseen: vec![PortError::later("list machines", "throttled")],
            open: 4,
        };
        let (mut removed, mut failed) = (told(1), told(2));
        removed["result"] = "removed".into();
        failed["error"] = Chain(pass.done[1].result.as_ref().unwrap_err()).to_string().into();
        let unseen = json!([Chain(&pass.unseen[0]).to_string()]);
        let mut expected = json!({
            "dry_run": false, "open": 4, "repairs": [removed, failed], "held_back": [told(3)], "unseen": unseen,
        });
        check(&pass, Mode::Act, &expected);
        pass.done.clear();
        expected["dry_run"] = true.into();
        expected["repairs"] = json!([told(1), told(2)]);
        check(&pass, Mode::DryRun, &expected);
    }

    #[test]
    fn the_answer_to_an_order_is_pinned() {
        let order = |runner: &str| EndOrder {
            runner: runner.parse().unwrap(),
            reason: "it hangs".parse().unwrap(),
            by: "jo".parse().unwrap(),
            force: false,
        };
        let told = |decided, then: Option<&str>| {
            let ordered = Ordered { decided, then: then.map(str::to_owned) };
            serde_json::to_value(Ended::new(&order("mayfly-ec2-i-1"), ordered)).unwrap()
        };
        let busy = told(OrderedEnd::Busy("gitlab.com/1/2".parse().unwrap()), None);
        let text = "runner mayfly-ec2-i-1 has job gitlab.com/1/2, which would die with it; it was not ended";
        let expected =
            json!({ "runner": "mayfly-ec2-i-1", "result": "busy", "job": "gitlab.com/1/2", "text": text });
        assert_eq!(busy, expected);
        for (decided, result) in [
            (OrderedEnd::Unknown, "unknown"),
            (OrderedEnd::PerhapsBusy, "perhaps-busy"),
            (OrderedEnd::Gone { at: jiff::Timestamp::UNIX_EPOCH, reason: "it left".to_owned() }, "gone"),
        ] {
            assert_eq!(told(decided, None)["result"], result);
        }
        for (runner, is_busy, said) in [
            (
                "mayfly-ec2-i-1",
                false,
                "runner mayfly-ec2-i-1 is ended; the job it was started for: it is started in turn",
            ),
            ("mayfly-ec2-i-1", true, "GitLab may show that running"),
            ("mayfly-lambda-1", true, "cancel the job in GitLab"),
            ("mayfly-lambda-1", false, "its invocation finds no job and leaves"),
        ] {
            let text = ended_in_words(&order(runner), is_busy, Some("it is started in turn"));
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn of_a_long_list_the_rest_is_counted() {
        let repairs = (0..1003).map(repair).collect();
        let pass = Pass { plan: Plan { repairs, ..Plan::default() }, ..Pass::default() };
        let answer = Answer::new(&pass, Mode::DryRun);
        assert_eq!((answer.repairs.len(), answer.not_listed), (1000, 3));
    }

    #[test]
    fn a_failed_pass_says_how_much_of_it_failed() {
        let failed = |error| Diagnostic::from(error);
        let pass = Pass { done: vec![done(1, Ok(String::new()))], ..Pass::default() };
        assert!(Failed::of(&pass).is_none());
        let refused = PortError::never("remove runner 2", "no right");
        let unseen = vec![PortError::later("list machines", "throttled")];
        let pass = Pass { done: vec![done(1, Ok(String::new())), done(2, Err(refused))], unseen, ..pass };
        let diagnostic = failed(Failed::of(&pass).unwrap());
        assert_eq!(diagnostic.error_type, "Incomplete");
        assert_eq!(
            diagnostic.error_message,
            "1 of 2 repairs failed (1 × unregister), and 1 of the looks failed; the log says which and why"
        );
        for (error, error_type) in [
            (PortError::later("ledger: open", "throttled"), "Later"),
            (PortError::never("ledger: open", "no such table"), "Never"),
        ] {
            assert_eq!(failed(Failed::NotMade(error)).error_type, error_type);
        }
    }
}
