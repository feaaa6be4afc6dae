//! A backend in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::ResourceId;
use mayfly_core::launch::ClientToken;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{Backend, LaunchOrder, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;

/// Remembers what was started and stopped. Answers may be set in advance.
#[derive(Debug)]
pub struct MemoryBackend {
    target_type: TargetType,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Every runner ever started, and whether it lives.
    runners: BTreeMap<ResourceId, bool>,
    /// What the next launches answer instead of starting; the last comes first. The flag: it is started all the same.
    answers: Vec<(LaunchOutcome, bool)>,
}

impl MemoryBackend {
    /// A backend `LOCAL` with room for so many runners.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::of_type(TargetType::Local, capacity)
    }

    /// A backend of this type with room for so many runners.
    pub fn of_type(target_type: TargetType, capacity: usize) -> Self {
        Self { target_type, capacity, state: Mutex::default() }
    }

    /// The next launch gets this answer, and starts something or not.
    pub fn answer_next(&self, outcome: LaunchOutcome, is_started: bool) {
        self.state().answers.push((outcome, is_started));
    }

    /// Every runner ever started.
    pub fn started(&self) -> Vec<ResourceId> {
        self.state().runners.keys().cloned().collect()
    }

    /// The runners that live.
    pub fn live(&self) -> Vec<ResourceId> {
        self.state()
            .runners
            .iter()
            .filter(|(_, lives)| **lives)
            .map(|(resource, _)| resource.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn target_type(&self) -> TargetType {
        self.target_type
    }

    async fn room(&self) -> Result<usize, PortError> {
        Ok(self.capacity.saturating_sub(self.live().len()))
    }

    async fn find(&self, token: &ClientToken) -> Result<Option<ResourceId>, PortError> {
        let resource = token.to_resource();
        Ok(self.state().runners.contains_key(&resource).then_some(resource))
    }

    async fn launch(&self, order: &LaunchOrder) -> LaunchOutcome {
        let resource = order.token.to_resource();
        let mut state = self.state();
        if state.runners.contains_key(&resource) {
            return LaunchOutcome::Started { resource };
        }
        if let Some((outcome, is_started)) = state.answers.pop() {
            if is_started {
                state.runners.insert(resource, true);
            }
            return outcome;
        }
        if state.runners.values().filter(|lives| **lives).count() >= self.capacity {
            return LaunchOutcome::Refused { reason: "no room".to_owned() };
        }
        state.runners.insert(resource.clone(), true);
        LaunchOutcome::Started { resource }
    }

    async fn stop(&self, runner: &RunnerName, _reason: &str) -> Result<(), PortError> {
        if let Some(lives) = self.state().runners.get_mut(&runner.resource) {
            *lives = false;
        }
        Ok(())
    }

    async fn live(&self) -> Result<Option<Vec<RunnerName>>, PortError> {
        if self.target_type == TargetType::Lambda {
            return Ok(None);
        }
        let name = |resource| RunnerName { target: self.target_type, resource };
        Ok(Some(self.live().into_iter().map(name).collect()))
    }
}
