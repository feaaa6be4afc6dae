//! The stand-in GitLab and the stand-in `gitlab-runner`, against each other and against a plain HTTP client.

#[cfg(test)]
mod jobs;
#[cfg(test)]
mod lambda_runtime;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod rest_api;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhooks;
