//! The agent as a whole: real processes, real files, a small real GitLab.

#[cfg(test)]
mod agent;
#[cfg(test)]
mod command;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod support;
#[cfg(test)]
mod unit_file;
