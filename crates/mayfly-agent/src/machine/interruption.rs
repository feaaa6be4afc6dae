//! Hears of it when EC2 takes a spot instance back.

use std::time::Duration;

use mayfly_agent::TimeLimit;
use mayfly_aws::machine::{Metadata, SpotNotice};
use mayfly_core::error::Chain;
use tokio::sync::watch;
use tokio::time::sleep;

/// Asks until there is a notice, and passes it on. An instance that is not of the spot market never has one.
pub(super) async fn watch_for_interruption(
    metadata: &Metadata,
    every: Duration,
    limit: watch::Sender<Option<TimeLimit>>,
) {
    loop {
        match metadata.spot_notice().await {
            Ok(Some(notice)) => {
                limit.send_replace(Some(limit_of(notice)));
                return;
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(error = %Chain(&error), "nobody says whether the instance stays"),
        }
        sleep(every).await;
    }
}

fn limit_of(notice: SpotNotice) -> TimeLimit {
    let because = "EC2 takes its spot instance back. The job may be retried".to_owned();
    TimeLimit { deadline: notice.at, because }
}
