//! Reads many items in a few calls.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::stream::{self, StreamExt, TryStreamExt};
use mayfly_core::error::PortError;

use super::PARTITION_KEY;
use super::attributes::{Item, text};
use super::errors::{never, port_error};

/// The most keys of one call (DynamoDB API reference, `BatchGetItem`).
const MOST_KEYS: usize = 100;
/// How many calls are under way at once.
const AT_ONCE: usize = 4;
/// How often in a row a call may bring nothing, and how long to wait after the first such; each wait is twice the one before.
const MOST_FRUITLESS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The items with these partition keys, in the order of the keys. One that is not there is left out. Reads are consistent.
pub(super) async fn read_items(
    client: &Client,
    table: &str,
    partition_keys: &BTreeSet<String>,
) -> Result<Vec<Item>, PortError> {
    let keys: Vec<Item> =
        partition_keys.iter().map(|key| Item::from([(PARTITION_KEY.to_owned(), text(key))])).collect();
    let calls: Vec<_> = keys.chunks(MOST_KEYS).map(|keys| read_batch(client, table, keys.to_vec())).collect();
    let batches: Vec<Vec<Item>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    let mut items: Vec<Item> = batches.into_iter().flatten().collect();
    items.sort_by_cached_key(|item| item.get(PARTITION_KEY).and_then(|key| key.as_s().ok()).cloned());
    Ok(items)
}

/// What a call leaves over is asked for again: at once if it brought something, since an answer has 16 MB at most, and after
/// a while if it did not, since then the table has too much to do.
async fn read_batch(client: &Client, table: &str, mut keys: Vec<Item>) -> Result<Vec<Item>, PortError> {
    let operation = format!("batch get {} items", keys.len());
    let mut items = Vec::with_capacity(keys.len());
    let mut fruitless = 0;
    while !keys.is_empty() {
        let asked = keys.len();
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let request = request.map_err(|error| never(&operation, error))?;
        let answer = client.batch_get_item().request_items(table, request).send().await;
        let answer = answer.map_err(|error| port_error(&operation, table, error))?;
        items.extend(answer.responses.into_iter().flatten().flat_map(|(_, found)| found));
        keys = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, left)| left.keys).collect();
        if keys.len() < asked {
            fruitless = 0;
            continue;
        }
        fruitless += 1;
        if fruitless == MOST_FRUITLESS {
            let reason = format!("the table answers with none of {asked} items: it has too much to do");
            return Err(PortError::later(format!("DynamoDB: {operation}"), reason));
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(fruitless - 1)).await;
    }
    Ok(items)
}
