//! The archive of the event bus. Nothing reads an archive; it can only be replayed. So its events are replayed to one rule, which puts
//! them into a queue, and are read there.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow, bail};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{ReplayDestination, ReplayState};
use indicatif::ProgressBar;
use jiff::Timestamp;
use mayfly_core::error::Chain;
use serde_json::Value;

use super::InstallationOfEvents;
use super::letters::{LOOK_SECONDS, Letter, Letters};
use super::read::Found;
use crate::installation::aws::Account;
use crate::installation::stack::Stack;

/// What the names of our replays begin with. The rule of the infrastructure's stack takes only such events.
const PREFIX: &str = "mayfly-list-";

/// How often the queue must be found empty after the replay is over: what was replayed last may still be on its way.
const EMPTY_LOOKS: u32 = 3;

/// The archive of an infrastructure's stack, and the way to read it.
struct Archive {
    client: Client,
    arn: String,
    bus: String,
    rule: String,
    queue: Letters,
}

/// Reads the archived events of a span of time.
pub(super) async fn read(
    account: &Account,
    of: &InstallationOfEvents,
    span: (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
) -> anyhow::Result<Vec<Found>> {
    let (since, until) = replayed_span(span, now)?;
    let stack = account.stack(&of.infrastructure_stack).await?;
    let archive = Archive::of(account, &stack)?;
    let name = format!("{PREFIX}{}-{}", now.as_millisecond(), std::process::id());
    archive.start(account, &name, since, until).await?;
    archive.collect(account, &name, now).await
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

    /// Reads what is replayed until that is over, and takes it out of the queue. What others replay is left to them.
    async fn collect(&self, account: &Account, name: &str, now: Timestamp) -> anyhow::Result<Vec<Found>> {
        let progress = ProgressBar::new_spinner();
        let (mut known, mut all) = (BTreeSet::new(), Vec::new());
        let mut empty_looks = 0;
        while empty_looks < EMPTY_LOOKS {
            let is_over = self.is_over(account, name).await?;
            let read = self.queue.read(account, LOOK_SECONDS, now).await?;
            let (own, others): (Vec<_>, Vec<_>) =
                read.into_iter().partition(|(_, letter)| replay_of(letter).as_deref() == Some(name));
            self.queue.release(others.into_iter().map(|(_, letter)| letter)).await;
            empty_looks = if is_over && own.is_empty() { empty_looks + 1 } else { 0 };
            self.queue.delete_all(account, own.iter().map(|(_, letter)| letter)).await?;
            for (found, letter) in own {
                let id = event_id(&letter).unwrap_or_else(|| found.place.clone());
                if known.insert(id.clone()) {
                    all.push(Found { place: format!("event {id}"), failure: None, ..found });
                }
            }
            progress.set_message(format!(
                "{} events, the archive is {}",
                all.len(),
                if is_over { "read" } else { "being read" }
            ));
            progress.tick();
        }
        progress.finish_and_clear();
        Ok(all)
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
    use jiff::SignedDuration;

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
