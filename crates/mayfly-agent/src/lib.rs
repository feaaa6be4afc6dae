#![doc = include_str!("../README.md")]

mod agent;
mod environment;
mod folder;
mod last_words;
mod leftovers;
mod log_line;
mod registration;
mod runner_config;
mod runner_process;
mod settings;
mod signals;
mod supervise;

pub use agent::{hide_from_jobs, run, run_alone, run_alone_until};
pub use environment::job_environment;
pub use folder::remove_folder;
pub use leftovers::{end_abandoned, end_descendants};
pub use settings::{AgentConfig, AgentTimings, StopRequest, TimeLimit};
pub use signals::stop_requests;
