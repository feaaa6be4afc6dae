//! One model for several callers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::model::Ec2Model;

/// A model and a clock that began with it: Tokio's, so a test that pauses time has the time of both in its hands.
#[derive(Debug, Clone)]
pub struct SharedEc2 {
    model: Arc<Mutex<Ec2Model>>,
    began: Instant,
}

impl SharedEc2 {
    /// Shares a model whose time begins now.
    pub fn new(model: Ec2Model) -> Self {
        Self { model: Arc::new(Mutex::new(model)), began: Instant::now() }
    }

    /// Asks the model something, or changes it. It is told the time.
    pub fn with<T>(&self, ask: impl FnOnce(&mut Ec2Model, Duration) -> T) -> T {
        let now = self.began.elapsed();
        // Every change is whole, so what a panicking test leaves behind is usable.
        ask(&mut self.model.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

impl Default for SharedEc2 {
    fn default() -> Self {
        Self::new(Ec2Model::default())
    }
}
