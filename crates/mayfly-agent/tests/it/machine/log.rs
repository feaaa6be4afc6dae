//! The agent's own log in CloudWatch.

use super::InstanceWorld;
use super::aws::{Fault, ROLE_SECRETS};
use crate::support::TOKEN;

const TELLS_ITS_TOKEN: &str = r#"
    token=$(sed -n 's/^token = "\(.*\)"/\1/p' "$config")
    log "my token is $token"; echo "and in plain text $token"
    started; received 7
"#;

#[tokio::test]
async fn the_log_is_sent_to_the_end_without_a_secret() {
    let instance = InstanceWorld::new(TELLS_ITS_TOKEN).await;
    // Twice, as after a reboot: the stream is there the second time.
    for _ in 0..2 {
        instance.assign();
        let end = instance.run(&["--log", "trace"]).await;
        end.check(r#"{"outcome":"job-done","job":7}"#, 0);
        let logged = instance.aws.with(|state| std::mem::take(&mut state.logged));
        assert!(logged.iter().all(|(stream, _)| stream == "/mayfly/main/runners/i-0abc"), "{logged:?}");
        let lines: Vec<&str> = logged.iter().map(|(_, line)| line.as_str()).collect();
        let has = |text: &str| lines.iter().any(|line| line.contains(text));
        assert!(has("assignment read") && has("my token is [masked]"), "{lines:#?}");
        assert!(
            lines.last().unwrap().contains("the agent ends: its runner left: its job is over"),
            "{lines:#?}"
        );
        for secret in [TOKEN, ROLE_SECRETS[1], ROLE_SECRETS[2]] {
            assert!(!has(secret) && !end.log.contains(secret), "{secret}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn a_log_that_nobody_takes_is_no_failure() {
    let instance = InstanceWorld::new("").await;
    for fault in [Fault::Denied, Fault::Broken, Fault::Silent] {
        instance.aws.with(|state| {
            state.log_fault = Some(fault);
            state.assignment = Some("{}".to_owned());
        });
        instance.run(&["--log-wait", "200ms"]).await.check(r#"{"outcome":"unreadable-assignment"}"#, 7);
    }
}

#[tokio::test]
async fn nothing_is_sent_where_no_log_is_wanted() {
    let instance = InstanceWorld::new("started; received 7").await;
    instance.aws.with(|state| {
        state.user_data = Some(r#"{"mayfly":1,"assignment_table":"t","role_id":"r"}"#.to_owned());
    });
    instance.run(&[]).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
    assert!(instance.aws.with(|state| state.logged.is_empty()));
}
