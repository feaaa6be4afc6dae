//! A stand-in GitLab: webhooks out, runner protocol in, jobs and runners API.
