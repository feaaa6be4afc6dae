//! What must always be true, and what must be possible: else the model would only look at a part of the protocol.

use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::status::Rank;
use stateright::Property;

use super::dispatcher::{At, Next, registered};
use super::ledger::Wrong;
use super::model::{Protocol, State};
use super::reconciler::Pass;
use super::world::{Compute, Job, Which, Work};

type Condition = fn(&Protocol, &State) -> bool;

/// All properties of a model.
pub(crate) fn properties(model: Protocol) -> Vec<Property<Protocol>> {
    let mut properties = always();
    properties.extend(at_rest());
    properties.extend(sometimes(model));
    properties
}

fn always() -> Vec<Property<Protocol>> {
    let always = |name, condition: Condition| Property::always(name, condition);
    vec![
        always("at most one runner of a step lives", |_, state| {
            state.live().all(|one| state.live().filter(|other| one.token == other.token).count() == 1)
        }),
        // One that was ended, left, took another job, or lost its registration is none any more.
        always("at most one runner of the job lives", |_, state| {
            let is_for_job =
                |runner: &&Compute| matches!(runner.work, Work::Waits | Work::Has(Which::TheJob));
            state.live().filter(is_for_job).count() <= 1
        }),
        // Under way is a call whose registration was written down before.
        always(
            "once the job's end is handled nothing is started but by a call that is under way",
            |_, state| !state.ledger.wrong.has(Wrong::STARTED_AFTER_END),
        ),
        always("no runner is ended that has the job", |_, state| {
            !state.ledger.wrong.has(Wrong::ENDED_WITH_JOB)
        }),
        // One that no record knows may take another job between the reconciler's look and its end.
        always("no runner of the ledger's is ended that has another job", |_, state| {
            !state.ledger.wrong.has(Wrong::ENDED_WITH_ANOTHER)
        }),
        always("no registration is removed whose runner has the job", |_, state| {
            !state.ledger.wrong.has(Wrong::UNREGISTERED_WITH_JOB)
        }),
        always("no registration of the ledger's is removed whose runner has another job", |_, state| {
            !state.ledger.wrong.has(Wrong::UNREGISTERED_WITH_ANOTHER)
        }),
        always("every step of every attempt has a token of its own", |_, state| {
            !state.ledger.wrong.has(Wrong::TOKEN_OF_ANOTHER_STEP)
        }),
        always(
            "a job that waits is given up only once three runners have left without it",
            |model, state| {
                let is_given_up = state.world.job == Job::Pending && state.is_parked();
                !is_given_up || model.budget.leaves - state.budget.leaves >= 3
            },
        ),
        always("a status never falls, and an end is for ever", |_, state| {
            !state.ledger.wrong.has(Wrong::MOVED_BACK)
        }),
    ]
}

/// What is true once nothing happens any more, whichever events were lost.
fn at_rest() -> Vec<Property<Protocol>> {
    let at_rest = |name, condition: Condition| Property::always(name, condition);
    vec![
        // Also one that was given up: GitLab shows that it waits, so it has its second chance.
        at_rest("at rest the job is over", |_, state| {
            matches!(state.world.job, Job::Over(_)) || !state.is_at_rest()
        }),
        at_rest("at rest the ledger knows the end of a job that it knows", |_, state| {
            let knows = |record: &LedgerRecord| record.rank == Rank::Finished;
            state.ledger.record.as_deref().is_none_or(knows) || state.is_parked() || !state.is_at_rest()
        }),
        at_rest("at rest no claim is held", |_, state| {
            state.ledger.record.as_ref().is_none_or(|record| record.state != LedgerState::Claimed)
                || !state.is_at_rest()
        }),
        at_rest("at rest no runner is thought to live", |_, state| {
            let is_empty = |record: &LedgerRecord| record.live_runners().next().is_none();
            state.ledger.record.as_deref().is_none_or(is_empty) || !state.is_at_rest()
        }),
        at_rest("at rest no registration is left", |_, state| {
            state.world.registrations.is_empty() || !state.is_at_rest()
        }),
    ]
}

fn sometimes(Protocol { backend, budget }: Protocol) -> Vec<Property<Protocol>> {
    let sometimes = |is_expected: bool, name, condition: Condition| {
        is_expected.then(|| Property::sometimes(name, condition))
    };
    let repeats = budget.crashes + budget.losses + budget.lapses > 0;
    // What is found is not launched again anyway.
    let repeats_blindly = repeats && !backend.finds();
    [
        sometimes(true, "a job succeeds and all is at rest", |_, state| {
            matches!(state.world.job, Job::Over(Some(_))) && state.ledger.is_over() && state.is_at_rest()
        }),
        sometimes(true, "a job is canceled while it waits and all is at rest", |_, state| {
            state.world.job == Job::Over(None) && state.ledger.is_over() && state.is_at_rest()
        }),
        sometimes(true, "a call is under way when the job's end is handled", |_, state| {
            state.is_next(|next| next == Next::Launch { is_under_way: true })
        }),
        sometimes(true, "the reconciler has a job started that nobody has heard of", |_, state| {
            state.is_wanted && state.ledger.record.is_none()
        }),
        sometimes(repeats, "a launch is repeated that has a registration", |_, state| {
            state.is_next(|next| next == Next::Remove)
        }),
        sometimes(budget.refusals >= 3, "the whole plan is refused", |_, state| {
            state.claim(|claim| claim.refusals > 0 && claim.attempt > 0)
        }),
        sometimes(budget.leaves > 0, "a job gets another runner after one left without it", |_, state| {
            state.claim(|claim| claim.lost_runners > 0)
                && state.live().any(|runner| runner.work == Work::Waits)
        }),
        sometimes(budget.leaves >= 3, "a job that was given up succeeds", |_, state| {
            state.claim(|claim| claim.lost_runners >= 3) && matches!(state.world.job, Job::Over(Some(_)))
        }),
        sometimes(repeats_blindly, "a launch is not repeated because its runner has a job", |_, state| {
            state.dispatchers.iter().any(|dispatcher| match &dispatcher.at {
                At::Launching { held, next: Next::Remove } => {
                    registered(held).is_some_and(|id| state.world.has_job(id))
                }
                _ => false,
            })
        }),
        sometimes(
            budget.thefts > 0,
            "a job whose runner has another one gets a runner of its own",
            |_, state| {
                matches!(state.world.another, Job::Running(_))
                    && state.live().any(|runner| runner.work == Work::Waits)
            },
        ),
        sometimes(
            budget.passes > 0,
            "the reconciler repairs something while a dispatcher is at work",
            |_, state| {
                let is_at_work = state.dispatchers.iter().any(|dispatcher| !dispatcher.is_idle());
                is_at_work && matches!(&state.pass, Pass::Repairs { rest, .. } if !rest.is_empty())
            },
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl State {
    /// The runners that live and whose registration GitLab knows.
    fn live(&self) -> impl Iterator<Item = &Compute> {
        self.world.computes.iter().filter(|compute| self.world.is_registered(compute.registered))
    }

    fn is_parked(&self) -> bool {
        self.ledger.record.as_ref().is_some_and(|record| record.state == LedgerState::Parked)
    }

    fn claim(&self, is_so: fn(&mayfly_core::launch::Claim) -> bool) -> bool {
        self.ledger.record.as_ref().and_then(|record| record.claim.as_ref()).is_some_and(is_so)
    }

    fn is_next(&self, is_so: fn(Next) -> bool) -> bool {
        self.dispatchers.iter().any(|one| matches!(one.at, At::Launching { next, .. } if is_so(next)))
    }
}
