//! The decisions. Each is a pure function from a named input to a value that says what to write and what to do.
//!
//! The use cases in `mayfly-app` gather the input, write the record on the condition that nobody wrote it in between, and
//! only then act. A conflict means: gather and decide again.

mod finish;
mod gone;
mod launched;
mod machine;
mod order;
mod record;
mod repair;
mod start;

#[cfg(test)]
mod any_order;

pub use finish::{
    EndRunner, FinishDecision, FinishInput, decide_finish, decide_partly_ended, decide_runner_ended,
};
pub use gone::{GoneDecision, RunnerEnd, RunnerOutcome, StartAgain, decide_gone};
pub use launched::{AfterLaunch, LaunchPolicy, decide_after_launch};
pub use machine::{MachineNews, MachineState, decide_machine_news, decide_machine_started, started_machine};
pub use order::{EndOrder, NotOneLine, Occupation, OneLine, OrderedEnd, decide_ordered_end, runner_of};
pub use record::{RecordDecision, RecordInput, decide_record};
pub use repair::{
    decide_former_ended, decide_park, decide_relaunch, decide_retried, decide_retry, retry_record,
};
pub use start::{
    GitlabView, Launch, Refusal, Room, StartAction, StartDecision, StartInput, decide_start, refuse_early,
    release_lease,
};
