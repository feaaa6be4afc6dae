//! Instances that never get a job, and why.

use std::collections::VecDeque;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::aws::Fault;
use super::{InstanceWorld, agent, ended};
use crate::support::PATIENCE;

/// Long enough to start, on a busy machine too.
pub(super) const BRIEF: [&str; 2] = ["--assignment-wait", "2s"];

#[tokio::test]
async fn without_an_assignment_it_gives_up() {
    let instance = InstanceWorld::without_assignment("").await;
    instance.run(&BRIEF).await.check(r#"{"outcome":"no-assignment"}"#, 3);
    assert!(instance.aws.with(|state| state.asked.len()) > 1);
}

#[tokio::test]
async fn what_passes_by_itself_does_not_stop_it() {
    let instance = InstanceWorld::new("started; received 7").await;
    let mut faults = VecDeque::from([Fault::Throttled, Fault::Broken, Fault::Silent]);
    faults.extend([Fault::Denied; 5]);
    instance.aws.with(|state| state.faults = faults);
    instance.run(&[]).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
    // Another question may be on its way when the answer comes.
    assert!(instance.aws.with(|state| state.asked.len()) >= 9);
}

#[tokio::test]
async fn a_right_that_stays_refused_ends_it() {
    let instance = InstanceWorld::new("started; received 7").await;
    instance.aws.with(|state| state.faults = [Fault::Denied; 1000].into());
    let end = instance.run(&[]).await;
    end.check(r#"{"outcome":"refused"}"#, 6);
    assert!(end.log.contains("access is denied, check the rights of the role"), "{}", end.log);
}

#[tokio::test]
async fn an_assignment_whose_answer_is_lost_is_lost_and_the_log_says_what_went_wrong() {
    let instance = InstanceWorld::new("started; received 7").await;
    instance.aws.with(|state| state.faults = [Fault::AnswerLost].into());
    let end = instance.run(&BRIEF).await;
    end.check(r#"{"outcome":"no-assignment"}"#, 3);
    assert!(
        end.log.contains("the last problem on the way") && end.log.contains("InternalServerError"),
        "{}",
        end.log
    );
}

#[tokio::test]
async fn an_instance_that_nobody_of_ours_launched_ends_at_once() {
    let instance = InstanceWorld::new("started; received 7").await;
    for user_data in [None, Some("#!/bin/bash\nreboot".to_owned()), Some(r#"{"mayfly":2}"#.to_owned())] {
        // It has no role either.
        instance.aws.with(|state| {
            state.user_data = user_data;
            state.credentials_missing = u32::MAX;
        });
        instance.run(&[]).await.check(r#"{"outcome":"not-ours"}"#, 5);
    }
    assert!(instance.aws.with(|state| state.asked.is_empty()));
}

#[tokio::test]
async fn an_instance_without_credentials_or_metadata_gives_up() {
    let instance = InstanceWorld::new("started; received 7").await;
    instance.aws.with(|state| state.credentials_missing = u32::MAX);
    instance.run(&BRIEF).await.check(r#"{"outcome":"metadata-silent"}"#, 4);

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let mut command = instance.command(agent(), &BRIEF);
    let agent = command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", address).spawn().unwrap();
    ended(agent).await.check(r#"{"outcome":"metadata-silent"}"#, 4);
}

#[tokio::test]
async fn what_is_no_assignment_is_not_repeated() {
    let instance = InstanceWorld::without_assignment("").await;
    instance.aws.with(|state| state.assignment = Some(r#"{"token":"glrt-half-an-assignment"}"#.to_owned()));
    let end = instance.run(&[]).await;
    end.check(r#"{"outcome":"unreadable-assignment"}"#, 7);
    assert!(!end.log.contains("glrt-half"), "{}", end.log);
}

#[tokio::test]
async fn told_to_end_before_it_has_an_assignment_it_ends() {
    let instance = InstanceWorld::without_assignment("").await;
    let agent = instance.start(&[]);
    timeout(PATIENCE, instance.aws.asked(1)).await.unwrap();
    kill(Pid::from_raw(agent.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
    ended(agent).await.check(r#"{"outcome":"stopped"}"#, 0);
}
