use jiff::{SignedDuration, Timestamp};
use mayfly_core::ids::{ProjectId, RunnerId};
use mayfly_core::reconcile::{ProjectKey, Suspect, Watched};
use mayfly_standins::contracts::{NOW, full_memory};

use super::*;

fn json(item: &Item) -> &str {
    item[MEMORY].as_s().unwrap()
}

/// So many projects and suspects, each active or seen a second later than the one before.
fn memory_of(projects: u64, suspects: u64) -> Memory {
    let moment = |number| NOW + SignedDuration::from_secs(i64::try_from(number).unwrap());
    let project = |number| {
        let key = ProjectKey { host: "gitlab.example.com".parse().unwrap(), project: ProjectId(number) };
        let path = Some(format!("group/project-{number}").parse().unwrap());
        (key, Watched { path, active_at: moment(number), asked_at: NOW })
    };
    let suspect = |number| (Suspect::Compute(format!("i-0{number:016x}").parse().unwrap()), moment(number));
    Memory {
        projects: (0..projects).map(project).collect(),
        suspects: (0..suspects).map(suspect).collect(),
        ..Memory::default()
    }
}

#[test]
fn a_memory_is_read_back_and_its_item_is_pinned() {
    let memory = full_memory();
    let item = to_item(&memory).unwrap();
    assert_eq!(item[PARTITION_KEY], text("reconciler#memory"));
    insta::assert_snapshot!(json(&item));
    assert_eq!(to_memory(item), memory);
}

#[test]
fn a_memory_that_cannot_be_read_is_as_good_as_none() {
    for item in [
        Item::new(),
        Item::from([(MEMORY.to_owned(), text("{\"projects\":"))]),
        Item::from([(MEMORY.to_owned(), text("{\"suspects\":{\"what\":\"1970-01-01T00:00:00Z\"}}"))]),
    ] {
        assert_eq!(to_memory(item), Memory::default());
    }
}

#[test]
fn a_memory_of_a_later_version_is_read() {
    let item = Item::from([(MEMORY.to_owned(), text("{\"new_in_version_9\":[]}"))]);
    assert_eq!(to_memory(item), Memory::default());
    let mut item = to_item(&full_memory()).unwrap();
    let longer = json(&item).replacen('{', "{\"new_in_version_9\":[],", 1);
    item.insert(MEMORY.to_owned(), text(longer));
    assert_eq!(to_memory(item), full_memory());
}

fn latest(times: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
    times.max()
}

#[test]
fn a_memory_too_large_for_an_item_loses_what_was_longest_without_a_job() {
    let memory = memory_of(4_000, 100);
    let item = to_item(&memory).unwrap();
    assert!(json(&item).len() <= LARGEST);
    assert!(json(&item).len() > LARGEST * 8 / 10, "and no more than it must");
    let kept = to_memory(item);
    assert_eq!(kept.suspects, memory.suspects);
    let lost = memory.projects.iter().filter(|(key, _)| !kept.projects.contains_key(key));
    let kept_from = kept.projects.values().map(|project| project.active_at).min().unwrap();
    assert!(latest(lost.map(|(_, project)| project.active_at)).unwrap() < kept_from);
}

#[test]
fn suspects_too_many_for_an_item_lose_the_latest() {
    let memory = memory_of(10, 10_000);
    let kept = to_memory(to_item(&memory).unwrap());
    assert!(kept.suspects.len() > 5_000 && kept.projects.is_empty());
    let lost = memory.suspects.iter().filter(|(suspect, _)| !kept.suspects.contains_key(suspect));
    assert!(lost.map(|(_, since)| *since).min().unwrap() > latest(kept.suspects.values().copied()).unwrap());
}

#[test]
fn strangers_too_many_for_an_item_lose_the_oldest() {
    let strangers = (1_000_000..1_100_000).map(RunnerId).collect();
    let kept = to_memory(to_item(&Memory { strangers, ..memory_of(1, 1) }).unwrap());
    assert_eq!((kept.projects.len(), kept.suspects.len()), (0, 0));
    assert!(kept.strangers.len() > 40_000);
    assert_eq!(kept.strangers.last(), Some(&RunnerId(1_099_999)));
}
