//! The archive of the event bus. Nothing reads an archive; it can only be replayed. So its events are replayed to one rule, which puts
//! them into a queue, and are read there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, bail};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{ReplayDestination, ReplayState};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::error::Chain;
use serde_json::Value;

use super::InstallationOfEvents;
use super::choose::FilterFlags;
use super::letters::{LOOK_SECONDS, Letter, Letters};
use super::read::Found;
use crate::installation::aws::Account;
use crate::installation::stack::Stack;

/// What the names of our replays begin with. The rule of the infrastructure's stack takes only such events.
const PREFIX: &str = "mayfly-list-";

/// How often the queue must be found empty after the replay is over: what was replayed last may still be on its way.
const EMPTY_LOOKS: u32 = 3;

/// How long the queue keeps what is replayed, as `infrastructure/template.yaml` has it.
const RETENTION: SignedDuration = SignedDuration::from_hours(1);

/// The archive of an infrastructure's stack, and the way to read it.
struct Archive {
    client: Client,
    arn: String,
    bus: String,
    rule: String,
    queue: Letters,
}

/// Reads the archived events that a filter takes, which must have a beginning.
pub(super) async fn read(
    account: &Account,
    of: &InstallationOfEvents,
    filter: &FilterFlags,
    now: Timestamp,
) -> anyhow::Result<Vec<Found>> {
    let (since, until) = replayed_span((filter.since(now), filter.until(now)), now)?;
    let stack = account.stack(&of.infrastructure_stack).await?;
    let archive = Archive::of(account, &stack)?;
    let name = format!("{PREFIX}{}-{}", now.as_millisecond(), std::process::id());
    archive.start(account, &name, since, until).await?;
    Collector { archive: &archive, account, name: &name, filter, now }.collect().await
}

/// The span of a replay: its beginning must be said.
fn replayed_span(
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
) -> anyhow::Result<(Timestamp, Timestamp)> {
    let since = since.context("the archive is read from a time on: give --since, such as --since 2h")?;
    let until = until.unwrap_or(now).min(now);
    if since >= until {
        bail!("no time lies between --since {since} and {until}");
    }
    Ok((since, until))
}

impl Archive {
    fn of(account: &Account, stack: &Stack) -> anyhow::Result<Self> {
        let bus = stack.output("EventBusArn")?.to_owned();
        let arn = archive_arn(&bus, stack.output("EventArchiveName")?)?;
        Ok(Self {
            client: Client::new(account.config()),
            arn,
            bus,
            rule: stack.output("ReplayRuleArn")?.to_owned(),
            queue: Letters::of(account, stack.output("ReplayQueueUrl")?),
        })
    }

    /// Starts a replay to the one rule, so that no other rule of the bus hears of it.
    async fn start(
        &self,
        account: &Account,
        name: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<()> {
        let destination = ReplayDestination::builder().arn(&self.bus).filter_arns(&self.rule).build()?;
        let started = self
            .client
            .start_replay()
            .replay_name(name)
            .description("Events that somebody lists; nothing is handled because of it")
            .event_source_arn(&self.arn)
            .event_start_time(DateTime::from_millis(since.as_millisecond()))
            .event_end_time(DateTime::from_millis(until.as_millisecond()))
            .destination(destination)
            .send()
            .await;
        started.map(drop).map_err(|error| {
            account.explain(&format!("replay the archive {}", self.arn), error.code(), &Chain(&error))
        })
    }

    async fn is_over(&self, account: &Account, name: &str) -> anyhow::Result<bool> {
        let answer = self.client.describe_replay().replay_name(name).send().await.map_err(|error| {
            account.explain(&format!("ask about the replay {name}"), error.code(), &Chain(&error))
        })?;
        match answer.state {
            Some(ReplayState::Completed) => Ok(true),
            Some(state @ (ReplayState::Failed | ReplayState::Cancelled)) => Err(anyhow!(
                "the replay {name} of {} is {}: {}",
                self.arn,
                state.as_str(),
                answer.state_reason.unwrap_or_else(|| "AWS does not say why".to_owned())
            )),
            _ => Ok(false),
        }
    }
}

/// Somebody who reads what is replayed.
struct Collector<'a> {
    archive: &'a Archive,
    account: &'a Account,
    /// The replay.
    name: &'a str,
    filter: &'a FilterFlags,
    now: Timestamp,
}

/// What was read so far.
#[derive(Default)]
struct Collected {
    /// Ids of events: one may be delivered twice.
    known: BTreeSet<String>,
    all: Vec<Found>,
}

impl Collector<'_> {
    /// Reads what is replayed until that is over, and takes it out of the queue.
    async fn collect(&self) -> anyhow::Result<Vec<Found>> {
        let progress = ProgressBar::new_spinner();
        let mut collected = Collected::default();
        let mut empty_looks = 0;
        while empty_looks < EMPTY_LOOKS {
            let is_over = self.archive.is_over(self.account, self.name).await?;
            let is_empty = self.look(&mut collected, &progress).await?;
            empty_looks = if is_over && is_empty { empty_looks + 1 } else { 0 };
        }
        progress.finish_and_clear();
        Ok(collected.all)
    }

    /// Empties the queue, and says whether nothing of this replay was in it. What others replay is left to them, once this look
    /// is over: given back at once, it would come again and again.
    async fn look(&self, collected: &mut Collected, progress: &ProgressBar) -> anyhow::Result<bool> {
        let (mut others, mut is_empty) = (BTreeMap::new(), true);
        let emptied = loop {
            let read = match self.read_some().await {
                Ok(read) => read,
                Err(error) => break Err(error),
            };
            let (own, foreign): (Vec<_>, Vec<_>) =
                read.into_iter().partition(|(_, letter)| replay_of(letter).as_deref() == Some(self.name));
            let before = others.len();
            others.extend(foreign.into_iter().map(|(_, letter)| (letter.message.clone(), letter)));
            if own.is_empty() && others.len() == before {
                break Ok(());
            }
            is_empty &= own.is_empty();
            if let Err(error) = self.take(own, collected).await {
                break Err(error);
            }
            progress.set_message(format!("{} events of the archive", collected.all.len()));
            progress.tick();
        };
        self.archive.queue.release(others.into_values()).await;
        emptied.map(|()| is_empty)
    }

    /// Reads what a few calls at once bring.
    async fn read_some(&self) -> anyhow::Result<Vec<(Found, Letter)>> {
        in_time(self.now, SystemClock.now())?;
        let receive = || Box::pin(self.archive.queue.receive(self.account, LOOK_SECONDS, self.now));
        let (first, second, third, fourth) = tokio::join!(receive(), receive(), receive(), receive());
        Ok([first?, second?, third?, fourth?].into_iter().flatten().collect())
    }

    /// Takes events out of the queue, and keeps those that the filter takes.
    async fn take(&self, own: Vec<(Found, Letter)>, collected: &mut Collected) -> anyhow::Result<()> {
        self.archive.queue.delete_all(self.account, own.iter().map(|(_, letter)| letter)).await?;
        for (found, letter) in own {
            if !self.filter.is_meant(&found.content, self.now) {
                continue;
            }
            let id = event_id(&letter).unwrap_or_else(|| found.place.clone());
            if collected.known.insert(id.clone()) {
                collected.all.push(Found { place: format!("event {id}"), failure: None, ..found });
            }
        }
        Ok(())
    }
}

/// Fails if events may have left the queue unread.
fn in_time(started: Timestamp, now: Timestamp) -> anyhow::Result<()> {
    if now.duration_since(started) < RETENTION {
        return Ok(());
    }
    bail!(
        "the archive could not be read within an hour, and for no longer the queue keeps what is replayed: narrow --since and --until, \
         and read one part after the other"
    )
}

/// An archive has the ARN of its bus, but for the last part.
fn archive_arn(bus: &str, archive: &str) -> anyhow::Result<String> {
    let (of_account, _) = bus
        .rsplit_once(":event-bus/")
        .with_context(|| format!("the output EventBusArn is no ARN of an event bus: {bus}"))?;
    Ok(format!("{of_account}:archive/{archive}"))
}

fn member(letter: &Letter, name: &str) -> Option<String> {
    let envelope: Value = serde_json::from_str(&letter.body).ok()?;
    envelope.get(name)?.as_str().map(str::to_owned)
}

fn replay_of(letter: &Letter) -> Option<String> {
    member(letter, "replay-name")
}

/// The id that the bus gave the event. One that is replayed twice has one.
fn event_id(letter: &Letter) -> Option<String> {
    member(letter, "id")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    #[test]
    fn an_archive_has_the_arn_of_its_bus() {
        let bus = "arn:aws-cn:events:cn-north-1:123456789012:event-bus/mayfly";
        let expected = "arn:aws-cn:events:cn-north-1:123456789012:archive/mayfly-events";
        assert_eq!(archive_arn(bus, "mayfly-events").unwrap(), expected);
        assert!(archive_arn("mayfly", "mayfly-events").is_err());
    }

    #[test]
    fn what_the_queue_may_have_forgotten_is_not_told_as_all() {
        let after = |minutes: i64| in_time(NOW, NOW + SignedDuration::from_mins(minutes));
        assert!(after(59).is_ok());
        assert!(after(60).unwrap_err().to_string().contains("narrow --since and --until"));
        let template = include_str!("../../../../infrastructure/template.yaml");
        let (_, queue) = template.split_once("\n  ReplayQueue:\n").unwrap();
        let line =
            queue.lines().find_map(|line| line.trim().strip_prefix("MessageRetentionPeriod: ")).unwrap();
        assert_eq!(line, RETENTION.as_secs().to_string());
    }

    #[test]
    fn a_span_begins_somewhere_and_ends_now_at_the_latest() {
        let at = |hours: i64| NOW + SignedDuration::from_hours(hours);
        for (since, until, expected) in [
            (Some(at(-2)), None, Some((at(-2), NOW))),
            (Some(at(-2)), Some(at(-1)), Some((at(-2), at(-1)))),
            (Some(at(-2)), Some(at(1)), Some((at(-2), NOW))),
            (Some(at(-1)), Some(at(-2)), None),
            (Some(at(1)), None, None),
            (None, Some(NOW), None),
        ] {
            assert_eq!(replayed_span((since, until), NOW).ok(), expected, "{since:?} {until:?}");
        }
    }
}
