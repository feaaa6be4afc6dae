//! What must not be anywhere.

use std::sync::Arc;

use crate::installation::{Installation, Test};

/// What the token of every runner begins with.
const RUNNER_TOKEN: &str = "glrt-";

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let (first, second) = (Arc::clone(installation), Arc::clone(installation));
    vec![
        ("no_log_holds_a_secret", Box::pin(async move { no_log_holds_a_secret(&first) })),
        ("nothing_that_aws_shows_holds_a_secret", Box::pin(nothing_shows_a_secret(second))),
    ]
}

fn secrets(installation: &Installation) -> [&str; 4] {
    let [first, second] = installation.webhook_secrets();
    [first, second, installation.gitlab.api_token(), RUNNER_TOKEN]
}

fn no_log_holds_a_secret(installation: &Installation) {
    let logs = installation.logs();
    for expected in ["Accepted `pending`", "assignment read"] {
        assert!(logs.iter().any(|(_, text)| text.contains(expected)), "no log says `{expected}`");
    }
    for (file, text) in logs {
        for secret in secrets(installation) {
            assert!(!text.contains(secret), "{} holds a secret", file.display());
        }
    }
}

async fn nothing_shows_a_secret(installation: Arc<Installation>) {
    let written = installation.machines.emulator().written().await;
    for (kind, expected) in [
        ("tags", "mayfly:job"),
        ("user data", "assignment_table"),
        ("logs", "assignment read"),
        ("events", "aws.ec2"),
        ("state machines", "pending"),
    ] {
        let text = written.get(kind).unwrap_or_else(|| panic!("no {kind} in {:?}", written.keys()));
        assert!(text.contains(expected), "{kind} do not have `{expected}`");
        for secret in secrets(&installation) {
            assert!(!text.contains(secret), "{kind} hold a secret");
        }
    }
}
