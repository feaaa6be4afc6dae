//! Roles of jobs in memory.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use mayfly_core::assignment::JobCredentials;
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobKey, RoleArn};
use mayfly_core::ports::JobRoles;

/// Gives every job credentials of every role but those that are forbidden.
#[derive(Debug)]
pub struct MemoryJobRoles {
    expires_at: Timestamp,
    forbidden: Vec<RoleArn>,
    given: Mutex<Vec<(RoleArn, JobKey)>>,
}

impl MemoryJobRoles {
    /// Gives credentials that end then.
    pub fn until(expires_at: Timestamp) -> Self {
        Self { expires_at, forbidden: Vec::new(), given: Mutex::default() }
    }

    /// Refuses this role for good, as AWS does without a right to it.
    #[must_use]
    pub fn without(mut self, role: RoleArn) -> Self {
        self.forbidden.push(role);
        self
    }

    /// Which credentials were given, in order.
    pub fn given(&self) -> Vec<(RoleArn, JobKey)> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl JobRoles for MemoryJobRoles {
    async fn credentials(&self, role: &RoleArn, job: &JobKey) -> Result<JobCredentials, PortError> {
        if self.forbidden.contains(role) {
            return Err(PortError::never(format!("job roles: assume {role}"), "access is denied"));
        }
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push((role.clone(), job.clone()));
        Ok(JobCredentials {
            access_key_id: format!("ASIA-{}-{}", job.project, job.job),
            secret_access_key: format!("secret of {role}").into(),
            session_token: format!("session of {job}").into(),
            expires_at: self.expires_at,
        })
    }
}
