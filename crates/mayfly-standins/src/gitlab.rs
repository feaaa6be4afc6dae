//! A stand-in GitLab: webhooks, the runner protocol and the parts of the REST API that Mayfly uses, in memory.
//!
//! It follows GitLab 19 closely enough for a real `gitlab-runner` to work against it. Where it is kinder or simpler than
//! GitLab, the README says so.

mod control;
mod delivery;
mod events;
mod faults;
mod groups;
mod http;
mod job_payload;
mod job_request;
mod job_updates;
mod model;
mod pages;
mod params;
mod rest_about;
mod rest_hook_tests;
mod rest_hooks;
mod rest_jobs;
mod rest_runners;
mod runner_tokens;
mod shared;
mod state;
mod time;
mod view;
mod watching;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mayfly_core::ids::JobId;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

use self::shared::Shared;
use self::state::State;

pub use self::delivery::{Answer, Delivery, DeliveryId};
pub use self::model::{HookId, JobSpec, Manager, Status};
pub use self::view::{JobSnapshot, RunnerSnapshot, SeenRequest};

/// What the stand-in could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandinError {
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The job cannot be treated so now.
    #[error("cannot {action} job {job}: it is {status}")]
    WrongStatus {
        /// What was asked.
        action: &'static str,
        /// Of which job.
        job: JobId,
        /// Where that job stands.
        status: Status,
    },
    /// A job can be retried once; the new job can be retried again.
    #[error("job {0} was retried before")]
    RetriedBefore(JobId),
    /// GitLab takes only `whsec_` and the base64 of 32 bytes.
    #[error("the signing token is not `whsec_` and the base64 of 32 bytes")]
    InvalidSigningToken,
    /// What was waited for did not happen in time.
    #[error("waited too long: {seen}")]
    TimedOut {
        /// What was there instead.
        seen: String,
    },
    /// The server could not be started.
    #[error("the stand-in GitLab cannot listen")]
    Listen(#[source] io::Error),
    /// The client that sends webhooks could not be made.
    #[error("the stand-in GitLab cannot send webhooks")]
    Http(#[source] reqwest::Error),
}

impl StandinError {
    fn missing(what: &'static str, id: impl fmt::Display) -> Self {
        Self::Missing { what, id: id.to_string() }
    }

    fn timed_out(seen: String) -> Self {
        Self::TimedOut { seen }
    }
}

/// A GitLab that lives as long as this value.
pub struct StandinGitlab {
    shared: Arc<Shared>,
    url: Url,
    api_token: String,
    registration_token: String,
    /// Dropping it stops the server.
    _stop: oneshot::Sender<()>,
}

impl StandinGitlab {
    /// Starts a server on a free port of 127.0.0.1, on the present runtime.
    pub async fn start() -> Result<Self, StandinError> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts a server at this address, on the present runtime.
    pub async fn start_at(address: SocketAddr) -> Result<Self, StandinError> {
        let listener = TcpListener::bind(address).await.map_err(StandinError::Listen)?;
        let address = listener.local_addr().map_err(StandinError::Listen)?;
        #[expect(clippy::expect_used, reason = "a socket address is a valid host and port")]
        let url = Url::parse(&format!("http://{address}/")).expect("a valid URL");
        let mut state = State::new(url.as_str().trim_end_matches('/').to_owned());
        let api_token = state.add_access_token(&["api"]);
        let registration_token = state.registration_token.clone();
        let shared = Arc::new(Shared::new(state, webhook_client().map_err(StandinError::Http)?));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, http::router(Arc::clone(&shared)));
        shared.spawn(async move {
            let stopped = async {
                // Ends when the sender is dropped.
                let _ = stopped.await;
            };
            if let Err(error) = server.with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the stand-in GitLab ended");
            }
        });
        Ok(Self { shared, url, api_token, registration_token, _stop: stop })
    }

    /// Where it listens.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A personal access token that may do everything.
    pub fn api_token(&self) -> &str {
        &self.api_token
    }

    /// The token of the legacy `POST /runners`.
    pub fn registration_token(&self) -> &str {
        &self.registration_token
    }
}

impl fmt::Debug for StandinGitlab {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StandinGitlab").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

fn webhook_client() -> Result<reqwest::Client, reqwest::Error> {
    // An error means that somebody else has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // GitLab takes a redirect for success and does not follow it.
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()
}
