//! What the reconciler remembers, as one item of the ledger table.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use mayfly_core::error::Chain;
use mayfly_core::reconcile::Memory;

use super::PARTITION_KEY;
use super::attributes::{InvalidAttribute, Item, required, text};

/// The item's partition key.
pub(super) const KEY: &str = "reconciler#memory";
/// The attribute with the memory, as JSON.
const MEMORY: &str = "memory";
/// The most bytes of it. An item has 400 KB (DynamoDB developer guide, "Constraints"), key and names included.
const LARGEST: usize = 400_000;

/// The item. If the memory is too large for one, it loses a tenth of the projects, those longest without a job of ours, until
/// it fits, then a tenth of the suspects, the latest first, and then of the strangers, the oldest first: all are learned anew. That
/// is beyond two thousand projects.
pub(super) fn to_item(memory: &Memory) -> Result<Item, serde_json::Error> {
    let mut json = serde_json::to_string(memory)?;
    if json.len() > LARGEST {
        tracing::warn!(
            bytes = json.len(),
            "the reconciler's memory is too large for an item and loses a part"
        );
        let mut memory = memory.clone();
        while json.len() > LARGEST {
            shrink(&mut memory);
            json = serde_json::to_string(&memory)?;
        }
    }
    Ok(Item::from([(PARTITION_KEY.to_owned(), text(KEY)), (MEMORY.to_owned(), text(json))]))
}

/// What cannot be read is as good as nothing.
pub(super) fn to_memory(mut item: Item) -> Memory {
    let read = required::<String>(&mut item, MEMORY).and_then(|json| {
        serde_json::from_str(&json).map_err(|error| InvalidAttribute::unreadable(MEMORY, error))
    });
    read.unwrap_or_else(|error| {
        tracing::warn!(item = KEY, error = %Chain(&error), "the reconciler begins without a memory");
        Memory::default()
    })
}

fn shrink(memory: &mut Memory) {
    if !memory.projects.is_empty() {
        lose_a_tenth(&mut memory.projects, |project| project.active_at);
    } else if !memory.suspects.is_empty() {
        lose_a_tenth(&mut memory.suspects, |since| Reverse(*since));
    } else {
        let lost = memory.strangers.len().div_ceil(10);
        memory.strangers = memory.strangers.iter().skip(lost).copied().collect();
    }
}

/// Removes the tenth that ranks lowest.
fn lose_a_tenth<K: Ord + Clone, V, R: Ord>(map: &mut BTreeMap<K, V>, rank: impl Fn(&V) -> R) {
    let mut keys: Vec<(R, K)> = map.iter().map(|(key, value)| (rank(value), key.clone())).collect();
    keys.sort();
    let lost = keys.len().div_ceil(10);
    for (_, key) in keys.into_iter().take(lost) {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests;
