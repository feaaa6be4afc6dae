//! Spot instances that are taken back.

use jiff::SignedDuration;
use mayfly_core::clock::{Clock, SystemClock};
use tokio::time::timeout;

use super::{InstanceWorld, ended};
use crate::agent::WITH_A_SCRIPT;
use crate::support::PATIENCE;

impl InstanceWorld {
    /// EC2 says that it takes the instance back in so many seconds.
    fn take_back_in(&self, seconds: i64) {
        let time = (SystemClock.now() + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ");
        let notice = format!(r#"{{"action":"terminate","time":"{time}"}}"#);
        self.aws.with(|state| state.spot_action = Some(notice));
    }
}

#[tokio::test]
async fn a_runner_without_a_job_leaves_at_once() {
    let instance = InstanceWorld::new("trap 'exit 0' TERM; started; wait_for_signals").await;
    instance.take_back_in(120);
    instance.run(&[]).await.check(r#"{"outcome":"stopped"}"#, 0);
    instance.world.assert_nothing_is_left();
    assert_eq!(instance.world.asked().len(), 1, "its registration is ended");
}

#[tokio::test]
async fn a_job_may_go_on_and_is_the_last_one() {
    let script = r#"
        trap ': > "$observed/quit"; log "Job succeeded"; exit 0' QUIT
        received 7; while [ -e "$config" ]; do :; done; meet
        wait_for_signals
    "#;
    let instance = InstanceWorld::new(script).await;
    let agent = instance.start(&[]);
    timeout(PATIENCE, instance.world.meet(|| instance.take_back_in(120))).await.unwrap();
    ended(agent).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
    instance.world.observed("quit");
}

#[tokio::test]
async fn a_job_is_ended_shortly_before_and_its_log_says_why() {
    let instance = InstanceWorld::new(WITH_A_SCRIPT).await;
    let agent = instance.start(&[]);
    timeout(PATIENCE, instance.world.meet(|| instance.take_back_in(30))).await.unwrap();
    ended(agent).await.check(r#"{"outcome":"deadline","job":7}"#, 1);
    let log = instance.world.observed("job_log");
    assert!(log.contains("EC2 takes its spot instance back. The job may be retried."), "{log}");
    instance.world.assert_nothing_is_left();
}

#[tokio::test]
async fn a_notice_that_cannot_be_read_changes_nothing() {
    let instance = InstanceWorld::new("received 7; meet; log 'Job succeeded'").await;
    instance.aws.with(|state| state.spot_action = Some("soon".to_owned()));
    let agent = instance.start(&[]);
    timeout(PATIENCE, instance.world.meet(|| {})).await.unwrap();
    ended(agent).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
}
