//! Jobs on an instance, and what they see.

use mayfly_core::assignment::JobCredentials;
use serde_json::json;

use super::aws::ROLE_SECRETS;
use super::ends::BRIEF;
use super::{InstanceWorld, ended};
use crate::support::TOKEN;

const JOB: &str = r#"
    env > "$observed/environment"
    cp "$config" "$observed/config"
    started; received 1977; log "Job succeeded"
"#;

#[tokio::test]
async fn an_instance_does_the_job_that_waits_for_it() {
    let instance = InstanceWorld::new(JOB).await;
    let end = instance.run(&[]).await;
    end.check(r#"{"outcome":"job-done","job":1977}"#, 0);
    assert!(end.log.contains("assignment read") && end.log.contains("milliseconds="), "{}", end.log);
    instance.world.assert_nothing_is_left();
    instance.aws.with(|state| {
        assert_eq!(state.unauthorized, 0);
        assert_eq!(
            state.asked[0],
            json!({
                "TableName": "assignments",
                "Key": { "pk": { "S": "AROAEXAMPLE:i-0abc" } },
                "ReturnValues": "ALL_OLD",
            })
        );
    });
}

#[tokio::test]
async fn an_assignment_that_comes_late_is_taken() {
    let instance = InstanceWorld::new("started; received 7").await;
    instance.aws.with(|state| {
        state.credentials_missing = 2;
        state.assignment_late = 5;
    });
    instance.run(&[]).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
    assert!(instance.aws.with(|state| state.asked.len()) >= 6);
}

#[tokio::test]
async fn an_assignment_is_taken_once() {
    let instance = InstanceWorld::new("started; received 7").await;
    let (first, second) = (instance.start(&BRIEF), instance.start(&BRIEF));
    let (first, second) = tokio::join!(ended(first), ended(second));
    let mut said = [first.said, second.said];
    said.sort();
    assert_eq!(said, [r#"{"outcome":"job-done","job":7}"#, r#"{"outcome":"no-assignment"}"#]);
}

#[tokio::test]
async fn a_job_sees_nothing_of_the_agents_own_even_if_its_mapping_names_it() {
    let mut instance = InstanceWorld::without_assignment(JOB).await;
    let named = [
        "AWS_ENDPOINT_URL",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_SECRET_ACCESS_KEY",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "FEATURE",
    ];
    let settings = &mut instance.world.assignment.settings;
    settings.pass_env = named.map(ToOwned::to_owned).into();
    settings.keep_aws_credentials = true;
    instance.assign();
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        instance.world.config.environment.insert(name.into(), "1".into());
    }
    instance.run(&[]).await.check(r#"{"outcome":"job-done","job":1977}"#, 0);
    let environment = instance.world.observed("environment");
    assert!(environment.lines().any(|line| line == "FEATURE=on"), "{environment}");
    for name in &named[..5] {
        assert!(!environment.contains(name), "{name}: {environment}");
    }
    for secret in ROLE_SECRETS.iter().chain(&[TOKEN, "aws-secret", &instance.aws.url()]) {
        assert!(!environment.contains(secret), "{secret}: {environment}");
    }
    assert!(!instance.world.observed("config").contains("environment"));
}

#[tokio::test]
async fn a_job_that_may_act_in_a_role_is_given_its_credentials_by_the_runner_alone() {
    let mut instance = InstanceWorld::without_assignment(JOB).await;
    instance.world.assignment.job_credentials = Some(JobCredentials {
        access_key_id: "ASIAJOB".to_owned(),
        secret_access_key: "job-secret".into(),
        session_token: "job-session".into(),
        expires_at: instance.world.assignment.deadline,
    });
    instance.assign();
    let end = instance.run(&["--log", "debug"]).await;
    end.check(r#"{"outcome":"job-done","job":1977}"#, 0);
    let config = instance.world.observed("config");
    for variable in [
        "AWS_ACCESS_KEY_ID=ASIAJOB",
        "AWS_SECRET_ACCESS_KEY=job-secret",
        "AWS_SESSION_TOKEN=job-session",
        "AWS_DEFAULT_REGION=eu-central-1",
        "AWS_REGION=eu-central-1",
    ] {
        assert!(config.contains(&format!("\"{variable}\"")), "{config}");
    }
    let logged = instance.aws.with(|state| format!("{:?}", state.logged));
    for secret in ["job-secret", "job-session"] {
        assert!(!end.log.contains(secret) && !logged.contains(secret), "{}", end.log);
        assert!(!instance.world.observed("environment").contains(secret));
    }
}
