//! `mayfly runners end`.

use libtest_mimic::Trial;
use mayfly_standins::aws::{Reply, StandinAws};
use serde_json::{Value, json};

use crate::command::trial;
use crate::installation::{complaint, installation, json_after, mayfly};

const RUNNER: &str = "mayfly-ec2-i-0123456789abcdef0";
const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/operator/me";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_reconciler_is_told_who_ends_which_runner_and_why", told()),
        trial("each_answer_has_its_exit_code", answers()),
        trial("what_is_no_order_is_refused_before_anything_is_asked", refused()),
    ]
}

fn answer(aws: &StandinAws, result: &str) {
    let body = json!({ "runner": RUNNER, "result": result, "text": "runner x, in words" });
    aws.answer_next("Invoke", Reply { status: 200, body });
}

async fn told() {
    let aws = installation().await;
    answer(&aws, "ended");
    let arguments = ["runners", "end", RUNNER, "--reason", "it hangs", "--force", "--yes", "--stack", "mine"];
    let output = mayfly(&aws, &arguments).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Runner x, in words.\n", "{output:?}");
    let sent: Value = serde_json::from_str(aws.bodies().last().unwrap()).unwrap();
    assert_eq!(
        sent,
        json!({ "end": { "runner": RUNNER, "reason": "it hangs", "by": CALLER, "force": true } })
    );
    assert_eq!(aws.calls(), ["GetCallerIdentity", "Invoke"]);
}

async fn answers() {
    let aws = installation().await;
    for (result, code) in [("ended", 0), ("gone", 0), ("busy", 1), ("perhaps-busy", 1), ("unknown", 3)] {
        answer(&aws, result);
        let arguments = ["runners", "end", RUNNER, "--reason", "x", "-y", "--output", "json"];
        assert_eq!(json_after(&mayfly(&aws, &arguments).await, code)["result"], result);
    }
    answer(&aws, "busy");
    let output = mayfly(&aws, &["runners", "end", RUNNER, "--reason", "x", "-y"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("in words; give --force to end it all the same.\n"), "{text}");
    aws.answer_next("Invoke", Reply { status: 200, body: json!({ "open": 1, "repairs": [] }) });
    let old = complaint(&mayfly(&aws, &["runners", "end", RUNNER, "--reason", "x", "-y"]).await, 1);
    assert!(old.contains("are both of the same version?"), "{old}");
}

async fn refused() {
    let aws = installation().await;
    for (arguments, code, said) in [
        (&["runners", "end", RUNNER, "--reason", "x"][..], 1, "give --yes to end it"),
        (&["runners", "end", RUNNER, "--yes"], 2, "--reason"),
        (&["runners", "end", RUNNER, "--yes", "--reason", ""], 2, "write one line"),
        (
            &["runners", "end", "i-0123456789abcdef0", "--yes", "--reason", "x"],
            2,
            "mayfly-<backend>-<resource>",
        ),
        (&["runners", "end", "mayfly-local-1", "--yes", "--reason", "x"], 1, "cancel its job in GitLab"),
    ] {
        let complaint = complaint(&mayfly(&aws, arguments).await, code);
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
    }
    assert!(aws.calls().is_empty(), "{:?}", aws.calls());
    let output = mayfly(&aws, &["runners", "end", "--help"]).await;
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["--force", "--reason", "lambda:InvokeFunction", "  3  the ledger does not know"] {
        assert!(help.contains(part), "{part} is not in:\n{help}");
    }
}
