//! The queues of dead letters: reading them without taking anything out, and taking out what is settled.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName,
};
use jiff::Timestamp;
use mayfly_core::error::Chain;

use super::read::{Content, Failure, Found, read_message};
use crate::installation::aws::Account;

/// How long a message is hidden from others while it is looked at, in seconds.
pub(super) const LOOK_SECONDS: i32 = 60;
/// How long a message is hidden from others while it is replayed, in seconds. Three times what one event can take.
pub(super) const REPLAY_SECONDS: i32 = 900;

/// The most messages of one call (SQS API reference, `ReceiveMessage`).
const MESSAGES_A_CALL: i32 = 10;
/// The most messages of one call (SQS API reference, `DeleteMessageBatch` and `ChangeMessageVisibilityBatch`).
const LETTERS_A_CALL: usize = 10;
/// How long a call waits for messages, in seconds. Without waiting, SQS asks only some of its servers.
const WAIT_SECONDS: i32 = 1;
/// How many messages are read at the most.
const MOST_MESSAGES: usize = 10_000;

/// A queue of dead letters.
pub(super) struct Letters {
    client: Client,
    url: String,
}

/// A message, with what is needed to take it out or to give it back.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// Its id. A message that comes around again has the same, and another receipt.
    pub(super) message: Option<String>,
    receipt: String,
    /// Just as it was sent.
    pub(super) body: String,
}

impl Letters {
    pub(super) fn of(account: &Account, url: &str) -> Self {
        Self { client: Client::new(account.config()), url: url.to_owned() }
    }

    /// Reads all messages that nobody else is reading, and hides them for so many seconds. If that fails, none stays hidden.
    pub(super) async fn read(
        &self,
        account: &Account,
        hidden_seconds: i32,
        now: Timestamp,
    ) -> anyhow::Result<Vec<(Found, Letter)>> {
        let mut known = BTreeSet::new();
        let mut all: Vec<(Found, Letter)> = Vec::new();
        while all.len() < MOST_MESSAGES {
            let some = match self.receive(account, hidden_seconds, now).await {
                Ok(some) => some,
                Err(error) => {
                    self.release(all.into_iter().map(|(_, letter)| letter)).await;
                    return Err(error);
                }
            };
            let before = all.len();
            all.extend(some.into_iter().filter(|(_, letter)| known.insert(letter.message.clone())));
            // Empty, or only what comes around again.
            if all.len() == before {
                break;
            }
        }
        Ok(all)
    }

    /// Reads a few messages, and hides them for so many seconds.
    pub(super) async fn receive(
        &self,
        account: &Account,
        hidden_seconds: i32,
        now: Timestamp,
    ) -> anyhow::Result<Vec<(Found, Letter)>> {
        let asked = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MESSAGES_A_CALL)
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(hidden_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("ERROR_CODE")
            .message_attribute_names("ERROR_MESSAGE");
        let answer = asked.send().await.map_err(|error| {
            account.explain(&format!("read the queue {}", self.url), error.code(), &Chain(&error))
        })?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().map(|message| letter_of(message, now)).collect())
    }

    /// Takes a message out for good.
    pub(super) async fn delete(&self, account: &Account, letter: &Letter) -> anyhow::Result<()> {
        let deleted =
            self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt).send().await;
        deleted.map(drop).map_err(|error| {
            account.explain(
                &format!("delete a message of the queue {}", self.url),
                error.code(),
                &Chain(&error),
            )
        })
    }

    /// Takes messages out for good, ten a call.
    pub(super) async fn delete_all(
        &self,
        account: &Account,
        letters: impl Iterator<Item = &Letter>,
    ) -> anyhow::Result<()> {
        let letters: Vec<&Letter> = letters.collect();
        for some in letters.chunks(LETTERS_A_CALL) {
            let entry = |(number, letter): (usize, &&Letter)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
                entry.receipt_handle(&letter.receipt).build()
            };
            let entries = some.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
            let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
            call.send().await.map_err(|error| {
                account.explain(
                    &format!("delete messages of the queue {}", self.url),
                    error.code(),
                    &Chain(&error),
                )
            })?;
        }
        Ok(())
    }

    /// Gives messages back to other readers. One that is not given back comes back by itself.
    pub(super) async fn release(&self, letters: impl IntoIterator<Item = Letter>) {
        let letters: Vec<Letter> = letters.into_iter().collect();
        for some in letters.chunks(LETTERS_A_CALL) {
            let entry = |(number, letter): (usize, &Letter)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
                entry.receipt_handle(&letter.receipt).visibility_timeout(0).build().ok()
            };
            let entries = some.iter().enumerate().filter_map(entry).collect();
            let call = self.client.change_message_visibility_batch().queue_url(&self.url);
            if call.set_entries(Some(entries)).send().await.is_err() {
                return;
            }
        }
    }

    /// Sends a message just as it was.
    pub(super) async fn send(&self, account: &Account, body: &str) -> anyhow::Result<()> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| {
            account.explain(
                &format!("send a message to the queue {}", self.url),
                error.code(),
                &Chain(&error),
            )
        })
    }
}

fn letter_of(message: Message, now: Timestamp) -> (Found, Letter) {
    let body = message.body.clone().unwrap_or_default();
    let (content, told) = read_message(&body, now);
    let failure = told.unwrap_or_default().or(failure_of(&message));
    let found = Found {
        place: format!("message {}", message.message_id.as_deref().unwrap_or("without an id")),
        content: readable_or_why(content, &body),
        failure: (failure != Failure::default()).then_some(failure),
    };
    (found, Letter { message: message.message_id, receipt: message.receipt_handle.unwrap_or_default(), body })
}

/// An empty message is said to be one.
fn readable_or_why(content: Content, body: &str) -> Content {
    match content {
        Content::Unreadable(_) if body.trim().is_empty() => Content::Unreadable("it is empty".to_owned()),
        other => other,
    }
}

/// When it was sent, and what a rule of EventBridge tells of its failure (EventBridge user guide, dead-letter queues).
fn failure_of(message: &Message) -> Failure {
    let told = |name: &str| {
        let attributes = message.message_attributes.as_ref()?;
        attributes.get(name)?.string_value.clone()
    };
    let sent = message.attributes.as_ref().and_then(|it| it.get(&MessageSystemAttributeName::SentTimestamp));
    let at = sent.and_then(|sent| Timestamp::from_millisecond(sent.parse().ok()?).ok());
    Failure { machine: None, error: told("ERROR_CODE"), cause: told("ERROR_MESSAGE"), at }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    #[test]
    fn a_rules_letter_tells_why_in_its_attributes() {
        let text = |text: &str| {
            MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
        };
        let message = Message::builder()
            .message_id("m-1")
            .receipt_handle("r-1")
            .body(r#"{"key":"gitlab.com/1/2","name":"test","status":"running","received_at":"2026-08-01T10:00:00Z"}"#)
            .attributes(MessageSystemAttributeName::SentTimestamp, "1795000000000")
            .message_attributes("ERROR_CODE", text("NO_PERMISSIONS"))
            .message_attributes("ERROR_MESSAGE", text("not authorized"))
            .build();
        let (found, letter) = letter_of(message, NOW);
        let failure = found.failure.unwrap();
        assert_eq!((found.place.as_str(), letter.receipt.as_str()), ("message m-1", "r-1"));
        assert_eq!(letter.message.as_deref(), Some("m-1"));
        assert_eq!((failure.to_line().as_str(), failure.at), ("NO_PERMISSIONS: not authorized", Some(NOW)));
        assert!(matches!(found.content, Content::Job(_)));
    }

    #[test]
    fn an_empty_letter_is_said_to_be_empty() {
        let (found, _) = letter_of(Message::builder().message_id("m-1").build(), NOW);
        assert_eq!(found.content, Content::Unreadable("it is empty".to_owned()));
    }
}
