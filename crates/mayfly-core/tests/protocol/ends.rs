//! Every run ends: no state is come back to. With what is true at rest, this says that all ends well.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::Model;

use super::KIND;
use super::model::{Budget, Protocol, State};
use super::plan::Backend;

/// Walks through all runs, depth first.
fn check(backend: Backend, budget: Budget) {
    let model = Protocol { backend, budget };
    let mut seen = HashSet::new();
    let mut path = HashSet::new();
    let mut open: Vec<(u64, Vec<State>)> = vec![(0, model.init_states())];
    while let Some((_, rest)) = open.last_mut() {
        let Some(state) = rest.pop() else {
            open.pop().map(|(done, _)| path.remove(&done));
            continue;
        };
        let print = fingerprint(&state);
        assert!(!path.contains(&print), "{backend:?}, {budget:?}: it comes back to {:#?}", state.key());
        if seen.insert(print) {
            path.insert(print);
            open.push((print, model.next_states(&state)));
        }
    }
    assert!(seen.len() > 100, "{} states", seen.len());
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn every_run_ends_whatever_goes_wrong_in_it() {
    for backend in [Backend::Local, Backend::Lambda] {
        for budget in [
            Budget { refusals: 3, leaves: 1, ..KIND },
            Budget { losses: 1, leaves: 1, ..KIND },
            Budget { crashes: 1, ..KIND },
            Budget { lapses: 1, ..KIND },
            Budget { overstays: 1, ..KIND },
            Budget { thefts: 1, ..KIND },
            Budget { aborts: 1, ..KIND },
            Budget { passes: 1, ..KIND },
        ] {
            check(backend, budget);
        }
    }
}
