#![doc = include_str!("../README.md")]

mod answer;
mod assign;
mod batch;
mod busy;
mod dispatcher;
mod equip;
mod gather;
mod handle;
mod launch;
mod machine_news;
mod machines;
mod reconcile;
mod recover;
mod register;
mod start;

pub use answer::{Answer, Outcome, receive_webhook};
pub use batch::start_batch;
pub use dispatcher::{Dispatcher, Machines, Registration};
pub use handle::{RunnerGone, finish, handle, record, runner_gone};
pub use machine_news::machine_news;
pub use reconcile::{Done, Mode, Ordered, Pass, Reconciler, end_ordered, reconcile_once};
pub use recover::{Recovered, recover};
pub use start::{Delivery, Handled, WaitsFor, start};
