//! Roles that jobs act in, assumed by the dispatcher.

use async_trait::async_trait;
use aws_sdk_sts::Client;
use aws_sdk_sts::types::Credentials;
use jiff::Timestamp;
use mayfly_core::assignment::JobCredentials;
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobKey, RoleArn};
use mayfly_core::ports::JobRoles;

use crate::sdk_error::port_error;

/// How long credentials are good, in seconds: the most that a role gets which another role asks for (STS API reference,
/// `AssumeRole`, "role chaining").
const DURATION: i32 = 3600;

/// Assumes the role of a job. The session's name is `mayfly-<project>-<job>`, so that AWS's trail tells which job did what.
#[derive(Debug, Clone)]
pub struct StsJobRoles {
    client: Client,
}

impl StsJobRoles {
    /// Assumes roles with this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl JobRoles for StsJobRoles {
    async fn credentials(&self, role: &RoleArn, job: &JobKey) -> Result<JobCredentials, PortError> {
        let operation = format!("STS: assume role {role} for job {job}");
        let assumed = self
            .client
            .assume_role()
            .role_arn(role.as_str())
            .role_session_name(format!("mayfly-{}-{}", job.project, job.job))
            .duration_seconds(DURATION)
            .send()
            .await;
        let answer = assumed.map_err(|error| port_error(&operation, error, hint))?;
        let credentials = answer
            .credentials
            .ok_or_else(|| PortError::later(&operation, "the answer has no credentials"))?;
        to_job_credentials(credentials).map_err(|error| PortError::never(&operation, error))
    }
}

/// What to check when STS says no.
fn hint(code: &str) -> Option<String> {
    match code {
        "AccessDenied" => Some(
            "the dispatcher may not assume it: check that the role is there, that its trust policy names the dispatcher's role, \
             and that the stack allows this role for jobs"
                .to_owned(),
        ),
        "ValidationError" => Some("STS cannot read the role's name or takes no session of an hour for it".to_owned()),
        _ => None,
    }
}

fn to_job_credentials(credentials: Credentials) -> Result<JobCredentials, jiff::Error> {
    let nanoseconds = i32::try_from(credentials.expiration.subsec_nanos()).unwrap_or_default();
    Ok(JobCredentials {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.into(),
        session_token: credentials.session_token.into(),
        expires_at: Timestamp::new(credentials.expiration.secs(), nanoseconds)?,
    })
}
