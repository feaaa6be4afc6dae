//! User data: what the launch template tells every instance of a stack. No secret is in it.

use serde::Deserialize;

/// The form that this code reads.
const VERSION: u32 = 1;

/// What an instance must know to find its assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserData {
    /// The table with the assignments.
    pub assignment_table: String,
    /// The unique id of the instance's role, `AROA…`: the first half of the instance's `aws:userid`.
    pub role_id: String,
    /// Where the instance writes its log; `None` if nobody wants it.
    pub log_group: Option<String>,
}

/// User data that no launch template of ours wrote.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUserData {
    /// There is none.
    #[error("the instance has no user data")]
    Missing,
    /// It is no JSON, or something is missing in it.
    #[error("the user data is not ours")]
    Unreadable(#[source] serde_json::Error),
    /// It is of another time.
    #[error(
        "the user data has version {0} of its form, and this agent reads version {VERSION}: use an image that fits the stack"
    )]
    OtherVersion(u32),
}

#[derive(Deserialize)]
struct Version {
    mayfly: u32,
}

/// Unknown fields are passed over: a newer stack may say more.
#[derive(Deserialize)]
struct Document {
    assignment_table: String,
    role_id: String,
    #[serde(default)]
    log_group: Option<String>,
}

impl UserData {
    /// Reads what the launch template wrote.
    pub fn from_json(json: &str) -> Result<Self, InvalidUserData> {
        // The version first: what else is there depends on it.
        let Version { mayfly } = serde_json::from_str(json).map_err(InvalidUserData::Unreadable)?;
        if mayfly != VERSION {
            return Err(InvalidUserData::OtherVersion(mayfly));
        }
        let document: Document = serde_json::from_str(json).map_err(InvalidUserData::Unreadable)?;
        Ok(Self {
            assignment_table: document.assignment_table,
            role_id: document.role_id,
            log_group: document.log_group.filter(|group| !group.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, log_group: Option<&str>) {
        let expected = UserData {
            assignment_table: "assignments".to_owned(),
            role_id: "AROAEXAMPLE".to_owned(),
            log_group: log_group.map(ToOwned::to_owned),
        };
        assert_eq!(UserData::from_json(json).unwrap(), expected, "{json}");
    }

    #[test]
    fn what_the_launch_template_writes_is_read_and_more_is_passed_over() {
        let log_group = r#""log_group": "/mayfly/main/runners""#;
        let rest = r#""assignment_table": "assignments", "role_id": "AROAEXAMPLE""#;
        check(&format!(r#"{{"mayfly": 1, {rest}, {log_group}}}"#), Some("/mayfly/main/runners"));
        check(
            &format!(r#"{{"mayfly": 1, {rest}, {log_group}, "later": {{}}}}"#),
            Some("/mayfly/main/runners"),
        );
        check(&format!(r#"{{"mayfly": 1, {rest}, "log_group": ""}}"#), None);
        check(&format!(r#"{{"mayfly": 1, {rest}}}"#), None);
    }

    #[test]
    fn what_is_not_ours_is_told_from_what_is_of_another_time() {
        for text in
            ["", "#!/bin/bash\nreboot", "{}", r#"{"mayfly": "1"}"#, r#"{"mayfly": 1, "role_id": "a"}"#]
        {
            let error = UserData::from_json(text).unwrap_err();
            assert!(matches!(error, InvalidUserData::Unreadable(_)), "{text}: {error}");
        }
        let newer = UserData::from_json(r#"{"mayfly": 2}"#).unwrap_err();
        assert!(matches!(newer, InvalidUserData::OtherVersion(2)), "{newer}");
    }
}
