//! AWS as a program on an EC2 instance meets it: what the instance is told about itself, the assignment that waits for it, and
//! the log it leaves behind.
//!
//! Nothing here waits for something to appear, and nothing is repeated: whoever asks knows how long there is to ask.

mod assignment_table;
mod connection;
mod log_stream;
mod metadata;
mod user_data;

pub use assignment_table::AssignmentTable;
pub use connection::{MachineConnection, Transport};
pub use log_stream::{LogLine, LogStream};
pub use metadata::{Instance, InvalidAddress, Metadata, SpotNotice};
pub use user_data::{InvalidUserData, UserData};
