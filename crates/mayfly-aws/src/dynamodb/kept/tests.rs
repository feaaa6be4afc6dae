use std::future::{pending, ready};

use futures::channel::oneshot;
use futures::future::{join, join3};
use jiff::SignedDuration;
use mayfly_core::error::Chain;

use super::*;

const READ: Timestamp = Timestamp::UNIX_EPOCH;
const KEEP_FOR: Duration = Duration::from_secs(30);

type Answer = Result<&'static str, PortError>;

fn answers(answer: Answer) -> Read<&'static str> {
    ready(answer.map_err(Arc::new)).boxed()
}

/// A reading that is under way until something is sent.
fn later() -> (oneshot::Sender<Answer>, Read<&'static str>) {
    let (sender, receiver) = oneshot::channel();
    (sender, async move { receiver.await.expect("an answer").map_err(Arc::new) }.boxed())
}

fn nothing_is_read() -> Read<&'static str> {
    unreachable!("somebody reads")
}

#[tokio::test]
async fn a_value_is_fresh_for_its_time_only() {
    for (age, expected) in [(-1, "new"), (0, "old"), (29_999, "old"), (30_000, "new")] {
        let kept = Kept::new(KEEP_FOR);
        kept.get(READ, || answers(Ok("old"))).await.unwrap();
        let found = kept.get(READ + SignedDuration::from_millis(age), || answers(Ok("new"))).await;
        assert_eq!(found.unwrap(), expected, "after {age} ms");
    }
}

#[tokio::test]
async fn with_no_time_nothing_is_kept() {
    let kept = Kept::new(Duration::ZERO);
    for value in ["first", "second"] {
        assert_eq!(kept.get(READ, || answers(Ok(value))).await.unwrap(), value);
    }
}

#[tokio::test]
async fn who_asks_while_it_is_read_waits_for_that() {
    let kept = Kept::new(KEEP_FOR);
    let (answer, reading) = later();
    let ask = kept.get(READ, || reading);
    let others = join(kept.get(READ, nothing_is_read), kept.get(READ, nothing_is_read));
    let (first, others, ()) = join3(ask, others, async { answer.send(Ok("rows")).unwrap() }).await;
    assert_eq!([first.unwrap(), others.0.unwrap(), others.1.unwrap()], ["rows"; 3]);
    assert_eq!(kept.get(READ, nothing_is_read).await.unwrap(), "rows");
}

#[tokio::test]
async fn a_failure_is_told_to_everyone_who_waited_and_not_kept() {
    let kept = Kept::new(KEEP_FOR);
    let (answer, reading) = later();
    let asks = join(kept.get(READ, || reading), kept.get(READ, nothing_is_read));
    let send = async { answer.send(Err(PortError::later("scan", "no answer"))).unwrap() };
    let ((first, second), ()) = join(asks, send).await;
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert_eq!(Chain(&*error).to_string(), "scan failed: no answer");
    }
    assert_eq!(kept.get(READ, || answers(Ok("rows"))).await.unwrap(), "rows");
}

#[tokio::test]
async fn a_reading_that_nobody_waits_for_any_more_holds_up_nobody() {
    let kept = Kept::new(KEEP_FOR);
    {
        let mut ask = Box::pin(kept.get(READ, || pending().boxed()));
        assert!(ask.as_mut().now_or_never().is_none());
    }
    assert_eq!(kept.get(READ, || answers(Ok("rows"))).await.unwrap(), "rows");
}
