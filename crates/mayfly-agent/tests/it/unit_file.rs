//! The systemd unit of an instance's agent: whatever happens to the agent, the machine is switched off.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mayfly_agent::AgentTimings;

const UNIT: &str = "../../helper-scripts/ami-preparation/mayfly-agent.service";

/// Values of a unit, by `Section.Key`.
fn unit() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(UNIT)).unwrap();
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else {
            let (key, value) = line.split_once('=').unwrap();
            values.entry(format!("{section}.{key}")).or_default().push(value.to_owned());
        }
    }
    values
}

#[track_caller]
fn check(expected: &[(&str, &[&str])]) {
    let unit = unit();
    for (key, values) in expected {
        assert_eq!(unit.get(*key).map(Vec::as_slice).unwrap_or_default(), *values, "{key}");
    }
}

#[test]
fn every_end_of_the_agent_switches_the_machine_off() {
    check(&[
        ("Unit.SuccessAction", &["poweroff-force"]),
        ("Unit.FailureAction", &["poweroff-force"]),
        ("Unit.StartLimitAction", &["poweroff-force"]),
        ("Unit.JobTimeoutAction", &["poweroff-force"]),
        ("Unit.JobTimeoutSec", &["5min"]),
        ("Service.Restart", &["no"]),
        ("Service.RuntimeMaxSec", &["8d"]),
    ]);
}

#[test]
fn a_hung_agent_is_killed_and_only_the_agent_can_say_that_it_is_not() {
    check(&[
        ("Service.Type", &["notify"]),
        ("Service.NotifyAccess", &["main"]),
        ("Service.WatchdogSec", &["30s"]),
        ("Service.WatchdogSignal", &["SIGKILL"]),
        ("Service.TimeoutStartSec", &["30s"]),
    ]);
}

#[test]
fn nothing_can_keep_the_agent_from_being_started_without_a_failure() {
    let hindering = ["Requires", "Requisite", "BindsTo", "PartOf", "Condition", "Assert", "RemainAfterExit"];
    for key in unit().keys() {
        let (_, name) = key.split_once('.').unwrap();
        assert!(!hindering.iter().any(|word| name.starts_with(word)), "{key}");
    }
    check(&[
        ("Unit.After", &["network-online.target", "docker.socket"]),
        ("Unit.Wants", &["network-online.target", "docker.socket"]),
        ("Install.WantedBy", &["multi-user.target"]),
    ]);
}

#[test]
fn a_stop_leaves_the_agent_the_time_it_needs_and_the_job_to_the_agent() {
    check(&[("Service.KillMode", &["mixed"]), ("Service.TimeoutStopSec", &["75s"])]);
    let AgentTimings { kill_after_term, leftovers, farewell, .. } = AgentTimings::default();
    // And 5 s for the last lines of the log.
    let needed = kill_after_term + leftovers + farewell + Duration::from_secs(5);
    assert!(needed < Duration::from_secs(75), "{needed:?}");
}

#[test]
fn what_a_job_needs_is_left_to_it() {
    check(&[
        ("Service.User", &["mayfly"]),
        ("Service.OOMPolicy", &["continue"]),
        ("Service.TasksMax", &["infinity"]),
        ("Service.LimitCORE", &["0:infinity"]),
    ]);
    // Each of them takes sudo from jobs, or the paths that docker shares with them (systemd.exec(5)).
    let sandboxing =
        ["NoNewPrivileges", "Protect", "Private", "Restrict", "SystemCall", "MemoryDeny", "Lock"];
    for key in unit().keys() {
        assert!(!sandboxing.iter().any(|word| key.contains(word)), "{key}");
    }
}
