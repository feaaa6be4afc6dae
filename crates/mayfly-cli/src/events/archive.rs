//! The archive of the event bus.

use anyhow::bail;
use jiff::Timestamp;

use super::InstallationOfEvents;
use super::read::Found;
use crate::installation::aws::Account;

/// Reads the archived events of a span of time.
#[expect(clippy::unused_async, reason = "it will")]
pub(super) async fn read(
    _account: &Account,
    _of: &InstallationOfEvents,
    _span: (Option<Timestamp>, Option<Timestamp>),
    _now: Timestamp,
) -> anyhow::Result<Vec<Found>> {
    bail!("not yet")
}
