//! Time, as GitLab writes it.

use jiff::Timestamp;
use mayfly_core::clock::{Clock, SystemClock};

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// With milliseconds, as the REST API and most webhook fields have it.
pub(super) fn with_milliseconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// In whole seconds, as the `…_iso` fields of the webhook have it.
pub(super) fn in_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
