//! Parameter Store.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mayfly_aws::ssm::{ParameterName, ParameterStore, Parameters};
use mayfly_core::error::PortError;
use mayfly_core::ids::SecretName;
use mayfly_core::ports::SecretStore;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::server::{Answer, Mute, Scripted, Then};
use crate::{HandClock, assert_error};

const KEEP_FOR: Duration = Duration::from_mins(5);
const DENIED: &str = "access is denied, check the rights of the role (AccessDeniedException: no)";

/// Parameters with these values; one without a value is not there.
fn values(parameters: &[(&str, Option<&str>)]) -> Answer {
    let found: Vec<Value> = parameters
        .iter()
        .filter_map(|(name, value)| Some(json!({ "Name": name, "Type": "SecureString", "Value": (*value)? })))
        .collect();
    let absent: Vec<&str> =
        parameters.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    Answer::ok(json!({ "Parameters": found, "InvalidParameters": absent }))
}

fn denied() -> Answer {
    Answer::error(400, "AccessDeniedException", "no")
}

fn down() -> Answer {
    Answer::error(500, "InternalServerError", "sorry")
}

fn parameters(server: &Scripted, clock: &Arc<HandClock>) -> Parameters {
    Parameters::new(server.connection().ssm(), KEEP_FOR, clock.clone())
}

fn names(names: &str) -> Vec<ParameterName> {
    names.split_whitespace().map(|name| name.parse().unwrap()).collect()
}

fn name(name: &str) -> ParameterName {
    name.parse().unwrap()
}

fn shown(value: Option<SecretString>) -> Option<String> {
    value.map(|value| value.expose_secret().to_owned())
}

async fn get(parameters: &Parameters, text: &str) -> Result<Option<String>, PortError> {
    parameters.get(&name(text)).await.map(shown)
}

/// The names of each call.
fn names_asked(server: &Scripted) -> Vec<String> {
    let names = |body: Value| {
        let names: Vec<String> = serde_json::from_value(body["Names"].clone()).unwrap();
        names.join(" ")
    };
    server.asked().iter().map(|asked| names(asked.json())).collect()
}

#[tokio::test]
async fn the_request_is_pinned_and_what_is_kept_is_not_asked_again() {
    let server =
        Scripted::start([values(&[("/a/New", Some("new")), ("/a/Old", Some("old")), ("/a/No", None)])]).await;
    let parameters = parameters(&server, &Arc::new(HandClock::new()));
    let asked = names("/a/Old /a/No /a/New /a/Old");
    for _ in 0..2 {
        let found: Vec<Option<String>> =
            parameters.get_many(&asked).await.unwrap().into_iter().map(shown).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found, [text("old"), None, text("new"), text("old")]);
    }
    let asked = server.only_asked();
    assert_eq!(asked.line(), "POST / AmazonSSM.GetParameters");
    assert_eq!(asked.json(), json!({ "Names": ["/a/New", "/a/No", "/a/Old"], "WithDecryption": true }));
}

#[tokio::test]
async fn secrets_are_below_their_path_and_fetched_together() {
    let server =
        Scripted::start([values(&[("/mayfly/Url", Some("https://x")), ("/mayfly/team/Token", None)])]).await;
    let parameters = parameters(&server, &Arc::new(HandClock::new()));
    let store = ParameterStore::new(parameters, "/mayfly".parse().unwrap());
    let [url, token]: [SecretName; 2] = ["Url", "team/Token"].map(|name| name.parse().unwrap());
    store.prefetch(&[url.clone(), token.clone()]).await.unwrap();
    assert_eq!(shown(store.get(&url).await.unwrap()).as_deref(), Some("https://x"));
    assert_eq!(shown(store.get(&token).await.unwrap()), None);
    assert_eq!(names_asked(&server), ["/mayfly/Url /mayfly/team/Token"]);

    let error = store.get(&"team//Token".parse().unwrap()).await.unwrap_err();
    assert_error(
        &error,
        false,
        "Parameter Store: get team//Token below /mayfly failed: `/mayfly/team//Token` is not the name of a parameter such \
         as `/mayfly/Url`",
    );
}

#[tokio::test]
async fn ten_names_go_with_one_call_and_what_is_due_goes_along() {
    let all: Vec<String> = (10..22).map(|number| format!("/a/{number}")).collect();
    let answer =
        |names: &[String]| values(&names.iter().map(|name| (name.as_str(), Some("x"))).collect::<Vec<_>>());
    let server = Scripted::start([answer(&all[..10]), answer(&all[10..]), answer(&all)]).await;
    let clock = Arc::new(HandClock::new());
    let parameters = parameters(&server, &clock);
    parameters.get_many(&names(&all.join(" "))).await.unwrap();
    assert_eq!(names_asked(&server), [all[..10].join(" "), all[10..].join(" ")]);

    clock.go_on(300);
    get(&parameters, "/a/21").await.unwrap();
    assert_eq!(names_asked(&server)[2..], [format!("/a/21 {}", all[..9].join(" "))]);
    get(&parameters, "/a/10").await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn one_call_serves_everyone_who_asks_meanwhile() {
    for answer in [values(&[("/a/X", Some("x"))]), denied()] {
        let gate = Arc::new(Notify::new());
        let server = Scripted::start([answer.behind(&gate)]).await;
        let parameters = parameters(&server, &Arc::new(HandClock::new()));
        let asks = join_all((0..10).map(|_| get(&parameters, "/a/X")));
        let open = async {
            server.was_asked(1).await;
            gate.notify_one();
        };
        let (answers, ()) = tokio::join!(asks, open);
        assert!(answers.iter().all(|answer| answer.is_ok() == answers[0].is_ok()));
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_name_that_is_denied_takes_no_other_with_it() {
    let server = Scripted::start([denied(), values(&[("/a/Mine", Some("mine"))]), denied()]).await;
    let parameters = parameters(&server, &Arc::new(HandClock::new()));
    let error = parameters.get_many(&names("/a/Mine /b/Theirs")).await.unwrap_err();
    assert_error(&error, false, &format!("Parameter Store: get /b/Theirs failed: {DENIED}"));
    assert_eq!(get(&parameters, "/a/Mine").await.unwrap().as_deref(), Some("mine"));
    assert!(get(&parameters, "/b/Theirs").await.is_err(), "denied is not missing");
    assert_eq!(names_asked(&server), ["/a/Mine /b/Theirs", "/a/Mine", "/b/Theirs"]);
}

#[tokio::test]
async fn failures_say_later_or_never() {
    for (answer, attempts, is_transient, cause) in [
        (denied(), 1, false, DENIED),
        (Answer::error(400, "InvalidKeyId", "no such key"), 1, false, "InvalidKeyId: no such key"),
        (
            Answer::error(400, "ThrottlingException", "Rate exceeded"),
            3,
            true,
            "ThrottlingException: Rate exceeded",
        ),
        (down(), 3, true, "InternalServerError: sorry"),
        (values(&[]), 1, true, "the answer does not mention it"),
    ] {
        let server = Scripted::start([answer]).await;
        let parameters = parameters(&server, &Arc::new(HandClock::new()));
        let error = get(&parameters, "/a/X").await.unwrap_err();
        assert_error(&error, is_transient, &format!("Parameter Store: get /a/X failed: {cause}"));
        assert_eq!(server.asked().len(), attempts, "{cause}");
    }
}

#[tokio::test]
async fn a_value_outlives_a_store_that_fails() {
    let mut script = vec![values(&[("/a/X", Some("first"))])];
    script.extend([down(), down(), down(), denied(), values(&[("/a/X", Some("second"))])]);
    let server = Scripted::start(script).await;
    let clock = Arc::new(HandClock::new());
    let parameters = parameters(&server, &clock);
    for (seconds, value, calls) in [
        (0, "first", 1),
        (299, "first", 1),
        // Three attempts, and then peace for two seconds.
        (1, "first", 4),
        (1, "first", 4),
        (1, "first", 5),
        (2, "second", 6),
        (299, "second", 6),
    ] {
        clock.go_on(seconds);
        assert_eq!(get(&parameters, "/a/X").await.unwrap().as_deref(), Some(value));
        assert_eq!(server.asked().len(), calls);
    }
}

#[tokio::test]
async fn what_is_not_there_is_looked_for_again_soon() {
    let server = Scripted::start([values(&[("/a/X", None)]), values(&[("/a/X", Some("x"))])]).await;
    let clock = Arc::new(HandClock::new());
    let parameters = parameters(&server, &clock);
    for (seconds, value) in [(0, None), (59, None), (1, Some("x")), (299, Some("x"))] {
        clock.go_on(seconds);
        assert_eq!(get(&parameters, "/a/X").await.unwrap().as_deref(), value);
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_refresh_reads_everything_again() {
    let both = |value| values(&[("/a/X", Some(value)), ("/a/Y", Some(value))]);
    let server = Scripted::start([both("1"), both("2"), denied()]).await;
    let clock = Arc::new(HandClock::new());
    let parameters = parameters(&server, &clock);
    parameters.get_many(&names("/a/X /a/Y")).await.unwrap();
    parameters.refresh().await.unwrap();
    assert_eq!(get(&parameters, "/a/Y").await.unwrap().as_deref(), Some("2"));
    assert_eq!(names_asked(&server), ["/a/X /a/Y"; 2]);

    let error = parameters.refresh().await.unwrap_err();
    assert_error(&error, false, &format!("Parameter Store: get /a/X failed: {DENIED}"));
    assert_eq!(get(&parameters, "/a/Y").await.unwrap().as_deref(), Some("2"), "it stays in use");
}

#[tokio::test]
async fn a_refresh_does_not_wait_after_a_failure() {
    let server = Scripted::start([denied(), values(&[("/a/X", Some("x"))])]).await;
    let parameters = parameters(&server, &Arc::new(HandClock::new()));
    get(&parameters, "/a/X").await.unwrap_err();
    parameters.refresh().await.unwrap();
    assert_eq!(get(&parameters, "/a/X").await.unwrap().as_deref(), Some("x"));
}

#[tokio::test]
async fn a_store_that_never_answers_is_given_up_in_time() {
    let server = Mute::start(Then::Waits).await;
    let parameters = Parameters::new(server.connection().ssm(), KEEP_FOR, Arc::new(HandClock::new()));
    let answer = tokio::time::timeout(Duration::from_secs(4), get(&parameters, "/a/X")).await;
    assert!(answer.expect("an answer in time").unwrap_err().is_transient());
}
