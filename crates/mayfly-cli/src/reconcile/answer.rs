//! What the reconciler's function answers.

use std::fmt::Write;

use anyhow::Context;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::output::{Report, counted, printable, table};

/// One pass. As JSON it is printed as it came.
#[derive(Debug)]
pub(super) struct PassAnswer {
    whole: Value,
    known: Known,
}

/// What is known of it here. A younger function may tell more.
#[derive(Debug, Deserialize)]
struct Known {
    #[serde(default)]
    dry_run: bool,
    open: u64,
    repairs: Vec<RepairView>,
    #[serde(default)]
    held_back: Vec<Value>,
    #[serde(default)]
    unseen: Vec<Value>,
    /// How many entries are not in these lists, because they are too many for one answer.
    #[serde(default)]
    not_listed: u64,
}

#[derive(Debug, Deserialize)]
struct RepairView {
    act: String,
    text: String,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "errorMessage")]
    message: String,
}

/// What a function that failed says of it.
pub(crate) fn failure_of(payload: &[u8]) -> String {
    match serde_json::from_slice::<Failure>(payload) {
        Ok(failure) => failure.message,
        Err(_) => printable(&String::from_utf8_lossy(payload)),
    }
}

impl PassAnswer {
    pub(super) fn read(payload: &[u8]) -> anyhow::Result<Self> {
        let context = "the function's answer is not that of a reconciler: are both of the same version?";
        let whole: Value = serde_json::from_slice(payload).context(context)?;
        let known = Known::deserialize(&whole).context(context)?;
        Ok(Self { whole, known })
    }

    /// True if something could not be seen or repaired.
    pub(super) fn has_failed(&self) -> bool {
        !self.known.unseen.is_empty() || self.known.repairs.iter().any(|repair| repair.error.is_some())
    }
}

impl Serialize for PassAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.whole.serialize(serializer)
    }
}

impl Report for PassAnswer {
    fn to_text(&self, width: Option<u16>) -> String {
        let Known { dry_run, open, repairs, held_back, unseen, not_listed } = &self.known;
        let what = if *dry_run { "to make (this is a dry run)" } else { "made or tried" };
        let mut text = format!(
            "{} open {}, {} {what}\n",
            open,
            if *open == 1 { "record" } else { "records" },
            counted(repairs.len(), "repair")
        );
        if !repairs.is_empty() {
            let rows = repairs.iter().map(|repair| {
                let result = match (&repair.error, &repair.result) {
                    (Some(error), _) => format!("failed: {error}"),
                    (None, Some(result)) => result.clone(),
                    (None, None) => String::new(),
                };
                [repair.act.clone(), repair.text.clone(), result]
            });
            text += "\n";
            text += &table(width, ["ACT", "WHAT AND WHY", "RESULT"], rows);
        }
        // Writing to a String cannot fail.
        for (title, lines) in [("Left to later passes", held_back), ("Could not be seen", unseen)] {
            for (index, line) in lines.iter().enumerate() {
                if index == 0 {
                    let _ = writeln!(text, "\n{title}:");
                }
                let _ = writeln!(text, "  {}", printable(&line_of(line)));
            }
        }
        if *not_listed > 0 {
            let _ = writeln!(text, "\n{not_listed} more are not listed; the function's log has them all");
        }
        text
    }
}

/// A sentence, or something that has one in it.
fn line_of(value: &Value) -> String {
    let sentence = value.as_str().or_else(|| value.get("text")?.as_str());
    sentence.map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pass(answer: &Value) -> PassAnswer {
        PassAnswer::read(answer.to_string().as_bytes()).unwrap()
    }

    fn full() -> Value {
        json!({
            "dry_run": false,
            "open": 3,
            "repairs": [
                { "act": "start", "reason": "nobody-at-it", "text": "start a runner for job gitlab.com/1/2: it waits",
                  "result": "it is started in turn" },
                { "act": "end", "reason": "past-maximum-life", "text": "end runner mayfly-ec2-i-1: it is past its maximum life",
                  "error": "EC2: terminate failed: throttled" },
            ],
            "held_back": [{ "act": "end", "reason": "owner-unknown", "text": "end runner mayfly-ec2-i-2: nobody's" }],
            "unseen": ["GitLab: jobs of project 1 failed: 502"],
            "not_listed": 4,
        })
    }

    #[test]
    fn a_pass_is_told_with_what_failed() {
        let pass = pass(&full());
        assert!(pass.has_failed());
        insta::assert_snapshot!("full", pass.to_text(None));
    }

    #[test]
    fn a_pass_fails_by_an_error_or_by_what_it_cannot_see_and_not_by_what_it_holds_back() {
        let mut answer = full();
        answer["repairs"][1]["error"] = Value::Null;
        assert!(pass(&answer).has_failed(), "something is unseen");
        answer["unseen"] = json!([]);
        assert!(!pass(&answer).has_failed());
        answer["repairs"][0]["error"] = json!("no");
        assert!(pass(&answer).has_failed());
    }

    #[test]
    fn a_dry_run_and_a_quiet_world_are_told_too() {
        let answer = json!({ "dry_run": true, "open": 0, "repairs": [] });
        let text = pass(&answer).to_text(None);
        assert_eq!(text, "0 open records, 0 repairs to make (this is a dry run)\n");
    }

    #[test]
    fn json_is_printed_as_it_came() {
        let answer = json!({ "open": 0, "repairs": [], "of_the_future": 1 });
        assert_eq!(serde_json::to_value(pass(&answer)).unwrap(), answer);
    }

    #[test]
    fn what_is_no_pass_is_said() {
        for payload in ["", "null", "{\"open\":1}", "{\"repairs\":[{}]}"] {
            assert!(PassAnswer::read(payload.as_bytes()).is_err(), "{payload}");
        }
        let failed = br#"{"errorType":"PortError","errorMessage":"ledger: query failed"}"#;
        assert_eq!(failure_of(failed), "ledger: query failed");
        assert_eq!(failure_of(b"out of memory\n"), "out of memory\u{fffd}");
    }
}
