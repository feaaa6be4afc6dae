//! What a test looks at, and waits for.

use std::time::Duration;

use mayfly_core::ids::JobId;

use super::delivery::Delivery;
use super::model::Status;
use super::state::State;
use super::view::{JobSnapshot, RunnerSnapshot, SeenRequest};
use super::{StandinError, StandinGitlab};

impl StandinGitlab {
    /// One job.
    pub fn job(&self, job: JobId) -> Result<JobSnapshot, StandinError> {
        self.shared.read(|state| state.job(job).map(JobSnapshot::of))
    }

    /// All jobs, by id.
    pub fn jobs(&self) -> Vec<JobSnapshot> {
        self.shared.read(|state| state.jobs.values().map(JobSnapshot::of).collect())
    }

    /// All registered runners, by id.
    pub fn runners(&self) -> Vec<RunnerSnapshot> {
        self.shared.read(runners_of)
    }

    /// All deliveries, also those held back, in the order they were made.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.read(deliveries_of)
    }

    /// All requests answered so far, in the order of their answers.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.read(|state| state.requests.clone())
    }

    /// Waits until the job has this status.
    pub async fn wait_for(
        &self,
        job: JobId,
        status: Status,
        timeout: Duration,
    ) -> Result<JobSnapshot, StandinError> {
        self.wait_for_job(job, |job| job.status == status, timeout).await
    }

    /// Waits until the job is as asked.
    pub async fn wait_for_job(
        &self,
        job: JobId,
        mut is_right: impl FnMut(&JobSnapshot) -> bool,
        timeout: Duration,
    ) -> Result<JobSnapshot, StandinError> {
        let find = |state: &State| match state.job(job) {
            Ok(job) => Some(Ok(JobSnapshot::of(job))).filter(|found| found.as_ref().is_ok_and(&mut is_right)),
            Err(error) => Some(Err(error)),
        };
        match tokio::time::timeout(timeout, self.shared.when(find)).await {
            Ok(found) => found,
            Err(_) => Err(StandinError::timed_out(format!("job {job} is {:?}", self.job(job)))),
        }
    }

    /// Waits until the registered runners are as asked.
    pub async fn wait_for_runners(
        &self,
        mut are_right: impl FnMut(&[RunnerSnapshot]) -> bool,
        timeout: Duration,
    ) -> Result<Vec<RunnerSnapshot>, StandinError> {
        let find = |state: &State| Some(runners_of(state)).filter(|runners| are_right(runners));
        let found = tokio::time::timeout(timeout, self.shared.when(find)).await;
        found.map_err(|_| StandinError::timed_out(format!("runners are {:?}", self.runners())))
    }

    /// Waits until the deliveries are as asked.
    pub async fn wait_for_deliveries(
        &self,
        mut are_right: impl FnMut(&[Delivery]) -> bool,
        timeout: Duration,
    ) -> Result<Vec<Delivery>, StandinError> {
        let find = |state: &State| Some(deliveries_of(state)).filter(|deliveries| are_right(deliveries));
        let found = tokio::time::timeout(timeout, self.shared.when(find)).await;
        found.map_err(|_| StandinError::timed_out(format!("deliveries are {:?}", self.deliveries())))
    }

    /// Waits until so many requests to this path came while it was held.
    pub async fn wait_for_held_requests(
        &self,
        path: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<(), StandinError> {
        let held = |state: &State| state.held_requests.iter().filter(|held| *held == path).count();
        let find = |state: &State| (held(state) >= count).then_some(());
        let found = tokio::time::timeout(timeout, self.shared.when(find)).await;
        found.map_err(|_| {
            StandinError::timed_out(format!("{} requests to {path} are held", self.shared.read(held)))
        })
    }

    /// Waits until the requests answered are as asked.
    pub async fn wait_for_requests(
        &self,
        mut are_right: impl FnMut(&[SeenRequest]) -> bool,
        timeout: Duration,
    ) -> Result<Vec<SeenRequest>, StandinError> {
        let find = |state: &State| Some(state.requests.clone()).filter(|requests| are_right(requests));
        let found = tokio::time::timeout(timeout, self.shared.when(find)).await;
        found.map_err(|_| StandinError::timed_out(format!("requests are {:?}", self.requests())))
    }
}

fn runners_of(state: &State) -> Vec<RunnerSnapshot> {
    state.runners.values().map(RunnerSnapshot::of).collect()
}

fn deliveries_of(state: &State) -> Vec<Delivery> {
    state.deliveries.values().cloned().collect()
}
