//! Where events are taken from.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use jiff::Timestamp;
use mayfly_local::letters::buried;

use super::choose::FilterFlags;
use super::letters::{Letter, Letters};
use super::read::{Found, read_file, read_message};
use super::{InstallationOfEvents, archive};
use crate::installation::aws::Account;

/// The largest file that is read, in bytes.
const LARGEST_FILE: u64 = 512 * 1024 * 1024;

/// What a person names as the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Archive,
    DeadLetters,
    LaunchDeadLetters,
    StandardInput,
    File(PathBuf),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "" => {
                return Err(
                    "write archive, dead-letters, launch-dead-letters, the name of a file, or -".to_owned()
                );
            }
            "archive" => Self::Archive,
            "dead-letters" => Self::DeadLetters,
            "launch-dead-letters" => Self::LaunchDeadLetters,
            "-" => Self::StandardInput,
            file => Self::File(file.into()),
        })
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Archive => formatter.write_str("archive"),
            Self::DeadLetters => formatter.write_str("dead-letters"),
            Self::LaunchDeadLetters => formatter.write_str("launch-dead-letters"),
            Self::StandardInput => formatter.write_str("standard input"),
            Self::File(file) => file.display().fmt(formatter),
        }
    }
}

/// What was found, and where it is to be settled.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) found: Found,
    /// The message that holds it.
    pub(super) letter: Option<Letter>,
    /// Its number among the events that a `mayfly local` could not handle.
    pub(super) buried: Option<i64>,
}

impl AsRef<Found> for Item {
    fn as_ref(&self) -> &Found {
        &self.found
    }
}

impl Item {
    fn kept(found: Found) -> Self {
        Self { found, letter: None, buried: None }
    }
}

/// All that a source holds.
pub(super) struct Gathered {
    pub(super) items: Vec<Item>,
    /// The queue that its messages are in.
    pub(super) letters: Option<Letters>,
}

/// Reads a source on AWS, or a file. Of the archive, only what the filter takes is kept. Messages stay hidden from others for so many seconds.
pub(super) async fn gather(
    from: &From,
    of: &InstallationOfEvents,
    account: Option<&Account>,
    filter: &FilterFlags,
    hidden_seconds: i32,
    now: Timestamp,
) -> anyhow::Result<Gathered> {
    let (letters, read) = match (from, account) {
        (From::StandardInput, _) => return Ok(from_text(&read_text(std::io::stdin().lock())?, now)),
        (From::File(file), _) => return Ok(from_text(&open_text(file)?, now)),
        (_, None) => bail!("{from} is at AWS: it goes without --data-dir"),
        (From::Archive, Some(account)) => {
            let read = archive::read(account, of, filter, now).await?;
            return Ok(Gathered { items: read.into_iter().map(Item::kept).collect(), letters: None });
        }
        (From::DeadLetters, Some(account)) => {
            let stack = account.stack(&of.infrastructure_stack).await?;
            let letters = Letters::of(account, stack.output("DeadLetterQueueUrl")?);
            let read = letters.read(account, hidden_seconds, now).await?;
            (letters, read)
        }
        (From::LaunchDeadLetters, Some(account)) => {
            let stack = account.stack(&of.stack).await?;
            let letters = Letters::of(account, stack.output("LaunchDeadLetterQueueUrl")?);
            let read = letters.read(account, hidden_seconds, now).await?;
            (letters, read)
        }
    };
    let item = |(found, letter)| Item { found, letter: Some(letter), buried: None };
    Ok(Gathered { items: read.into_iter().map(item).collect(), letters: Some(letters) })
}

/// Reads what a `mayfly local` could not handle, or a file.
pub(super) fn gather_beside(from: &From, data_dir: &Path, now: Timestamp) -> anyhow::Result<Gathered> {
    match from {
        From::StandardInput => Ok(from_text(&read_text(std::io::stdin().lock())?, now)),
        From::File(file) => Ok(from_text(&open_text(file)?, now)),
        From::DeadLetters => {
            let items = buried(data_dir)?.into_iter().map(|one| {
                let (content, told) = read_message(&one.event, now);
                let mut failure = told.unwrap_or_default();
                failure.cause = Some(one.reason);
                failure.at = one.at.parse().ok();
                let place = format!("dead letter {}", one.seq);
                let found = Found { place, content, failure: Some(failure) };
                Item { found, letter: None, buried: Some(one.seq) }
            });
            Ok(Gathered { items: items.collect(), letters: None })
        }
        From::Archive | From::LaunchDeadLetters => {
            bail!("a `mayfly local` has no {from}: it has dead-letters; name these, or a file")
        }
    }
}

fn from_text(text: &str, now: Timestamp) -> Gathered {
    Gathered { items: read_file(text, now).into_iter().map(Item::kept).collect(), letters: None }
}

fn open_text(file: &Path) -> anyhow::Result<String> {
    let opened = std::fs::File::open(file).with_context(|| {
        let known = "the other sources are archive, dead-letters and launch-dead-letters";
        format!("cannot open {} ({known})", file.display())
    })?;
    read_text(opened).with_context(|| format!("cannot read {}", file.display()))
}

fn read_text(from: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    let count = from.take(LARGEST_FILE + 1).read_to_string(&mut text).context("cannot read the events")?;
    if u64::try_from(count).is_ok_and(|count| count > LARGEST_FILE) {
        bail!("there is more than 512 MB of it: split it");
    }
    Ok(text)
}
