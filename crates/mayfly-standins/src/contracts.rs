//! One contract suite a port, run against the fake and the real adapter.
//!
//! A suite says in assertions what the port's doc comment says in words, and panics where an implementation differs. It
//! uses jobs of its own, so it may run against a store that is not empty, but only once against the same store.

mod backend;
mod gitlab;
mod ledger;
mod machine_backend;
mod mapping_store;
mod samples;

pub use backend::backend;
pub use gitlab::{GitlabUnderTest, gitlab};
pub use ledger::{Damage, ledger};
pub use machine_backend::{fleet_order, machine_assignment, machine_backend, machine_defaults};
pub use mapping_store::{mapping_rows, mapping_store};
pub use samples::{
    ABSURD_NAMES, NOW, full_machine_request, full_machine_spec, full_memory, full_record, new_record,
};
