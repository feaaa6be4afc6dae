//! How a person names a job: by its key, or by the address of its page in GitLab.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use mayfly_core::ids::{GitlabHost, JobId, JobKey, ProjectId};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use crate::gitlab_access::read_authority;
use crate::secret;

const GITLAB_TIMEOUT: Duration = Duration::from_secs(10);

/// A job as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobRef {
    Key(JobKey),
    Page(JobPage),
}

/// The page of a job, `https://<host>/<project path>/-/jobs/<job>`. It names the project by its path, and keys by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobPage {
    host: GitlabHost,
    /// Where GitLab is.
    base: Url,
    project: String,
    job: JobId,
}

impl FromStr for JobRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "write the job's key, `host/project id/job id`, or the address of its page in GitLab";
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return text.parse().map(Self::Key).map_err(|_| expected.to_owned());
        }
        let mut base: Url = text.parse().map_err(|error| format!("{error}: {expected}"))?;
        let (project, rest) = base.path().split_once("/-/jobs/").ok_or(expected)?;
        let (project, job) = (project.trim_matches('/').to_owned(), rest.split('/').next().unwrap_or(rest));
        let job = job.parse().map_err(|_| expected)?;
        if project.is_empty() {
            return Err(expected.to_owned());
        }
        let host = GitlabHost::of_url(&base).map_err(|error| error.to_string())?;
        base.set_path("");
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self::Page(JobPage { host, base, project, job }))
    }
}

/// How GitLab is asked for the id of a project.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GitLab, for a job named by its page")]
pub(crate) struct GitlabFlags {
    /// GitLab's address. The token in `MAYFLY_API_TOKEN` (or the file named by `MAYFLY_API_TOKEN_FILE`) is sent there and
    /// nowhere else; a public project needs none.
    #[arg(long, env = "MAYFLY_GITLAB_URL", value_name = "URL")]
    gitlab_url: Option<Url>,
    /// Certificates (PEM) of a private authority that signed GitLab's.
    #[arg(long, env = "MAYFLY_GITLAB_CA_FILE", value_name = "FILE")]
    gitlab_ca_file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct ProjectAnswer {
    id: u64,
}

impl JobRef {
    /// The job's key. Asks GitLab for the project's id, if only its path is known.
    pub(crate) async fn key(&self, flags: &GitlabFlags) -> anyhow::Result<JobKey> {
        match self {
            Self::Key(key) => Ok(key.clone()),
            Self::Page(page) => page.key(flags).await.with_context(|| {
                format!(
                    "cannot find the id of project {}: name the job as {}/<project id>/{} (the id is on the project's page), \
                     or give --gitlab-url and a token with scope `read_api` in MAYFLY_API_TOKEN",
                    page.project, page.host, page.job
                )
            }),
        }
    }
}

impl JobPage {
    async fn key(&self, flags: &GitlabFlags) -> anyhow::Result<JobKey> {
        let ca_pem = flags.gitlab_ca_file.as_deref().map(read_authority).transpose()?;
        let client = mayfly_gitlab::http_client(ca_pem.as_deref(), GITLAB_TIMEOUT)?;
        let mut request = client.get(self.project_url());
        if self.is_at(flags.gitlab_url.as_ref())
            && let Some(token) = secret::from_environment("MAYFLY_API_TOKEN")?
        {
            request = request.header("PRIVATE-TOKEN", token.expose_secret());
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            bail!("GitLab answered {}", answer.status());
        }
        let ProjectAnswer { id } = answer.json().await.context("GitLab's answer is no project")?;
        Ok(JobKey { host: self.host.clone(), project: ProjectId(id), job: self.job })
    }

    fn project_url(&self) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            // A slash within a segment is escaped.
            path.clear().extend(["api", "v4", "projects", &self.project]);
        }
        url
    }

    /// A token must not go wherever somebody's link leads.
    fn is_at(&self, gitlab: Option<&Url>) -> bool {
        gitlab.is_some_and(|gitlab| gitlab.origin() == self.base.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> JobPage {
        match text.parse().unwrap() {
            JobRef::Page(page) => page,
            JobRef::Key(key) => unreachable!("{text} is taken for the key {key}"),
        }
    }

    #[test]
    fn a_key_is_a_key() {
        let key = "gitlab.example.com:8443/380/1977";
        assert_eq!(key.parse(), Ok(JobRef::Key(key.parse().unwrap())));
    }

    #[test]
    fn a_page_names_host_project_and_job() {
        for (text, host, asked) in [
            (
                "https://GitLab.example.com/group/sub/app/-/jobs/1977",
                "gitlab.example.com",
                "https://gitlab.example.com/api/v4/projects/group%2Fsub%2Fapp",
            ),
            (
                "http://192.168.64.1:3005/group/app/-/jobs/1977/raw?x=1#L10",
                "192.168.64.1:3005",
                "http://192.168.64.1:3005/api/v4/projects/group%2Fapp",
            ),
        ] {
            let page = page(text);
            assert_eq!((page.host.as_str(), page.job), (host, JobId(1977)), "{text}");
            assert_eq!(page.project_url().as_str(), asked, "{text}");
        }
    }

    #[test]
    fn what_names_no_job_is_refused_with_what_to_write() {
        for text in [
            "",
            "1977",
            "380/1977",
            "gitlab.com/group/app/1977",
            "https://gitlab.com/group/app/-/pipelines/1977",
            "https://gitlab.com/group/app/-/jobs/",
            "https://gitlab.com/-/jobs/1977",
        ] {
            let refused = text.parse::<JobRef>().unwrap_err();
            assert!(refused.contains("host/project id/job id"), "{text}: {refused}");
        }
    }

    #[test]
    fn a_token_goes_to_the_gitlab_it_is_for() {
        let page = page("https://gitlab.example.com/group/app/-/jobs/1");
        for (gitlab, is_sent) in [
            (Some("https://gitlab.example.com"), true),
            (Some("https://gitlab.example.com:443/"), true),
            (Some("http://gitlab.example.com"), false),
            (Some("https://gitlab.example.com:8443"), false),
            (Some("https://gitlab.example.org"), false),
            (None, false),
        ] {
            let url = gitlab.map(|url| url.parse::<Url>().unwrap());
            assert_eq!(page.is_at(url.as_ref()), is_sent, "{gitlab:?}");
        }
    }
}
