//! The use cases with a ledger and a backend in memory, whose contracts the real ones keep too, and a stand-in GitLab behind
//! the real client.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod faults;
mod races;
mod stories;
mod world;
