//! `mayfly events`.

mod archive;
mod choose;
mod letters;
mod machines;
mod read;
mod replay;
mod report;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::event::JobEvent;
use mayfly_local::letters::StoppedQueue;

use self::choose::{Chosen, FilterFlags, Machine, is_forgotten};
use self::letters::{LOOK_SECONDS, Letters, REPLAY_SECONDS};
use self::machines::{Machines, Outcome, What};
use self::replay::{Handler, Replayer, for_nobody};
use self::report::{Listed, Passed, Replay, Replayed};
use self::source::{From, Gathered, Item, gather, gather_beside};
use crate::consent::consent;
use crate::installation::aws::{Account, AwsFlags};
use crate::installation::{DEFAULT_INFRASTRUCTURE_STACK, DEFAULT_STACK};
use crate::output::{OutputFlags, counted};

/// Look at job events that are kept, or could not be handled, and have them handled once more.
#[derive(Debug, Args)]
pub(crate) struct EventsCommand {
    #[command(subcommand)]
    action: EventsAction,
}

#[derive(Debug, Subcommand)]
enum EventsAction {
    List(ListCommand),
    Replay(ReplayCommand),
}

/// List the job events of a source, the oldest first, and why they failed.
///
/// Messages of a queue are only looked at: they stay there, and are hidden from other readers for a minute at most. What another
/// reader is looking at meanwhile is not seen. Of one queue, 10,000 messages are read at the most.
///
/// The archive of an event bus cannot be read. It is replayed instead, to a rule of the infrastructure's stack that puts what it hears
/// into a queue, and to no other rule: nothing is handled because of it. That takes some minutes, costs a little, and sees
/// only what came in ten minutes ago or earlier.
///
/// With `--data-dir`, `dead-letters` are the events that this `mayfly local` could not handle. What it still tries is not among
/// them: it does so by itself.
///
/// Rights: cloudformation:DescribeStacks; for queues, sqs:ReceiveMessage and sqs:ChangeMessageVisibility; for the archive also
/// events:StartReplay, events:DescribeReplay and sqs:DeleteMessage.
#[derive(Debug, Args)]
#[command(after_help = LIST_EXIT_CODES, after_long_help = LIST_EXIT_CODES)]
struct ListCommand {
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Have job events handled once more, as if they had just come in, and tell what came of each.
///
/// Each event goes to the state machine that handles its status: `pending` to start-runner; `running`, `success`, `failed` and
/// `canceled` to finish-runner. Nobody listens to `created`. Launches that could not be handled go back into the launch queue.
///
/// This may be repeated: a job has one record in the ledger, and one that has a runner, or is over, starts nothing again. Of each
/// job, the event that tells most is replayed first. The ledger remembers a job for eight days. For a `pending` event that is older,
/// the dispatcher asks GitLab whether the job still waits; without an API token nobody knows, and a runner may start that finds no
/// job and leaves again. So older events are replayed only after a question, or with `--yes`.
///
/// A message of a queue is deleted once its event is handled. An event that fails again is in the dead-letter queue anew, and
/// its old message is deleted; what fails otherwise stays. If this command is interrupted, messages come back after 15
/// minutes. News of EC2 instances, and what else nobody listens to, are deleted, unless a filter is given.
///
/// With `--data-dir`, events are put into the queue of a `mayfly local` that does not run; it handles them when it is started.
///
/// Rights: those of `mayfly events list`, states:StartSyncExecution, sqs:DeleteMessage, sqs:SendMessage to the launch queue.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXIT_CODES, after_long_help = REPLAY_EXIT_CODES)]
struct ReplayCommand {
    #[command(flatten)]
    source: SourceFlags,
    /// Only say what would be replayed.
    #[arg(long)]
    dry_run: bool,
    /// Replay events too that the ledger may have forgotten, without a question.
    #[arg(long, short)]
    yes: bool,
    /// How many jobs are replayed at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=50))]
    at_once: u8,
    #[command(flatten)]
    output: OutputFlags,
}

const LIST_EXIT_CODES: &str = "\
Exit codes:
  0  the list is printed, and may be empty
  1  something in it cannot be read, or the source could not be
  2  the command line is wrong";

const REPLAY_EXIT_CODES: &str = "\
Results:
  done         the dispatcher has handled it
  later        its job waits in the launch queue
  parked       its job is given up; the reason is told
  queued       it is in a queue, and is handled in its turn
  for nobody   no state machine listens to it
  dead letter  it failed again, and is in the dead-letter queue
  failed       it could not be replayed, or its execution failed

Exit codes:
  0  all events are replayed
  1  some failed or cannot be read, or nothing could be done
  2  the command line is wrong";

#[derive(Debug, Args)]
struct SourceFlags {
    /// Where the events are: `dead-letters` (events that could not be handled), `launch-dead-letters` (launches that could not),
    /// `archive` (all events of the last days; needs --since), a file, or `-` for standard input.
    ///
    /// A file has JSON, one document or one in each line: job webhooks of GitLab, events of the bus with or without their envelope,
    /// dead letters, or what `mayfly events list --output json` printed.
    #[arg(long, value_name = "SOURCE")]
    from: From,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    of: InstallationOfEvents,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
struct InstallationOfEvents {
    /// The data folder of a `mayfly local` on this machine.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stack", "infrastructure_stack", "profile", "region"])]
    data_dir: Option<PathBuf>,
    /// The name of the autoscaler's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    stack: String,
    /// The name of the infrastructure's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_INFRASTRUCTURE_STACK)]
    infrastructure_stack: String,
    #[command(flatten)]
    aws: AwsFlags,
}

pub(crate) async fn run(command: EventsCommand) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    match command.action {
        EventsAction::List(command) => list(command, now).await,
        EventsAction::Replay(command) => replay(command, now).await,
    }
}

async fn list(command: ListCommand, now: Timestamp) -> anyhow::Result<ExitCode> {
    let source = &command.source;
    let account = source.account(false).await?;
    let Gathered { items, letters } = source.gather(account.as_ref(), LOOK_SECONDS, now).await?;
    release(letters.as_ref(), items.iter()).await;
    let listed = Listed::of(source.filter.choose(items, now), source.from.to_string(), now);
    command.output.print(&listed)?;
    Ok(if listed.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn replay(command: ReplayCommand, now: Timestamp) -> anyhow::Result<ExitCode> {
    let source = &command.source;
    let account = source.account(!command.dry_run).await?;
    let handler = match &account {
        // Before any message is hidden: without a handler none is.
        Some(account) if !command.dry_run => Some(source.handler(account).await?),
        _ => None,
    };
    let hidden_seconds = if command.dry_run { LOOK_SECONDS } else { REPLAY_SECONDS };
    let Gathered { items, letters } = source.gather(account.as_ref(), hidden_seconds, now).await?;
    let chosen = source.filter.choose(items, now);
    let unreadable = Passed::all(&chosen.unreadable);
    let nobodys = Passed::all(&chosen.nobodys);
    release(letters.as_ref(), chosen.not_meant()).await;
    let refused = if command.dry_run { Ok(()) } else { ask(&chosen, command.yes, now) };
    if command.dry_run || refused.is_err() {
        release(letters.as_ref(), chosen.meant()).await;
    }
    refused?;
    let (events, settled) = match (account, handler) {
        _ if command.dry_run => {
            (chosen.events.iter().map(|(event, item)| planned(event, item)).collect(), Ok(()))
        }
        (Some(account), Some(handler)) => {
            let replayer = Arc::new(Replayer { account, handler, letters });
            let outcomes = replayer.replay(chosen.events, command.at_once.into()).await;
            (outcomes, replayer.delete(&chosen.nobodys).await)
        }
        _ => (source.of.requeue(chosen, now)?, Ok(())),
    };
    let replay = Replay::new(events, nobodys, unreadable, command.dry_run, now);
    command.output.print(&replay)?;
    settled?;
    Ok(if replay.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Gives messages back to other readers.
async fn release(letters: Option<&Letters>, items: impl Iterator<Item = &Item>) {
    if let Some(letters) = letters {
        letters.release(items.filter_map(|item| item.letter.clone())).await;
    }
}

/// Asks before events are replayed that the ledger may have forgotten.
fn ask(chosen: &Chosen<Item>, is_agreed: bool, now: Timestamp) -> anyhow::Result<()> {
    let old = chosen.events.iter().filter(|(event, _)| is_forgotten(event, now)).count();
    if old == 0 {
        return Ok(());
    }
    let warning = format!(
        "{old} of {} {} older than the eight days for which the ledger remembers a job. Without an API token nobody \
         knows whether such a job still waits: a `pending` may start a runner that finds none, and a `running` leaves an open \
         record for eight days",
        counted(chosen.events.len(), "event"),
        if old == 1 { "is" } else { "are" }
    );
    let instead = "give --yes to replay them all the same, or --since 8d to leave them out";
    consent(&format!("{warning}.\nReplay them?"), &format!("{warning}; {instead}"), is_agreed)
}

/// What a dry run tells of an event.
fn planned(event: &JobEvent, item: &Item) -> Replayed {
    let machine = Machine::of(event.status);
    let outcome = match (machine, &item.letter) {
        (None, _) => for_nobody(event),
        (Some(machine), _) => {
            Outcome { what: What::Planned, said: format!("it would be handled by {}", machine.as_str()) }
        }
    };
    Replayed::new(event, &item.found.place, machine, outcome)
}

impl SourceFlags {
    /// The account, if the source or the command needs one.
    async fn account(&self, is_needed: bool) -> anyhow::Result<Option<Account>> {
        let is_file = matches!(self.from, From::File(_) | From::StandardInput);
        if self.of.data_dir.is_some() || (is_file && !is_needed) {
            return Ok(None);
        }
        Account::connect(&self.of.aws).await.map(Some)
    }

    async fn gather(
        &self,
        account: Option<&Account>,
        hidden_seconds: i32,
        now: Timestamp,
    ) -> anyhow::Result<Gathered> {
        if let Some(data_dir) = &self.of.data_dir {
            return gather_beside(&self.from, data_dir, now);
        }
        gather(&self.from, &self.of, account, &self.filter, hidden_seconds, now).await
    }

    async fn handler(&self, account: &Account) -> anyhow::Result<Handler> {
        let stack = account.stack(&self.of.stack).await?;
        Ok(match &self.from {
            From::LaunchDeadLetters => {
                Handler::LaunchQueue(Letters::of(account, stack.output("LaunchQueueUrl")?))
            }
            _ => Handler::Machines(Machines::of(account, &stack)?),
        })
    }
}

impl InstallationOfEvents {
    /// Puts events into the queue of a `mayfly local` that does not run.
    fn requeue(&self, chosen: Chosen<Item>, now: Timestamp) -> anyhow::Result<Vec<Replayed>> {
        let Some(data_dir) = &self.data_dir else { anyhow::bail!("there is no --data-dir") };
        let mut queue = StoppedQueue::open(data_dir)?;
        let mut all = Vec::new();
        for (event, item) in chosen.events {
            let machine = Machine::of(event.status);
            let outcome = if machine.is_none() {
                for_nobody(&event)
            } else {
                let added = queue.add(&event, item.buried, now).map(|()| Outcome {
                    what: What::Queued,
                    said: "it is handled when `mayfly local` is started".to_owned(),
                });
                added.unwrap_or_else(|error| Outcome::failed(&error))
            };
            all.push(Replayed::new(&event, &item.found.place, None, outcome));
        }
        Ok(all)
    }
}
