//! One thing out of order, and what is done about it.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::ledger::{LedgerRecord, LedgerState, RETENTION, Retry};
use crate::mapping::TargetType;
use crate::ports::{BrokenRecord, Sweep};
use crate::reconcile::{Act, Suspect, jobs_to_ask, jobs_to_look_up, projects_to_ask};
use crate::status::JobStatus;

use super::scene::{
    NOW, Scene, ago, claimed, ended, function, in_state, job, key, launched, machine, read_at, registration,
    took,
};

const NOTHING: [&str; 0] = [];

/// The runner was launched long ago and has read its assignment: it waits, or has a job.
fn up(number: u64) -> LedgerRecord {
    read_at(launched(job(number), machine(number), 400), 300)
}

fn check<const N: usize>(scene: &Scene, expected: [&str; N]) {
    assert_eq!(scene.repairs(), expected);
}

#[test]
fn where_everything_is_in_order_nothing_is_repaired() {
    check(&Scene::empty(), NOTHING);
    let waiting_for_capacity = {
        let mut record = in_state(job(1), LedgerState::Seen, ago(300));
        record.not_before = Some(ago(10));
        record
    };
    let scene = Scene::empty()
        .record(waiting_for_capacity)
        .waits(1)
        .record(claimed(job(2), ago(-60)))
        .waits(2)
        .record(launched(job(3), machine(3), 60))
        .waits(3)
        .machine(3)
        .registration(3, machine(3))
        .record(took(in_state(up(4), LedgerState::Running, ago(400)), 4))
        .live(4, JobStatus::Running, Some(&machine(4)))
        .machine(4)
        .registration(4, machine(4));
    check(&scene, NOTHING);
    assert_eq!(scene.plan().memory.suspects.len(), 0);
}

#[test]
fn a_waiting_job_of_which_no_event_came_is_started() {
    let expected = ["start a runner for job gitlab.example.com/380/1: GitLab shows what no event has told"];
    check(&Scene::empty().waits(1), expected);
    let mut fresh = Scene::empty().waits(1);
    for jobs in fresh.projects.values_mut() {
        jobs[0].queued_seconds = Some(3.0);
    }
    check(&fresh, NOTHING);
    for closed in [LedgerState::Finished, LedgerState::Parked, LedgerState::Ignored] {
        check(&Scene::empty().waits(1).record(in_state(job(1), closed, ago(300))), NOTHING);
    }
}

#[test]
fn a_job_whose_start_is_overdue_is_started() {
    let expected = [
        "start a runner for job gitlab.example.com/380/1: it waits, and nobody is about to start a runner for it",
    ];
    check(&Scene::empty().record(in_state(job(1), LedgerState::Seen, ago(91))).waits(1), expected);
    check(&Scene::empty().record(in_state(job(1), LedgerState::Seen, ago(91))).without_gitlab(), expected);
    check(&Scene::empty().record(claimed(job(1), ago(91))).waits(1), expected);
    check(&Scene::empty().record(claimed(job(1), ago(89))).waits(1), NOTHING);
    let mut later = in_state(job(1), LedgerState::Seen, ago(300));
    later.not_before = Some(ago(89));
    check(&Scene::empty().record(later).waits(1), NOTHING);
}

#[test]
fn what_waits_for_room_is_left_to_whoever_has_it() {
    let waiting = Scene::empty().record(in_state(job(1), LedgerState::Seen, ago(600))).waits(1);
    check(&Scene { is_full: true, ..waiting }, NOTHING);
}

#[test]
fn what_gitlab_shows_and_no_event_told_is_learned() {
    let lost = |status: &str| {
        [format!(
            "learn that job gitlab.example.com/380/1 is `{status}`: GitLab shows what no event has told"
        )]
    };
    let record = || up(1);
    let scene = Scene::empty().machine(1).registration(1, machine(1)).record(record());
    let runs = scene.clone().live(1, JobStatus::Running, Some(&machine(1)));
    assert_eq!(runs.repairs(), lost("running"));
    for word in ["success", "failed", "canceled"] {
        assert_eq!(scene.clone().asked(1, word).repairs(), lost(word));
    }
    check(&scene.asked(1, "canceling"), NOTHING);
}

#[test]
fn a_job_that_gitlab_does_not_have_any_more_is_given_up() {
    let mut scene = Scene::empty().record(up(1)).machine(1).registration(1, machine(1));
    scene.jobs.insert(key(1), None);
    check(&scene, ["give up job gitlab.example.com/380/1: GitLab does not have it any more"]);
}

#[test]
fn a_job_given_up_after_lost_runners_gets_another_later_and_later_while_it_waits() {
    let parked = |lost: u32, since: i64| {
        let mut record = in_state(ended(up(1), since), LedgerState::Parked, ago(since));
        record.claim.as_mut().unwrap().lost_runners = lost;
        Scene::empty().record(record)
    };
    let expected = [
        "start another runner for job gitlab.example.com/380/1: it was given up, and GitLab shows it waiting still",
    ];
    check(&parked(3, 600).waits(1), expected);
    check(&parked(3, 599).waits(1), NOTHING);
    check(&parked(5, 2399).waits(1), NOTHING);
    check(&parked(5, 2400).waits(1), expected);
    check(&parked(40, 80_000).waits(1), NOTHING);
    // Given up for another reason, or nobody says that it waits.
    check(&parked(2, 600).waits(1), NOTHING);
    check(&parked(3, 600).without_gitlab(), NOTHING);
}

#[test]
fn a_theft_is_no_harm_while_the_other_runner_is_on_its_way() {
    let robbed = took(up(1), 2);
    let thief = {
        let mut record = launched(job(2), machine(2), 60);
        record = in_state(record, LedgerState::Running, ago(50));
        record
    };
    let scene = Scene::empty()
        .record(robbed)
        .waits(1)
        .record(thief)
        .live(2, JobStatus::Running, Some(&machine(1)))
        .machine(1)
        .machine(2)
        .registration(1, machine(1))
        .registration(2, machine(2));
    check(&scene, NOTHING);

    let mut alone = scene;
    alone.records[1] = ended(alone.records[1].clone(), 45);
    alone.machines.as_mut().unwrap().pop();
    alone.registrations.as_mut().unwrap().pop();
    let expected = [
        "start another runner for job gitlab.example.com/380/1: the runner that was started for it has taken another job",
    ];
    check(&alone, expected);
}

#[test]
fn a_theft_that_no_event_told_is_learned() {
    let scene = Scene::empty()
        .record(up(1))
        .waits(1)
        .live(2, JobStatus::Running, Some(&machine(1)))
        .machine(1)
        .registration(1, machine(1));
    check(
        &scene,
        ["learn that job gitlab.example.com/380/2 is `running`: GitLab shows what no event has told"],
    );
}

#[test]
fn a_job_whose_runner_ended_with_another_gets_one() {
    let scene = Scene::empty().record(ended(took(up(1), 2), 40)).waits(1);
    check(&scene, ["start another runner for job gitlab.example.com/380/1: its runner ended without it"]);
}

#[test]
fn a_machine_that_is_not_there_is_written_down() {
    let expected = [
        "write down that runner mayfly-ec2-i-1 of job gitlab.example.com/380/1 is gone: it is not there any more",
    ];
    check(&Scene::empty().record(up(1)).waits(1), expected);
    check(&Scene::empty().record(up(1)).without_gitlab(), expected);
    let mut unseen = Scene::empty().record(up(1)).waits(1);
    unseen.machines = None;
    check(&unseen, NOTHING);
    // EC2 may not know it yet.
    check(&Scene::empty().record(launched(job(1), machine(1), 299)).waits(1), NOTHING);
}

#[test]
fn a_machine_that_never_read_its_assignment_is_ended() {
    let scene = |age| Scene::empty().record(launched(job(1), machine(1), age)).machine(1).without_gitlab();
    check(&scene(361), ["end runner mayfly-ec2-i-1: it never read what it is for"]);
    check(&scene(359), NOTHING);
}

#[test]
fn a_runner_that_took_no_job_in_its_time_is_ended_only_where_gitlab_would_show_a_job() {
    // It reads at 0, waits 300 s, and has 90 s to leave.
    let scene = |age: i64| {
        let record =
            in_state(read_at(launched(job(1), machine(1), age + 30), age), LedgerState::Finished, ago(age));
        Scene::empty().record(record).machine(1).registration(1, machine(1))
    };
    check(&scene(391), ["end runner mayfly-ec2-i-1: it took no job in its time"]);
    check(&scene(389), NOTHING);
    check(&scene(391).without_gitlab(), NOTHING);
    check(
        &scene(391).live(7, JobStatus::Running, Some(&machine(1))),
        ["learn that job gitlab.example.com/380/7 is `running`: GitLab shows what no event has told"],
    );
}

#[test]
fn a_function_is_given_up_by_time_alone() {
    let expected = [
        "write down that runner mayfly-lambda-f1 of job gitlab.example.com/380/1 is gone: it took no job in its time and must have left",
    ];
    let scene = |age| Scene::empty().record(launched(job(1), function(1), age)).registration(1, function(1));
    check(&scene(751).waits(1), expected);
    check(&scene(751).without_gitlab(), expected);
    check(&scene(749).waits(1), NOTHING);
    let busy = scene(751).live(2, JobStatus::Running, Some(&function(1))).waits(1);
    assert!(!busy.repairs().iter().any(|repair| repair.contains("is gone")));
}

#[test]
fn a_runner_past_its_maximum_life_is_ended_though_it_is_busy() {
    let record = |age| took(in_state(launched(job(1), machine(1), age), LedgerState::Running, ago(age)), 1);
    let scene = |age| {
        Scene::empty()
            .record(record(age))
            .live(1, JobStatus::Running, Some(&machine(1)))
            .machine(1)
            .registration(1, machine(1))
    };
    let expected = ["end runner mayfly-ec2-i-1: it is past its maximum life"];
    check(&scene(3600 + 360 + 91), expected);
    check(&scene(3600 + 360 + 89), NOTHING);
    check(&scene(500).last_machine(|machine| machine.deadline = Some(ago(91))), expected);
}

#[test]
fn a_runner_whose_job_is_over_is_ended() {
    let over = took(in_state(up(1), LedgerState::Finished, ago(31)), 1);
    let scene = Scene::empty().record(over).machine(1).registration(1, machine(1));
    check(&scene, ["end runner mayfly-ec2-i-1: its job is over"]);
    check(&scene.without_gitlab(), ["end runner mayfly-ec2-i-1: its job is over"]);
}

#[test]
fn a_former_runner_is_judged_like_the_last_one() {
    let mut record = launched(job(1), machine(9), 60);
    record.former.push(took(up(1), 2).runner.unwrap());
    let scene = Scene::empty().record(record).waits(1).machine(1).machine(9).registration(1, machine(1));
    check(&scene.clone().live(2, JobStatus::Running, Some(&machine(1))), NOTHING);
    check(&scene, ["end runner mayfly-ec2-i-1: its job is over"]);
}

#[test]
fn a_machine_that_may_have_one_of_several_registrations_is_left_to_its_deadline() {
    let scene = Scene::empty().machine(1).registration(1, machine(1));
    check(&scene, ["end runner mayfly-ec2-i-1: nothing in the ledger says what it is for"]);
    let scene = scene.registration(2, machine(1));
    check(&scene, NOTHING);
    let scene = scene.last_machine(|machine| machine.deadline = Some(ago(91)));
    check(&scene, ["end runner mayfly-ec2-i-1: it is past its maximum life"]);
}

#[test]
fn what_may_be_in_order_in_a_moment_is_repaired_when_it_is_seen_twice() {
    let mut scene = Scene::empty()
        .machine(1)
        .registration(2, function(2))
        .record(up(4))
        .asked(4, "success")
        .machine(4)
        .registration(4, machine(4));
    scene.runners.insert(TargetType::Local, vec!["mayfly-local-l3".parse().unwrap()]);
    let plan = scene.plan();
    assert_eq!(plan.repairs, []);
    let expected = [
        Suspect::Job(key(4)),
        Suspect::Compute(machine(1).resource),
        Suspect::Compute("l3".parse().unwrap()),
        Suspect::Registration(registration(2)),
    ];
    assert_eq!(plan.memory.suspects.keys().cloned().collect::<Vec<_>>(), expected);
    for suspect in plan.memory.suspects.keys() {
        assert_eq!(suspect.to_string().parse(), Ok(suspect.clone()));
    }
    check(
        &scene,
        [
            "end runner mayfly-ec2-i-1: nothing in the ledger says what it is for",
            "end runner mayfly-local-l3: nothing in the ledger says what it is for",
            "learn that job gitlab.example.com/380/4 is `success`: GitLab shows what no event has told",
            "remove registration 1002 of runner mayfly-lambda-f2: no runner that lives has it",
        ],
    );
    let silent = Scene { is_gitlab_silent: true, ..scene.clone().without_gitlab() };
    check(&silent, NOTHING);
    let busy =
        scene.live(7, JobStatus::Running, Some(&machine(1))).live(8, JobStatus::Running, Some(&function(2)));
    assert_eq!(busy.repairs().len(), 2, "{:?}", busy.repairs());
}

#[test]
fn a_registration_of_others_is_left_alone_for_as_long_as_it_is_there() {
    let mut scene = Scene::empty().registration(2, function(2));
    scene.memory.strangers.extend([registration(2), registration(3)]);
    check(&scene, NOTHING);
    assert_eq!(scene.plan().memory.strangers, [registration(2)].into());
    scene.registrations = None;
    assert_eq!(scene.plan().memory.strangers.len(), 2);
}

#[test]
fn what_is_about_to_be_written_down_is_no_orphan() {
    let mut claim = claimed(job(1), ago(-60));
    claim.runner = None;
    let launch = claim.claim.as_ref().unwrap().fleet.clone();
    let coming = format!("mayfly-ec2-{}", launch.as_ref().unwrap());
    let mut scene = Scene::empty()
        .record(claim)
        .waits(1)
        .machine(1)
        .last_machine(|machine| machine.launch = launch)
        .registration(5, coming.parse().unwrap());
    scene.memory.suspects.insert(Suspect::Compute(machine(1).resource), ago(600));
    scene.memory.suspects.insert(Suspect::Registration(registration(5)), ago(600));
    check(&scene, NOTHING);
    assert!(scene.plan().memory.suspects.is_empty());
}

#[test]
fn a_job_whose_machine_died_under_it_is_retried_if_its_mapping_allows_it() {
    let dead = |allowed| {
        let mut record = ended(took(in_state(up(1), LedgerState::Running, ago(400)), 1), 121);
        let request = &mut record.claim.as_mut().unwrap().request;
        Arc::make_mut(request).settings.retries_after_loss = allowed;
        record
    };
    let scene = |record| Scene::empty().record(record).live(1, JobStatus::Running, Some(&machine(1)));
    let expected = ["have GitLab retry job gitlab.example.com/380/1: its machine died under it"];
    check(&scene(dead(1)), expected);
    check(&scene(dead(0)), NOTHING);
    let mut retried = dead(1);
    retried.retries = 1;
    check(&scene(retried), NOTHING);
    let mut done = dead(1);
    done.retry = Some(Retry::Done);
    check(&scene(done), NOTHING);
    let mut owed = in_state(dead(1), LedgerState::Finished, ago(5));
    owed.retry = Some(Retry::Owed);
    check(&Scene::empty().record(owed), expected);
    check(&scene(ended(dead(1), 119)), NOTHING);
    check(&Scene::empty().record(dead(1)).live(1, JobStatus::Running, Some(&machine(8))), NOTHING);
}

#[test]
fn a_job_that_waited_for_a_day_is_given_up_and_an_expired_record_is_forgotten() {
    let mut old = in_state(job(1), LedgerState::Seen, ago(300));
    old.known_since = NOW - SignedDuration::from_hours(24);
    let waiting = Scene::empty().record(old.clone()).without_gitlab();
    let expected =
        ["give up job gitlab.example.com/380/1: it has waited for longer than GitLab lets a job wait"];
    check(&waiting, expected);
    check(&Scene { is_full: true, ..waiting }, expected);
    old.expires_at = NOW;
    check(
        &Scene::empty().record(old).without_gitlab(),
        ["forget job gitlab.example.com/380/1: its time has passed"],
    );
    let mut held = launched(job(1), function(1), 100);
    held.expires_at = NOW;
    check(&Scene::empty().record(held).without_gitlab(), NOTHING);
    assert!(RETENTION > SignedDuration::from_hours(24));
}

#[test]
fn what_cannot_be_read_is_mended_or_given_up() {
    let broken =
        |runner| BrokenRecord { key: key(1), version: Some(3), runner, reason: "no `state`".to_owned() };
    let state = |scene: &Scene| match scene.plan().repairs.first().map(|repair| repair.act.clone()) {
        Some(Act::Mend { record, .. }) => Some(record.state),
        _ => None,
    };
    let with = |runner| Scene { broken: vec![broken(runner)], ..Scene::empty() };
    assert_eq!(state(&with(None)), Some(LedgerState::Parked));
    assert_eq!(state(&with(None).waits(1)), Some(LedgerState::Seen));
    assert_eq!(
        state(&with(Some(machine(1))).waits(1).machine(2).record(launched(job(2), machine(2), 9))),
        Some(LedgerState::Launched)
    );
    check(
        &with(None),
        ["mend the record of job gitlab.example.com/380/1: what the ledger has of it cannot be read"],
    );
}

#[test]
fn too_many_ends_at_once_are_held_back_and_the_most_urgent_come_first() {
    let mut scene = Scene::empty();
    for number in 0..30 {
        scene = scene.machine(number);
        scene.memory.suspects.insert(Suspect::Compute(machine(number).resource), ago(60));
    }
    scene = scene.last_machine(|machine| machine.deadline = Some(ago(3600)));
    let plan = scene.plan();
    assert_eq!((plan.repairs.len(), plan.held_back.len()), (20, 10));
    assert_eq!(plan.repairs[0].to_string(), "end runner mayfly-ec2-i-29: it is past its maximum life");
}

#[test]
fn active_projects_are_asked_first_and_quiet_ones_have_their_turn() {
    let scene = Scene::empty().watching().record(in_state(job(1), LedgerState::Seen, ago(10)));
    let ask = |records: &[LedgerRecord], scene: &Scene| {
        let sweep = Sweep { records: records.to_vec(), broken: Vec::new() };
        projects_to_ask(&scene.memory, &sweep, NOW, &scene.policy)
    };
    assert_eq!(ask(&scene.records, &scene).len(), 1);
    assert_eq!(ask(&[], &scene).len(), 1);
    let mut forgotten = scene.clone();
    forgotten.policy.watch = SignedDuration::from_secs(599);
    assert_eq!(ask(&[], &forgotten), []);
    assert_eq!(forgotten.plan().memory.projects.len(), 1, "it is active again");
    let mut many = scene.clone();
    many.policy.max_projects = 10;
    let records: Vec<_> = (0..30)
        .map(|project| {
            let mut record = job(1);
            record.key.project = crate::ids::ProjectId(project);
            record
        })
        .collect();
    let asked = ask(&records, &many);
    assert_eq!(asked.len(), 10);
    assert!(asked.iter().any(|project| project.project.0 == 380), "the quiet one");
}

#[test]
fn only_what_the_lists_leave_open_is_asked_for_one_by_one() {
    let scene = Scene::empty().record(up(1)).record(up(2)).waits(2).waits(3).record(in_state(
        up(4),
        LedgerState::Finished,
        ago(10),
    ));
    assert_eq!(jobs_to_ask(&scene.records, &scene.projects, &scene.policy), [key(1)]);
    assert_eq!(jobs_to_look_up(&scene.records, &scene.projects), [key(3)]);
}
