//! The events that nobody could handle, for a look from outside and for another try.

use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use mayfly_core::event::JobEvent;
use rusqlite::{Connection, OpenFlags};

use crate::data_dir::{DATABASE, DataDir};
use crate::queue_store::{Change, QueueStore};

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    /// Its number among its kind.
    pub seq: i64,
    /// The event, as it was in the queue. Perhaps it cannot be read.
    pub event: String,
    /// Why it was given up.
    pub reason: String,
    /// When, as it was written down.
    pub at: String,
}

/// Lists what was given up in this data folder, the oldest first; also while a server uses it.
///
/// # Errors
///
/// If there is no database, or it cannot be read.
pub fn buried(data_dir: &Path) -> anyhow::Result<Vec<Buried>> {
    let file = checked(data_dir)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let cannot_read = || format!("cannot read the dead letters in {}", file.display());
    let connection = Connection::open_with_flags(&file, flags).with_context(cannot_read)?;
    read(&connection).with_context(cannot_read)
}

fn read(connection: &Connection) -> rusqlite::Result<Vec<Buried>> {
    let there = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'mayfly_dead_letters'";
    if connection.query_row(there, [], |row| row.get::<_, u64>(0))? == 0 {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare("SELECT seq, event, reason, at FROM mayfly_dead_letters ORDER BY seq")?;
    let rows = statement.query_map([], |row| {
        Ok(Buried { seq: row.get(0)?, event: row.get(1)?, reason: row.get(2)?, at: row.get(3)? })
    })?;
    rows.collect()
}

/// The queue of a server that does not run, and cannot be started as long as this value lives.
pub struct StoppedQueue {
    store: QueueStore,
    _data_dir: DataDir,
}

impl StoppedQueue {
    /// Opens the queue in this data folder. Makes none.
    ///
    /// # Errors
    ///
    /// If there is none, a server uses it, or it cannot be opened.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        checked(data_dir)?;
        let data_dir = DataDir::open(data_dir)?;
        let store = QueueStore::open(&data_dir.database()).context("cannot open the queue")?;
        Ok(Self { store, _data_dir: data_dir })
    }

    /// Puts an event into the queue, once: if it is one that was given up, it is that no more.
    ///
    /// # Errors
    ///
    /// If the file cannot be written; then nothing has changed.
    pub fn add(&mut self, event: &JobEvent, buried: Option<i64>, now: Timestamp) -> anyhow::Result<()> {
        let mut changes = vec![Change::Add { event: serde_json::to_string(event)?, due: now }];
        changes.extend(buried.map(|seq| Change::Exhume { seq }));
        self.store.apply(&changes).context("cannot write the queue")
    }
}

fn checked(data_dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    let file = data_dir.join(DATABASE);
    if !file.is_file() {
        bail!("there is no {}: is this the data folder of a `mayfly local`?", file.display());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENDING: &str =
        r#"{"key":"gitlab.com/1/2","name":"build","status":"pending","received_at":"1970-01-01T00:00:00Z"}"#;

    fn folder_with_one() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        let mut store = QueueStore::open(&temp.path().join(DATABASE)).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let bury = Change::Bury { seq: 1, reason: "no such function".to_owned(), now };
        store.apply(&[Change::Add { event: PENDING.to_owned(), due: now }, bury]).unwrap();
        temp
    }

    #[test]
    fn what_was_given_up_is_told_and_can_be_put_back_once() {
        let temp = folder_with_one();
        let [one] = &buried(temp.path()).unwrap()[..] else { unreachable!("there is one") };
        assert_eq!((one.event.as_str(), one.reason.as_str()), (PENDING, "no such function"));
        let event: JobEvent = serde_json::from_str(PENDING).unwrap();
        let mut queue = StoppedQueue::open(temp.path()).unwrap();
        queue.add(&event, Some(one.seq), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(buried(temp.path()).unwrap(), []);
        assert_eq!(queue.store.counts().unwrap(), (1, 0));
    }

    #[test]
    fn the_queue_of_a_running_server_is_left_alone() {
        let temp = folder_with_one();
        let _server = DataDir::open(temp.path()).unwrap();
        let refused = StoppedQueue::open(temp.path()).err().unwrap().to_string();
        assert!(refused.contains("is in use by another `mayfly local`"), "{refused}");
        assert_eq!(buried(temp.path()).unwrap().len(), 1, "looking is no use");
    }

    #[test]
    fn a_folder_without_a_database_is_not_made_one() {
        let temp = tempfile::tempdir().unwrap();
        assert!(buried(temp.path()).is_err() && StoppedQueue::open(temp.path()).is_err());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
