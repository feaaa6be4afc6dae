//! The protocol of claim, launch and finish in all its interleavings: two dispatchers that get the `pending` event any number of
//! times, the reconciler, one job, a plan of three steps, and a world that does what it should not.
//!
//! The decisions are those of mayfly-core. The model adds the order in which mayfly-app gathers, writes and acts, and GitLab
//! and a backend as far as they matter. Any event may come late, twice or never: then the reconciler must do.
//!
//! Each check names what goes wrong in it, and how often; all of it at once would be too much to look at. A pass of the
//! reconciler is one step while nobody else is at work; [`Budget::passes`] says how many passes are made step by step amid
//! the steps of all others.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]
#![expect(clippy::print_stdout, reason = "says at how many states it has looked")]

mod course;
mod dispatcher;
mod ends;
mod key;
mod ledger;
mod model;
mod plan;
mod properties;
mod reconciler;
mod worker;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use model::{Budget, Protocol};
use plan::Backend;

/// A world in which nothing goes wrong but that events come late, twice or never.
const KIND: Budget = Budget {
    crashes: 0,
    refusals: 0,
    losses: 0,
    lapses: 0,
    leaves: 0,
    overstays: 0,
    silences: 0,
    thefts: 0,
    aborts: 0,
    passes: 0,
};

/// Looks at every state.
fn check(backend: Backend, budget: Budget) {
    let model = Protocol { backend, budget };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{backend:?}, {budget:?}: {} states, {} transitions",
        checker.unique_state_count(),
        checker.state_count()
    );
    checker.assert_properties();
}

macro_rules! checks {
    ($backend:expr; $($name:ident: $budget:expr,)*) => {
        use super::{Backend, Budget, KIND, check};

        $(
            #[test]
            fn $name() {
                check($backend, $budget);
            }
        )*
    };
}

mod on_this_machine {
    checks! {
        Backend::Local;
        a_crash_and_a_lost_answer: Budget { crashes: 1, losses: 1, ..KIND },
        a_crash_and_a_lease_that_runs_out_early: Budget { crashes: 1, lapses: 1, ..KIND },
        a_lost_answer_and_a_lease_that_runs_out_early: Budget { losses: 1, lapses: 1, ..KIND },
        every_step_is_refused_and_somebody_crashes: Budget { refusals: 3, crashes: 1, ..KIND },
        every_step_is_refused_and_a_lease_runs_out_early: Budget { refusals: 3, lapses: 1, ..KIND },
        a_pass_amid_the_others_and_a_crash: Budget { passes: 1, crashes: 1, ..KIND },
        a_pass_amid_the_others_and_a_lease_that_runs_out_early: Budget { passes: 1, lapses: 1, ..KIND },
        a_pass_amid_the_others_and_a_runner_that_leaves: Budget { passes: 1, leaves: 1, ..KIND },
        a_pass_amid_the_others_and_a_runner_that_stays: Budget { passes: 1, overstays: 1, ..KIND },
        a_runner_takes_another_job: Budget { thefts: 1, ..KIND },
        a_job_is_canceled_before_its_script_begins: Budget { aborts: 1, ..KIND },
        three_runners_leave: Budget { leaves: 3, ..KIND },
    }
}

mod on_lambda {
    checks! {
        Backend::Lambda;
        a_crash_a_lost_answer_and_a_lease_that_runs_out_early:
            Budget { crashes: 1, losses: 1, lapses: 1, ..KIND },
        every_step_is_refused_and_somebody_crashes: Budget { refusals: 3, crashes: 1, ..KIND },
        every_step_is_refused_and_a_lease_runs_out_early: Budget { refusals: 3, lapses: 1, ..KIND },
        a_pass_amid_the_others_and_a_crash: Budget { passes: 1, crashes: 1, ..KIND },
        a_pass_amid_the_others_and_a_lease_that_runs_out_early: Budget { passes: 1, lapses: 1, ..KIND },
        a_pass_amid_the_others_and_a_runner_that_leaves: Budget { passes: 1, leaves: 1, ..KIND },
        gitlab_does_not_answer: Budget { silences: 1, ..KIND },
        a_runner_stays: Budget { overstays: 1, ..KIND },
        a_runner_takes_another_job: Budget { thefts: 1, ..KIND },
        a_job_is_canceled_before_its_script_begins: Budget { aborts: 1, ..KIND },
        three_runners_leave: Budget { leaves: 3, ..KIND },
    }
}
