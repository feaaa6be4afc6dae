//! A stand-in `gitlab-runner run-single`.
