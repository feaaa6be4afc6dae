#![doc = include_str!("../README.md")]

mod answer;
mod dispatcher;
mod handle;
mod launch;
mod recover;
mod register;
mod start;

pub use answer::{Answer, Outcome, receive_webhook};
pub use dispatcher::{Dispatcher, Registration};
pub use handle::{RunnerGone, finish, handle, record, runner_gone};
pub use recover::{Recovered, recover};
pub use start::{Delivery, Handled, WaitsFor, start};
