//! Jobs on machines of their own: the use cases over a stand-in EC2 and a stand-in GitLab.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod ends;
mod faults;
mod orders;
mod passes;
mod stories;
mod world;
