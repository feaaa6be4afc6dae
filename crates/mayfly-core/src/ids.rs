//! Every id has a type; all are declared here. They are parsed at the edge and printed in logs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// A text that is not the id it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidId {
    /// What was read.
    pub text: String,
    /// What it should have been.
    pub expected: &'static str,
}

impl InvalidId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self).map_err(|_| InvalidId::new(text, "a whole number"))
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it is one.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) { Ok(Self(text)) } else { Err(InvalidId::new(&text, $expected)) }
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

number_id!(
    /// GitLab's numeric id of a project.
    ProjectId
);
number_id!(
    /// GitLab's numeric id of a job (`build_id`). A retry is a new one.
    JobId
);
number_id!(
    /// GitLab's numeric id of a pipeline.
    PipelineId
);
number_id!(
    /// GitLab's numeric id of a registered runner (of the registration, not of a machine that uses it).
    RunnerId
);

text_id!(
    /// The name of a job as written in `.gitlab-ci.yml`: any text of 1 to 255 characters.
    JobName, "a job name (1 to 255 characters)", |text| (1..=JobName::LONGEST).contains(&text.chars().count())
);

impl JobName {
    /// How many characters a name has at most: GitLab's limit.
    pub const LONGEST: usize = 255;
}

text_id!(
    /// The path of a project with its namespace, such as `group/subgroup/project`.
    ProjectPath, "a project path such as `group/project`",
    |text| !text.starts_with('/') && !text.ends_with('/') && text.contains('/')
);
text_id!(
    /// What a backend calls a runner's compute: an instance id, a process id of ours.
    ResourceId, "a resource id (letters, digits, `-` and `_`)",
    |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
);
text_id!(
    /// One installation of Mayfly, told apart from all others for ever: the id of its stack, or a name of its data folder.
    Installation, "the id of an installation (1 to 500 visible ASCII characters)",
    |text| (1..=500).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);
text_id!(
    /// The name under which a secret is kept, such as a parameter below the configured path.
    SecretName, "the name of a secret (letters, digits, `.`, `-`, `_` and `/`)",
    |text| !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/'))
);

impl JobName {
    /// The name of a job of which nothing is known but that it exists.
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }
}

text_id!(
    /// An EC2 instance type, such as `m7g.large`.
    InstanceType, "an instance type such as `m7g.large`",
    |text| text.split_once('.').is_some_and(|(family, size)| !family.is_empty() && !size.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
);
text_id!(
    /// A subnet, such as `subnet-0a1b2c`.
    SubnetId, "a subnet id such as `subnet-0a1b2c`",
    |text| text.strip_prefix("subnet-").is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
);
text_id!(
    /// What a machine starts from: an AMI's id, or the name of a parameter in Parameter Store that holds one.
    MachineImage, "an image (`ami-…`, or the name of a parameter that begins with `/`)",
    |text| {
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b':');
        text.strip_prefix("ami-").is_some_and(is_id) || (text.len() > 1 && text.starts_with('/') && text.bytes().all(is_name))
    }
);
text_id!(
    /// The ARN of an IAM role.
    RoleArn, "the ARN of a role (`arn:aws:iam::123456789012:role/…`)",
    |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        matches!(parts[..], ["arn", partition, "iam", "", account, role]
            if !partition.is_empty()
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
    }
);

/// A GitLab installation: host name in lower case, with the port if it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitlabHost(String);

impl GitlabHost {
    /// The host of a URL such as `https://gitlab.example.com:8443/group`.
    pub fn of_url(url: &Url) -> Result<Self, InvalidId> {
        let host = url.host_str().ok_or_else(|| InvalidId::new(url.as_str(), "a URL with a host"))?;
        Ok(Self(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }))
    }

    /// The host, with the port if there is one.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GitlabHost {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "a host name, with or without a port";
        if text.is_empty() || text.contains(['/', '?', '#', '@']) || text.chars().any(char::is_whitespace) {
            return Err(InvalidId::new(text, expected));
        }
        let url = Url::parse(&format!("http://{text}")).map_err(|_| InvalidId::new(text, expected))?;
        // Port 80 is nobody's default here: the text has no scheme, so what it names stays named.
        if text.ends_with(":80") {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Self::of_url(&url)
    }
}

impl TryFrom<String> for GitlabHost {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<GitlabHost> for String {
    fn from(host: GitlabHost) -> Self {
        host.0
    }
}

impl fmt::Display for GitlabHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// GitLab host, project id and job id: the idempotency key of everything. A retried job has a new one.
///
/// Written `host/project/job`, such as `gitlab.example.com/380/1977`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobKey {
    /// The GitLab installation the job belongs to.
    pub host: GitlabHost,
    /// The job's project.
    pub project: ProjectId,
    /// The job itself.
    pub job: JobId,
}

impl fmt::Display for JobKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.host, self.project, self.job)
    }
}

impl FromStr for JobKey {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a job key (host/project/job)");
        let mut parts = text.rsplitn(3, '/');
        let job = parts.next().and_then(|part| part.parse().ok()).ok_or_else(invalid)?;
        let project = parts.next().and_then(|part| part.parse().ok()).ok_or_else(invalid)?;
        let host = parts.next().and_then(|part| part.parse().ok()).ok_or_else(invalid)?;
        Ok(Self { host, project, job })
    }
}

impl TryFrom<String> for JobKey {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<JobKey> for String {
    fn from(key: JobKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_is_taken_from_a_url_in_lower_case_and_without_the_default_port() {
        for (url, host) in [
            ("https://GitLab.example.com", "gitlab.example.com"),
            ("https://gitlab.example.com:443/x", "gitlab.example.com"),
            ("http://192.168.64.1:3005", "192.168.64.1:3005"),
            ("http://[::1]:3005/", "[::1]:3005"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(GitlabHost::of_url(&url).unwrap().as_str(), host);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "a b", "https://gitlab.com", "gitlab.com/x", "user@host"] {
            assert!(text.parse::<GitlabHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_job_key_is_refused() {
        for text in ["", "1/2", "host/1/x", "host/-1/2", "/1/2", "host/1/2/"] {
            assert!(text.parse::<JobKey>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_job_key_is_read_back(host in "[a-z][a-z0-9]{0,10}(\\.[a-z]{2,5})?(:[1-9][0-9]{1,3})?", project: u64, job: u64) {
            let key = JobKey { host: host.parse().unwrap(), project: ProjectId(project), job: JobId(job) };
            prop_assert_eq!(key.to_string().parse::<JobKey>().unwrap(), key);
        }
    }
}
