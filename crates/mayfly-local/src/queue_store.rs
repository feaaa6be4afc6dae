//! The queue's table: events that were accepted and are not handled yet, and those nobody could handle.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use mayfly_core::event::JobEvent;
use mayfly_core::ids::JobKey;
use mayfly_core::status::JobStatus;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// How long a write waits for another connection. Far below the 10 s that GitLab waits for an answer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS mayfly_queue (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL,
        due_ms INTEGER NOT NULL,
        for_capacity INTEGER NOT NULL DEFAULT 0,
        tries INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS mayfly_queue_due ON mayfly_queue (due_ms);
    CREATE TABLE IF NOT EXISTS mayfly_dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL,
        reason TEXT NOT NULL,
        at TEXT NOT NULL
    );
";

/// What cannot be read is no event of this job.
const ADD_MISSING: &str = "
    INSERT INTO mayfly_queue (event, due_ms) SELECT ?1, ?2 WHERE NOT EXISTS (
        SELECT 1 FROM mayfly_queue WHERE CASE WHEN json_valid(event)
            THEN event ->> 'key' = ?3 AND event ->> 'status' = 'pending' ELSE 0 END
    )
";

/// Why a group of writes could not be done. None of it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreDown {
    /// The file is not where it was opened: it was removed, moved or replaced.
    #[error("the store's file {0} is gone")]
    Gone(PathBuf),
    /// SQLite says so: locked, read-only, full, broken.
    #[error("the store cannot be written")]
    Sqlite(#[from] rusqlite::Error),
}

/// One change of the queue.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new event.
    Add { event: String, due: Timestamp },
    /// A new event of a job that waits, unless one of the same job is there.
    AddMissing { key: JobKey, event: String, due: Timestamp },
    /// It is handled.
    Done { seq: i64 },
    /// It must be handled again.
    Defer { seq: i64, due: Timestamp, for_capacity: bool },
    /// Nobody can handle it.
    Bury { seq: i64, reason: String, now: Timestamp },
    /// A buried one is one no more.
    Exhume { seq: i64 },
    /// So many runners left: as many events that wait for capacity are due now.
    Nudge { runners: usize, now: Timestamp },
}

/// An event that is due.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueuedEvent {
    pub(crate) seq: i64,
    /// How often it was deferred.
    pub(crate) tries: u32,
    /// The event; `Err` holds why it cannot be read.
    pub(crate) event: Result<JobEvent, String>,
}

/// The table, through a connection of its own.
pub(crate) struct QueueStore {
    connection: Connection,
    path: PathBuf,
    inode: (u64, u64),
}

impl QueueStore {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreDown> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Each commit is on the disk before it is answered for.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        let inode = inode(path).map_err(|_| StoreDown::Gone(path.to_owned()))?;
        Ok(Self { connection, path: path.to_owned(), inode })
    }

    /// Does all changes or none.
    pub(crate) fn apply(&mut self, changes: &[Change]) -> Result<(), StoreDown> {
        if inode(&self.path).ok() != Some(self.inode) {
            return Err(StoreDown::Gone(self.path.clone()));
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            apply_one(&transaction, change)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The events due at `now`, the oldest first, without those in `except`.
    pub(crate) fn due(
        &self,
        now: Timestamp,
        limit: usize,
        except: &[i64],
    ) -> Result<Vec<QueuedEvent>, StoreDown> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, event, tries FROM mayfly_queue WHERE due_ms <= ?1 ORDER BY due_ms, seq LIMIT ?2",
        )?;
        let asked = i64::try_from(limit + except.len()).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![now.as_millisecond(), asked], |row| {
            let event: String = row.get(1)?;
            Ok(QueuedEvent {
                seq: row.get(0)?,
                tries: row.get(2)?,
                event: serde_json::from_str(&event).map_err(|error| error.to_string()),
            })
        })?;
        let mut due = Vec::new();
        for row in rows {
            let row = row?;
            if !except.contains(&row.seq) && due.len() < limit {
                due.push(row);
            }
        }
        Ok(due)
    }

    /// Makes every event due now, and tells which jobs have a `pending` among them.
    pub(crate) fn wake_all(&mut self, now: Timestamp) -> Result<BTreeSet<JobKey>, StoreDown> {
        self.connection
            .execute("UPDATE mayfly_queue SET due_ms = ?1 WHERE due_ms > ?1", [now.as_millisecond()])?;
        let mut statement = self.connection.prepare("SELECT event FROM mayfly_queue")?;
        let events = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut waiting = BTreeSet::new();
        for event in events {
            // One that cannot be read is buried when its turn comes.
            if let Ok(event) = serde_json::from_str::<JobEvent>(&event?)
                && event.status == JobStatus::Pending
            {
                waiting.insert(event.key);
            }
        }
        Ok(waiting)
    }

    /// When the next event is due, if any waits.
    pub(crate) fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreDown> {
        let millisecond: Option<i64> = self
            .connection
            .prepare_cached("SELECT MIN(due_ms) FROM mayfly_queue WHERE due_ms > ?1")?
            .query_row(params![after.as_millisecond()], |row| row.get(0))?;
        Ok(millisecond.and_then(|millisecond| Timestamp::from_millisecond(millisecond).ok()))
    }

    /// How many events wait, and how many are buried.
    pub(crate) fn counts(&self) -> Result<(u64, u64), StoreDown> {
        let count = |table: &str| {
            self.connection
                .prepare_cached(&format!("SELECT COUNT(*) FROM {table}"))?
                .query_row([], |row| row.get::<_, u64>(0))
        };
        Ok((count("mayfly_queue")?, count("mayfly_dead_letters")?))
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn apply_one(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Add { event, due } => transaction
            .prepare_cached("INSERT INTO mayfly_queue (event, due_ms) VALUES (?1, ?2)")?
            .execute(params![event, due.as_millisecond()])?,
        Change::AddMissing { key, event, due } => transaction
            .prepare_cached(ADD_MISSING)?
            .execute(params![event, due.as_millisecond(), key.to_string()])?,
        Change::Done { seq } => {
            transaction.prepare_cached("DELETE FROM mayfly_queue WHERE seq = ?1")?.execute(params![seq])?
        }
        Change::Defer { seq, due, for_capacity } => transaction
            .prepare_cached(
                "UPDATE mayfly_queue SET due_ms = ?2, for_capacity = ?3, tries = tries + 1 WHERE seq = ?1",
            )?
            .execute(params![seq, due.as_millisecond(), for_capacity])?,
        Change::Bury { seq, reason, now } => {
            transaction
                .prepare_cached(
                    "INSERT INTO mayfly_dead_letters (event, reason, at) SELECT event, ?2, ?3 FROM mayfly_queue WHERE seq = ?1",
                )?
                .execute(params![seq, reason, now.to_string()])?;
            transaction.prepare_cached("DELETE FROM mayfly_queue WHERE seq = ?1")?.execute(params![seq])?
        }
        Change::Exhume { seq } => transaction
            .prepare_cached("DELETE FROM mayfly_dead_letters WHERE seq = ?1")?
            .execute(params![seq])?,
        Change::Nudge { runners, now } => transaction
            .prepare_cached(
                "UPDATE mayfly_queue SET due_ms = ?2, for_capacity = 0 WHERE seq IN
                 (SELECT seq FROM mayfly_queue WHERE for_capacity = 1 ORDER BY seq LIMIT ?1)",
            )?
            .execute(params![i64::try_from(*runners).unwrap_or(i64::MAX), now.as_millisecond()])?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn add(job: u64, at: i64) -> Change {
        let event = format!(
            r#"{{"key":"gitlab.com/1/{job}","name":"build","status":"pending","received_at":"1970-01-01T00:00:00Z"}}"#
        );
        Change::Add { event, due: second(at) }
    }

    /// The jobs of the events that are due.
    fn due(store: &QueueStore, at: i64, except: &[i64]) -> Vec<u64> {
        let due = store.due(second(at), 10, except).unwrap();
        due.into_iter().map(|queued| queued.event.unwrap().key.job.0).collect()
    }

    #[test]
    fn events_are_due_in_order_until_they_are_done_deferred_or_buried() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = QueueStore::open(&temp.path().join("queue.db")).unwrap();
        store.apply(&[add(1, 10), add(2, 10), add(3, 20), add(4, 10)]).unwrap();
        assert_eq!(due(&store, 9, &[]), [0; 0]);
        assert_eq!(due(&store, 10, &[]), [1, 2, 4]);
        assert_eq!(due(&store, 10, &[1, 4]), [2]);
        assert_eq!(store.next_due(second(10)).unwrap(), Some(second(20)));
        store
            .apply(&[
                Change::Done { seq: 1 },
                Change::Defer { seq: 2, due: second(30), for_capacity: false },
                Change::Bury { seq: 4, reason: "nobody can read it".to_owned(), now: second(11) },
            ])
            .unwrap();
        assert_eq!(due(&store, 20, &[]), [3]);
        assert_eq!(store.counts().unwrap(), (2, 1));
        assert_eq!(store.due(second(30), 10, &[3]).unwrap()[0].tries, 1);
    }

    #[test]
    fn as_many_waiting_events_are_due_as_runners_left_the_longest_waiting_first() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = QueueStore::open(&temp.path().join("queue.db")).unwrap();
        let wait = |seq| Change::Defer { seq, due: second(1000), for_capacity: true };
        let fail = |seq| Change::Defer { seq, due: second(1000), for_capacity: false };
        store
            .apply(&[add(1, 0), add(2, 0), add(3, 0), add(4, 0), fail(1), wait(2), wait(3), wait(4)])
            .unwrap();
        store.apply(&[Change::Nudge { runners: 2, now: second(5) }]).unwrap();
        assert_eq!(due(&store, 5, &[]), [2, 3]);
    }

    #[test]
    fn a_job_that_is_in_the_queue_is_not_added_again_as_missing() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = QueueStore::open(&temp.path().join("queue.db")).unwrap();
        let missing = |job: u64| {
            let Change::Add { event, due } = add(job, 0) else { unreachable!("it adds") };
            Change::AddMissing { key: format!("gitlab.com/1/{job}").parse().unwrap(), event, due }
        };
        let broken = Change::Add { event: "{".to_owned(), due: second(99) };
        let finished = Change::Add {
            event: r#"{"key":"gitlab.com/1/3","status":"success"}"#.to_owned(),
            due: second(99),
        };
        store.apply(&[broken, finished, add(1, 0), missing(1), missing(2), missing(2), missing(3)]).unwrap();
        assert_eq!(due(&store, 0, &[]), [1, 2, 3]);
        // It waits for its turn, and is in the queue all the same.
        store.apply(&[Change::Defer { seq: 3, due: second(50), for_capacity: true }, missing(1)]).unwrap();
        assert_eq!(due(&store, 0, &[]), [2, 3]);
    }

    #[test]
    fn woken_up_every_event_is_due_and_waiting_jobs_are_told() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = QueueStore::open(&temp.path().join("queue.db")).unwrap();
        store
            .apply(&[add(1, 0), add(2, 0), Change::Defer { seq: 2, due: second(1000), for_capacity: true }])
            .unwrap();
        let waiting = store.wake_all(second(5)).unwrap();
        assert_eq!(waiting.iter().map(|key| key.job.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(due(&store, 5, &[]), [1, 2]);
    }

    #[test]
    fn what_was_accepted_is_there_after_a_restart_also_if_it_cannot_be_read() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("queue.db");
        let broken = Change::Add { event: "{".to_owned(), due: second(0) };
        QueueStore::open(&file).unwrap().apply(&[add(1, 0), broken]).unwrap();
        let queued = QueueStore::open(&file).unwrap().due(second(0), 10, &[]).unwrap();
        assert_eq!(queued.iter().map(|queued| queued.event.is_ok()).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_file_that_was_moved_away_is_gone_and_one_that_comes_back_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let (file, away) = (temp.path().join("queue.db"), temp.path().join("away.db"));
        let mut store = QueueStore::open(&file).unwrap();
        fs::rename(&file, &away).unwrap();
        assert!(matches!(store.apply(&[add(1, 0)]), Err(StoreDown::Gone(_))));
        fs::write(&file, "another file in its place").unwrap();
        assert!(matches!(store.apply(&[add(1, 0)]), Err(StoreDown::Gone(_))));
        fs::rename(&away, &file).unwrap();
        store.apply(&[add(1, 0)]).unwrap();
        assert_eq!(due(&store, 0, &[]), [1]);
    }
}
