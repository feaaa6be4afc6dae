//! The seeded simulation: production code of core and app, unchanged, in worlds where much goes wrong.
//!
//! A world is an installation of Mayfly with a GitLab, EC2, Lambda, SQS and DynamoDB of its own, which are values here. One
//! seed decides all that happens in it, and when; it has one thread and no clock but its own, so the same seed is the same
//! story. While it runs, and at its end, it is checked that no job is lost and no runner leaks; see [`Broken`].

mod agenda;
mod agent;
mod calls;
mod chance;
mod compute;
mod executor;
mod gitlab;
mod installation;
mod lambda;
mod ledger;
mod machines;
mod mappings;
mod mix;
mod probe;
mod queue;
mod report;
mod run;
mod sim;
mod story;
mod tally;
mod watch;
mod work;
mod world;

pub use mix::Mix;
pub use probe::{passes_until_orphan_ends, passes_until_served};
pub use report::Report;
pub use run::{Settings, Trace, run, run_world, tell};
pub use tally::{Call, Fact, Tally, Trouble};
pub use watch::Broken;
pub use world::{WorldReport, WorldSettings};
