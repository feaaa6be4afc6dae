//! A stand-in EC2: `CreateFleet` of type `instant`, `DescribeInstances` and `TerminateInstances`, as far as Mayfly calls them.
//!
//! [`Ec2Model`] is pure: what it does follows from its calls and the time they give. [`SharedEc2`] is one of them with a
//! clock, for several callers. Over it work [`MemoryMachines`](crate::fakes::MemoryMachines), without any protocol, and
//! [`Ec2Server`], in EC2's query protocol. It checks no signatures.

mod bucket;
mod call;
mod fault;
mod http;
mod model;
mod query;
mod shared;
mod xml;

pub use bucket::TokenBucket;
pub use call::{Ec2Error, Filter, FleetAnswer, FleetCall, FleetError, Override, Pool};
pub use fault::{Delivery, Fault, Operation, Reply};
pub use http::Ec2Server;
pub use model::{Ec2Model, Instance, InstanceState};
pub use shared::SharedEc2;
