//! The seeded simulation, as far as there is time for it in every run of the tests. `cargo xtask sim` runs much more of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use mayfly_standins::simulation::{
    Fact, Mix, Report, Settings, Trace, Trouble, passes_until_orphan_ends, passes_until_served, run,
    run_world, tell,
};

fn settings(seed: u64, jobs: u64, mix: Mix) -> Settings {
    Settings { seed, jobs, worlds: jobs.div_ceil(500), threads: None, mix }
}

/// Runs worlds, and fails with the story of the first in which something does not hold.
fn check(settings: &Settings) -> Report {
    let report = run(settings).unwrap();
    if let Some((number, broken)) = report.broken.first() {
        let story = tell(&settings.world(*number), &Trace::default()).unwrap();
        let Settings { seed, jobs, worlds, .. } = settings;
        panic!(
            "world {number}: {}: {}\n{}\nagain: cargo xtask sim --seed {seed} --jobs {jobs} --worlds {worlds} --world {number}",
            broken.invariant,
            broken.words,
            story.join("\n"),
        );
    }
    report
}

fn check_that_all_holds(seed: u64) {
    let report = check(&settings(seed, 2000, Mix::default()));
    let tally = &report.tally;
    assert!(tally.facts(Fact::JobsRun) > 1900, "{report}");
    // What never happens proves nothing.
    for trouble in [
        Trouble::WebhookLost,
        Trouble::WebhookRepeated,
        Trouble::WebhookLate,
        Trouble::RequestLost,
        Trouble::AnswerLost,
        Trouble::CallThrottled,
        Trouble::Crash,
        Trouble::MachineDied,
        Trouble::NoCapacity,
        Trouble::CanceledWaiting,
        Trouble::CanceledRunning,
        Trouble::Theft,
    ] {
        assert!(tally.troubles(trouble) > 0, "{}", trouble.as_str());
    }
}

#[test]
fn all_holds_where_much_goes_wrong_with_seed_11() {
    check_that_all_holds(11);
}

/// Then many come up just when they are believed to be gone.
#[test]
fn all_holds_where_functions_wait_long_for_their_turn() {
    for seed in 1..=4 {
        let report = check(&settings(seed, 2000, Mix { invocations_late: 0.4, ..Mix::default() }));
        assert!(report.tally.troubles(Trouble::InvocationLate) > 100, "{report}");
    }
}

#[test]
fn all_holds_where_much_goes_wrong_with_seed_12() {
    check_that_all_holds(12);
}

#[test]
fn all_holds_where_much_goes_wrong_with_seed_13() {
    check_that_all_holds(13);
}

#[test]
fn all_holds_where_three_times_as_much_goes_wrong() {
    check(&settings(14, 1000, Mix::default().times(3.0)));
}

#[test]
fn where_nothing_goes_wrong_every_job_gets_one_runner_and_nothing_is_repaired() {
    let report = check(&settings(21, 1000, Mix::NOTHING));
    let tally = &report.tally;
    assert_eq!((tally.facts(Fact::JobsRun), tally.starts()), (1000, 1000), "{report}");
    assert!(tally.repairs.is_empty(), "{report}");
}

#[test]
fn the_same_seed_is_the_same_story() {
    let world = settings(31, 300, Mix::default()).world(0);
    let everything = Trace { is_all: true, ..Trace::default() };
    let story = tell(&world, &everything).unwrap();
    assert!(story.len() > 3000, "{} lines", story.len());
    assert_eq!(story, tell(&world, &everything).unwrap());
    assert_eq!(run_world(&world).unwrap(), run_world(&world).unwrap());
    let other = settings(32, 300, Mix::default()).world(0);
    assert_ne!(story, tell(&other, &everything).unwrap());
}

#[test]
fn a_job_whose_pending_was_lost_is_served_within_two_passes() {
    for seed in 0..20 {
        let passes = passes_until_served(seed).unwrap();
        assert!(passes.is_some_and(|passes| passes <= 2), "seed {seed}: {passes:?}");
    }
}

#[test]
fn a_machine_that_nobody_knows_is_ended_within_three_passes() {
    for seed in 0..20 {
        let passes = passes_until_orphan_ends(seed).unwrap();
        assert!(passes.is_some_and(|passes| passes <= 3), "seed {seed}: {passes:?}");
    }
}
