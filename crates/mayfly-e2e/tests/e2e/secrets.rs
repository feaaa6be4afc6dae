//! What must not be anywhere.

use std::sync::Arc;

use crate::installation::{Installation, Test};

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let installation = Arc::clone(installation);
    vec![("no_log_holds_a_secret", Box::pin(async move { no_log_holds_a_secret(&installation) }))]
}

fn no_log_holds_a_secret(installation: &Installation) {
    let [first, second] = installation.webhook_secrets();
    let api_token = installation.gitlab.api_token();
    let logs = installation.logs();
    assert!(
        logs.iter().any(|(_, text)| text.contains("Accepted `pending`")),
        "the functions' logs are there"
    );
    for (file, text) in logs {
        for secret in [first, second, api_token, "glrt-"] {
            assert!(!text.contains(secret), "{} holds a secret", file.display());
        }
    }
}
