//! Roles that jobs act in.

use std::collections::BTreeMap;

use mayfly_aws::sts::StsJobRoles;
use mayfly_core::assignment::JobCredentials;
use mayfly_core::error::PortError;
use mayfly_core::ports::JobRoles;
use secrecy::ExposeSecret;

use crate::assert_error;
use crate::server::{Answer, Mute, Scripted, Then};

const ROLE: &str = "arn:aws:iam::123456789012:role/ci/deploy";
const OPERATION: &str =
    "STS: assume role arn:aws:iam::123456789012:role/ci/deploy for job gitlab.example.com/380/1977 failed";

fn assumed() -> Answer {
    Answer::text(
        200,
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>very-secret</SecretAccessKey>\
         <SessionToken>session-secret</SessionToken><Expiration>2026-08-01T11:00:00.5Z</Expiration>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>",
    )
}

fn refused(status: u16, code: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>words</Message></Error>");
    Answer::text(status, format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
}

async fn credentials(roles: &StsJobRoles) -> Result<JobCredentials, PortError> {
    roles.credentials(&ROLE.parse().unwrap(), &"gitlab.example.com/380/1977".parse().unwrap()).await
}

#[tokio::test]
async fn the_request_is_pinned_and_the_credentials_are_read() {
    let server = Scripted::start([assumed()]).await;
    let credentials = credentials(&StsJobRoles::new(server.connection().sts())).await.unwrap();
    assert_eq!(credentials.access_key_id, "ASIAEXAMPLE");
    assert_eq!(credentials.secret_access_key.expose_secret(), "very-secret");
    assert_eq!(credentials.session_token.expose_secret(), "session-secret");
    assert_eq!(credentials.expires_at, "2026-08-01T11:00:00.5Z".parse().unwrap());

    let asked = server.only_asked();
    let members: BTreeMap<_, _> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        members,
        [
            "Action=AssumeRole",
            "DurationSeconds=3600",
            "RoleArn=arn:aws:iam::123456789012:role/ci/deploy",
            "RoleSessionName=mayfly-380-1977",
            "Version=2011-06-15",
        ]
    );
}

#[tokio::test]
async fn answers_say_later_or_never() {
    for (answer, attempts, is_transient, cause) in [
        (
            refused(403, "AccessDenied"),
            1,
            false,
            "the dispatcher may not assume it: check that the role is there, that its trust policy names the dispatcher's \
             role, and that the stack allows this role for jobs (AccessDenied: words)",
        ),
        (
            refused(400, "ValidationError"),
            1,
            false,
            "STS cannot read the role's name or takes no session of an hour for it (ValidationError: words)",
        ),
        (refused(403, "RegionDisabledException"), 1, false, "RegionDisabledException: words"),
        (refused(400, "Throttling"), 3, true, "Throttling: words"),
        (refused(503, "ServiceUnavailable"), 3, true, "ServiceUnavailable: words"),
    ] {
        let server = Scripted::start([answer]).await;
        let error = credentials(&StsJobRoles::new(server.connection().sts())).await.unwrap_err();
        assert_error(&error, is_transient, &format!("{OPERATION}: {cause}"));
        assert_eq!(server.asked().len(), attempts, "{cause}");
    }
}

#[tokio::test]
async fn no_answer_and_one_that_cannot_be_read_mean_later() {
    let server = Mute::start(Then::HangsUp).await;
    let error = credentials(&StsJobRoles::new(server.connection().sts())).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");

    for body in ["<html>proxy error", "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"] {
        let server = Scripted::start([Answer::text(200, body)]).await;
        let error = credentials(&StsJobRoles::new(server.connection().sts())).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
}
