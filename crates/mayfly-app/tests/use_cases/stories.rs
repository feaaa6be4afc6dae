//! What happens to a job, told once.

use std::sync::Arc;

use mayfly_app::{
    Delivery, Handled, RunnerGone, WaitsFor, finish, handle, record, recover, runner_gone, start,
};
use mayfly_core::clock::Clock;
use mayfly_core::decide::{RunnerEnd, RunnerOutcome};
use mayfly_core::launch::{Holder, RefProtection};
use mayfly_core::ledger::LedgerState;
use mayfly_core::mapping::{MappingKey, StoredMapping, Target, TargetType};
use mayfly_core::ports::{LaunchOutcome, Ledger};
use mayfly_core::status::JobStatus;
use mayfly_standins::fakes::{MemoryBackend, MemoryMappingStore};
use mayfly_standins::gitlab::JobSpec;

use crate::world::World;

const NO_JOB: RunnerEnd = RunnerEnd { outcome: RunnerOutcome::NoJob, job: None };

fn done(handled: &Handled) -> &str {
    match handled {
        Handled::Done { summary } => summary,
        Handled::Parked { reason } => panic!("parked: {reason}"),
        Handled::Later { reason, .. } => panic!("later: {reason}"),
    }
}

#[tokio::test]
async fn a_job_is_started_recorded_and_finished() {
    let world = World::new().await;
    assert!(
        done(&start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap())
            .starts_with("started runner")
    );
    assert_eq!((world.backend.live().len(), world.registrations()), (1, 1));
    let runner = world.runner().await;
    let registered = &world.gitlab.runners()[0];
    assert_eq!(registered.description, Some(runner.to_string()));
    assert_eq!(registered.tags, ["linux"].into_iter().collect(), "GitLab told the job's tags");

    record(&world.dispatcher, &world.event_of(world.key(), JobStatus::Running, Some(&runner))).await.unwrap();
    assert_eq!(world.record().await.state, LedgerState::Running);
    let over = world.event_of(world.key(), JobStatus::Success, Some(&runner));
    assert!(done(&finish(&world.dispatcher, &over).await.unwrap()).starts_with("ended runner"));
    assert_eq!((world.backend.live().len(), world.registrations()), (0, 0));
    let record = world.record().await;
    assert_eq!(record.state, LedgerState::Finished);
    assert!(record.runner.unwrap().ended.is_some());
}

#[tokio::test]
async fn gitlab_is_asked_first_and_its_silence_means_start() {
    let canceled = World::new().await;
    canceled.gitlab.cancel(canceled.job).unwrap();
    let handled =
        start(&canceled.dispatcher, &canceled.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    assert_eq!(done(&handled), "started nothing: GitLab says the job is `canceled`");
    assert_eq!(canceled.record().await.state, LedgerState::Finished);

    let silent = World::new().await;
    for _ in 0..3 {
        silent.gitlab.fail_next_job_lookup();
    }
    start(&silent.dispatcher, &silent.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    assert_eq!(silent.backend.live().len(), 1);
}

#[tokio::test]
async fn a_call_without_an_answer_is_repeated_with_its_token() {
    for is_started in [true, false] {
        let world = World::new().await;
        world.backend.answer_next(LaunchOutcome::Unknown { reason: "timeout".to_owned() }, is_started);
        let event = world.event(JobStatus::Pending);
        let handled = start(&world.dispatcher, &event, Delivery::Again).await.unwrap();
        assert!(matches!(handled, Handled::Later { waits_for: WaitsFor::AnotherTry, .. }), "{handled:?}");
        world.advance(5);
        done(&start(&world.dispatcher, &event, Delivery::Again).await.unwrap());
        assert_eq!(
            (world.backend.started().len(), world.registrations()),
            (1, 1),
            "started at first: {is_started}"
        );
    }
}

#[tokio::test]
async fn a_refusal_waits_for_capacity_and_leaves_no_registration() {
    let world = World::new().await;
    world.backend.answer_next(LaunchOutcome::Refused { reason: "no capacity".to_owned() }, false);
    let event = world.event(JobStatus::Pending);
    let handled = start(&world.dispatcher, &event, Delivery::Again).await.unwrap();
    // There is room by now: it is tried soon, and no runner need leave before.
    assert!(matches!(handled, Handled::Later { waits_for: WaitsFor::AnotherTry, .. }), "{handled:?}");
    assert_eq!((world.registrations(), world.record().await.state), (0, LedgerState::Seen));
    world.advance(2);
    done(&start(&world.dispatcher, &event, Delivery::Again).await.unwrap());
    assert_eq!((world.backend.live().len(), world.registrations()), (1, 1));
}

#[tokio::test]
async fn a_target_that_is_not_here_parks_the_job() {
    let mut world = World::new().await;
    world.dispatcher.default_target.as_mut().unwrap().target =
        Target::Ec2(mayfly_core::machine::MachineSpec::default());
    let handled = start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::First).await.unwrap();
    assert!(matches!(handled, Handled::Parked { .. }), "{handled:?}");
    let record = world.record().await;
    assert_eq!(record.state, LedgerState::Parked);
    assert!(record.transitions.last().unwrap().reason.contains("EC2 is not available"));
}

#[tokio::test]
async fn a_mapping_row_that_cannot_be_used_parks_its_jobs_and_no_others() {
    let mut world = World::new().await;
    let mappings = MemoryMappingStore::default();
    for name in ["build", "other"] {
        let key = MappingKey::parse(&format!("job#{name}"), "tags#linux").unwrap();
        let (row, reason) = (key.to_string(), "attribute `type` is not known".to_owned());
        mappings.put_row(StoredMapping::Unreadable { key: Some(key), row, reason });
    }
    world.dispatcher.mappings = Arc::new(mappings);
    let handled = start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::First).await.unwrap();
    let Handled::Parked { reason } = handled else { panic!("{handled:?}") };
    assert!(
        reason.starts_with("mapping row `job#build tags#linux` cannot be used: attribute `type`"),
        "{reason}"
    );
    let record = world.record().await;
    assert_eq!(
        (record.state, record.transitions.last().unwrap().reason.contains(&reason)),
        (LedgerState::Parked, true)
    );

    let mut other = world.event(JobStatus::Pending);
    other.name = "test".parse().unwrap();
    other.key.job =
        world.gitlab.run_pipeline(world.project, vec![JobSpec::new("test").tags(["linux"])]).unwrap()[0];
    done(&start(&world.dispatcher, &other, Delivery::First).await.unwrap());
    assert_eq!(world.backend.started().len(), 1);
}

#[tokio::test]
async fn a_paused_job_waits_and_says_so_until_its_mapping_is_resumed() {
    let mut world = World::new().await;
    let running = Arc::clone(&world.dispatcher.mappings);
    let mappings = MemoryMappingStore::default();
    mappings.put_row(StoredMapping::Pause { reason: "the image is broken".to_owned() });
    world.dispatcher.mappings = Arc::new(mappings);
    let event = world.event(JobStatus::Pending);
    let reason = "all mappings are paused: the image is broken";
    for round in 0..3 {
        let handled = start(&world.dispatcher, &event, Delivery::First).await.unwrap();
        let Handled::Later { at, reason: told, waits_for } = handled else { panic!("{handled:?}") };
        let now = world.dispatcher.clock.now();
        assert_eq!((at.duration_since(now).as_secs(), waits_for), (60, WaitsFor::Others), "{round}");
        assert_eq!(told, reason);
        world.advance(60);
    }
    let record = world.record().await;
    assert_eq!(record.state, LedgerState::Seen);
    assert_eq!(record.transitions.iter().filter(|entry| entry.reason == reason).count(), 1);
    assert_eq!((world.backend.started().len(), world.registrations()), (0, 0));

    world.dispatcher.mappings = running;
    done(&start(&world.dispatcher, &event, Delivery::Again).await.unwrap());
    assert_eq!((world.backend.started().len(), world.registrations()), (1, 1));
}

#[tokio::test]
async fn a_first_delivery_does_without_a_look_at_the_ledger() {
    for (delivery, calls) in [(Delivery::First, 3), (Delivery::Again, 4)] {
        let world = World::new().await;
        done(&start(&world.dispatcher, &world.event(JobStatus::Pending), delivery).await.unwrap());
        assert_eq!(world.ledger.calls(), calls, "{delivery:?}");
    }
}

#[tokio::test]
async fn what_the_ledger_knows_counts_for_a_first_delivery_too() {
    for known in [JobStatus::Running, JobStatus::Success, JobStatus::Canceled] {
        let world = World::new().await;
        handle(&world.dispatcher, &world.event(known), Delivery::First).await.unwrap();
        done(&start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::First).await.unwrap());
        assert_eq!((world.backend.started().len(), world.registrations()), (0, 0), "{known}");
    }
}

#[tokio::test]
async fn protection_is_asked_only_where_it_keeps_lambda_runners_apart() {
    for (asks_protection, job_ref, expected) in [
        (false, "main", RefProtection::Unknown),
        (true, "main", RefProtection::Protected),
        (true, "feature/1", RefProtection::Unprotected),
        (true, "refs/merge-requests/1/head", RefProtection::Unprotected),
    ] {
        let mut world = World::new().await;
        world.dispatcher.asks_protection = asks_protection;
        world.dispatcher.default_target.as_mut().unwrap().target = Target::Lambda { arn: "arn".to_owned() };
        world.dispatcher.backends = vec![Arc::new(MemoryBackend::of_type(TargetType::Lambda, 10))];
        let spec = JobSpec::new("build").git_ref(job_ref);
        let mut event = world.event(JobStatus::Pending);
        event.key.job = world.gitlab.run_pipeline(world.project, vec![spec]).unwrap()[0];
        done(&start(&world.dispatcher, &event, Delivery::First).await.unwrap());
        let record = world.ledger.inner().get(&event.key, world.clock.now()).await.unwrap().unwrap();
        assert_eq!(record.claim.unwrap().request.protection, expected, "{job_ref}");
    }
}

#[tokio::test]
async fn a_runner_that_leaves_without_the_job_is_replaced_twice() {
    let world = World::new().await;
    let mut event = Box::new(world.event(JobStatus::Pending));
    for further in [true, true, false] {
        start(&world.dispatcher, &event, Delivery::Again).await.unwrap();
        let runner = world.runner().await;
        let RunnerGone::Recorded { start_again } =
            runner_gone(&world.dispatcher, &runner, &NO_JOB).await.unwrap()
        else {
            panic!("the runner is known");
        };
        assert_eq!(start_again.is_some(), further);
        assert_eq!(world.registrations(), 0);
        if let Some(again) = start_again {
            *event = again.event;
            world.advance(10);
        }
    }
    assert_eq!((world.backend.started().len(), world.record().await.state), (3, LedgerState::Parked));
}

#[tokio::test]
async fn a_job_whose_runner_took_another_one_gets_its_own_when_that_is_gone() {
    let world = World::new().await;
    start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    let runner = world.runner().await;
    let other = mayfly_core::ids::JobKey { job: mayfly_core::ids::JobId(999), ..world.key() };
    for status in [JobStatus::Running, JobStatus::Success] {
        handle(&world.dispatcher, &world.event_of(other.clone(), status, Some(&runner)), Delivery::Again)
            .await
            .unwrap();
    }
    assert!(
        world.record().await.runner.unwrap().ended.is_some(),
        "the event ended the runner before its agent said so"
    );
    let end = RunnerEnd { outcome: RunnerOutcome::JobDone, job: Some(other.job) };
    let RunnerGone::Recorded { start_again: Some(again) } =
        runner_gone(&world.dispatcher, &runner, &end).await.unwrap()
    else {
        panic!("the job it was started for still waits");
    };
    assert_eq!(again.not_before, again.event.received_at, "nothing was lost, so nothing need pass");
    done(&start(&world.dispatcher, &again.event, Delivery::Again).await.unwrap());
    assert_eq!(world.backend.live().len(), 1);
}

#[tokio::test]
async fn gitlabs_older_answer_does_not_drop_the_event() {
    let world = World::new().await;
    let manual = world.gitlab.run_pipeline(world.project, vec![JobSpec::new("later").manual()]).unwrap()[0];
    let key = mayfly_core::ids::JobKey { job: manual, ..world.key() };
    let event = world.event_of(key, JobStatus::Pending, None);
    let handled = start(&world.dispatcher, &event, Delivery::Again).await.unwrap();
    assert!(matches!(handled, Handled::Later { waits_for: WaitsFor::Others, .. }), "{handled:?}");
    world.gitlab.play(manual).unwrap();
    done(&start(&world.dispatcher, &event, Delivery::Again).await.unwrap());
    assert_eq!(world.backend.live().len(), 1);
}

#[tokio::test]
async fn tags_that_gitlab_told_too_late_are_still_in_time_for_the_registration() {
    let world = World::new().await;
    world.gitlab.set_down(true);
    let event = world.event(JobStatus::Pending);
    let handled = start(&world.dispatcher, &event, Delivery::Again).await.unwrap();
    assert!(matches!(handled, Handled::Later { .. }), "{handled:?}");
    world.gitlab.set_down(false);
    world.advance(5);
    done(&start(&world.dispatcher, &event, Delivery::Again).await.unwrap());
    assert_eq!(world.gitlab.runners()[0].tags, ["linux"].into_iter().collect());
}

#[tokio::test]
async fn a_registration_that_cannot_be_removed_now_is_removed_later() {
    let world = World::new().await;
    start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    let runner = world.runner().await;
    world.gitlab.set_down(true);
    assert!(runner_gone(&world.dispatcher, &runner, &NO_JOB).await.unwrap_err().is_transient());
    world.gitlab.set_down(false);
    runner_gone(&world.dispatcher, &runner, &NO_JOB).await.unwrap();
    assert_eq!(world.registrations(), 0);
}

#[tokio::test]
async fn the_end_of_a_runner_is_told_twice_and_counts_once() {
    let world = World::new().await;
    start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    let runner = world.runner().await;
    runner_gone(&world.dispatcher, &runner, &NO_JOB).await.unwrap();
    let again = runner_gone(&world.dispatcher, &runner, &NO_JOB).await.unwrap();
    // Whoever heard it first may not have lived to start the job again. Starting it twice is harmless.
    assert!(matches!(again, RunnerGone::Recorded { start_again: Some(_) }));
    let record = world.record().await;
    assert_eq!((record.state, record.claim.unwrap().lost_runners), (LedgerState::Seen, 1));
    let stranger = "mayfly-local-0000".parse().unwrap();
    assert_eq!(runner_gone(&world.dispatcher, &stranger, &NO_JOB).await.unwrap(), RunnerGone::Unknown);
}

#[tokio::test]
async fn an_event_ends_the_runner_it_names_also_if_that_was_started_for_another_job() {
    let world = World::new().await;
    start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    let runner = world.runner().await;
    let other = mayfly_core::ids::JobKey { job: mayfly_core::ids::JobId(999), ..world.key() };
    handle(
        &world.dispatcher,
        &world.event_of(other.clone(), JobStatus::Running, Some(&runner)),
        Delivery::Again,
    )
    .await
    .unwrap();
    assert_eq!(world.record().await.runner.unwrap().took, Some(other.clone()));
    // The job it was started for is canceled while it waits: that ends nobody.
    handle(&world.dispatcher, &world.event(JobStatus::Canceled), Delivery::Again).await.unwrap();
    assert_eq!(world.backend.live().len(), 1);
    handle(&world.dispatcher, &world.event_of(other, JobStatus::Success, Some(&runner)), Delivery::Again)
        .await
        .unwrap();
    assert_eq!((world.backend.live().len(), world.registrations()), (0, 0));
}

#[tokio::test]
async fn runners_of_others_are_left_alone() {
    let world = World::new().await;
    start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    for stranger in ["mayfly-local-0123", "mayfly-ec2-i-0123"] {
        let event = world.event_of(world.key(), JobStatus::Success, Some(&stranger.parse().unwrap()));
        handle(&world.dispatcher, &event, Delivery::Again).await.unwrap();
    }
    assert_eq!(world.backend.live().len(), 1);
}

#[tokio::test]
async fn what_a_dead_dispatcher_left_is_found() {
    let mut world = World::new().await;
    world.backend.answer_next(LaunchOutcome::Unknown { reason: "timeout".to_owned() }, false);
    start(&world.dispatcher, &world.event(JobStatus::Pending), Delivery::Again).await.unwrap();
    world.dispatcher.holder = Holder("second".to_owned());
    let recovered = recover(&world.dispatcher).await.unwrap();
    assert_eq!(recovered.waiting.len(), 1);
    done(&start(&world.dispatcher, &recovered.waiting[0], Delivery::Again).await.unwrap());
    let recovered = recover(&world.dispatcher).await.unwrap();
    assert_eq!((recovered.waiting, recovered.runners), (vec![], vec![world.runner().await]));
}
