//! What goes wrong when a test wants it to.

use std::time::Duration;

use super::call::Ec2Error;

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Starts machines.
    CreateFleet,
    /// Tells of machines.
    DescribeInstances,
    /// Ends machines.
    TerminateInstances,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing is done.
    Refused(Ec2Error),
    /// It never arrives.
    RequestLost,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It is done, and what the caller hears is no answer of EC2.
    Unreadable,
    /// It is done, and the answer comes so late.
    Late(Duration),
    /// `CreateFleet`: no more than so many machines are started.
    Fewer(usize),
    /// `CreateFleet`: no machine is started; every pool has an error with this code. The answer is a 200.
    NoneFor(String),
    /// `CreateFleet`: it is done, but the answer, a 200, names no machine.
    Empty,
}

/// How an answer gets to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// At once.
    AtOnce,
    /// After so long.
    After(Duration),
    /// Not at all: the connection ends.
    Lost,
    /// As something that nobody can read.
    Unreadable,
}

/// An answer and how it gets to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// The answer.
    pub answer: Result<T, Ec2Error>,
    /// How it gets there.
    pub delivery: Delivery,
}

impl Fault {
    /// How the answer to a call with this fault gets to the caller.
    pub(super) fn delivery(&self) -> Delivery {
        match self {
            Self::RequestLost | Self::AnswerLost => Delivery::Lost,
            Self::Unreadable => Delivery::Unreadable,
            Self::Late(after) => Delivery::After(*after),
            Self::Refused(_) | Self::Fewer(_) | Self::NoneFor(_) | Self::Empty => Delivery::AtOnce,
        }
    }
}
