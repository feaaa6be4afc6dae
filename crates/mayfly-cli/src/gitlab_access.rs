//! Where GitLab is, and the token for it: given, or those of the installation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use mayfly_core::error::Chain;
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::installation::aws::{Account, AwsFlags};
use crate::installation::parameters::Parameter;
use crate::installation::stack::Stack;
use crate::secret;

const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GitLab")]
pub(crate) struct GitlabAccessFlags {
    /// GitLab's address. Without it, the parameter `Url` of the installation. The token is that in `MAYFLY_API_TOKEN` (or in the
    /// file named by `MAYFLY_API_TOKEN_FILE`), else the installation's `ApiToken`, which is sent to the installation's GitLab alone.
    #[arg(long, env = "MAYFLY_GITLAB_URL", value_name = "URL")]
    pub(crate) gitlab_url: Option<Url>,
    /// Certificates (PEM) of a private authority that signed GitLab's. Without it, the installation's `CaCertificates`, if any.
    #[arg(long, env = "MAYFLY_GITLAB_CA_FILE", value_name = "FILE")]
    pub(crate) gitlab_ca_file: Option<PathBuf>,
}

/// The certificates of a private authority that signed GitLab's.
pub(crate) fn read_authority(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The account, reached if something is asked of it: who gives everything else needs none.
pub(crate) struct LazyAccount {
    flags: AwsFlags,
    account: Option<Account>,
}

impl LazyAccount {
    pub(crate) fn new(flags: AwsFlags) -> Self {
        Self { flags, account: None }
    }

    pub(crate) async fn get(&mut self) -> anyhow::Result<&Account> {
        let account = match self.account.take() {
            Some(account) => account,
            None => Account::connect(&self.flags).await?,
        };
        Ok(self.account.insert(account))
    }
}

/// What is known of GitLab from one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct GitlabSource {
    pub(crate) url: Option<Url>,
    pub(crate) token: Option<SecretString>,
    pub(crate) ca_pem: Option<Vec<u8>>,
}

impl GitlabSource {
    /// What flags and environment say.
    pub(crate) fn given(flags: &GitlabAccessFlags) -> anyhow::Result<Self> {
        Ok(Self {
            url: flags.gitlab_url.clone(),
            token: secret::from_environment("MAYFLY_API_TOKEN")?,
            ca_pem: flags.gitlab_ca_file.as_deref().map(read_authority).transpose()?,
        })
    }

    /// What the installation has in Parameter Store.
    pub(crate) async fn stored(account: &Account, stack: &Stack) -> anyhow::Result<Self> {
        let names = parameter_names(stack.parameter("ParameterPath").unwrap_or("/mayfly"));
        Self::read(&names, &account.parameters(&names).await?)
    }

    /// What is there of the parameters with these names.
    pub(crate) fn read(names: &[String; 3], found: &BTreeMap<String, Parameter>) -> anyhow::Result<Self> {
        let [url, token, authority] = names.each_ref().map(|name| found.get(name));
        let url = match url {
            Some(url) => Some(url.value.expose_secret().trim().parse().with_context(|| {
                format!("the parameter {} is no address such as https://gitlab.com", names[0])
            })?),
            None => None,
        };
        Ok(Self {
            url,
            token: token.map(|token| token.value.clone()),
            ca_pem: authority.map(|pem| pem.value.expose_secret().as_bytes().to_vec()),
        })
    }

    /// True if nothing more need be asked.
    fn is_enough(&self) -> bool {
        self.url.is_some() && self.token.is_some()
    }

    /// What is given goes before what is stored. A stored token goes to the stored address and nowhere else.
    pub(crate) fn or(self, stored: Self) -> anyhow::Result<Self> {
        let is_same = |url: &Url| stored.url.as_ref().is_some_and(|stored| stored.origin() == url.origin());
        if let (None, Some(_), Some(url)) = (&self.token, &stored.token, &self.url)
            && !is_same(url)
        {
            bail!(
                "the installation's token is not for {}: give a token for it in MAYFLY_API_TOKEN or \
                 MAYFLY_API_TOKEN_FILE, or leave --gitlab-url out",
                url.host_str().unwrap_or_default()
            );
        }
        Ok(Self {
            url: self.url.or(stored.url),
            token: self.token.or(stored.token),
            ca_pem: self.ca_pem.or(stored.ca_pem),
        })
    }

    /// A client that speaks to this GitLab with this token.
    pub(crate) fn client(&self) -> anyhow::Result<GitlabClient> {
        let url = self.url.clone().context("no address of GitLab is known: give --gitlab-url")?;
        let config = GitlabClientConfig {
            url,
            api_token: self.token.clone(),
            ca_pem: self.ca_pem.clone(),
            timeout: TIMEOUT,
        };
        GitlabClient::new(config).map_err(|error| anyhow!("{}", Chain(&error)))
    }
}

/// The parameters with address, token and authority, below this path.
pub(crate) fn parameter_names(path: &str) -> [String; 3] {
    ["Url", "ApiToken", "CaCertificates"].map(|name| format!("{path}/{name}"))
}

/// GitLab with a token for it, from flags and environment or else from the installation of this stack.
pub(crate) async fn find(
    flags: &GitlabAccessFlags,
    account: &mut LazyAccount,
    stack: &str,
) -> anyhow::Result<GitlabClient> {
    let mut source = GitlabSource::given(flags)?;
    if !source.is_enough() {
        let account = account.get().await.context(
            "GitLab's address or its token is not given, and the installation cannot be asked for it",
        )?;
        source = source.or(GitlabSource::stored(account, &account.stack(stack).await?).await?)?;
    }
    if source.token.is_none() {
        bail!(
            "no token for GitLab is known: give one with the scope `api` in MAYFLY_API_TOKEN, or in the file that \
             MAYFLY_API_TOKEN_FILE names"
        );
    }
    source.client()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: Option<&str>, token: Option<&str>) -> GitlabSource {
        GitlabSource { url: url.map(|url| url.parse().unwrap()), token: token.map(Into::into), ca_pem: None }
    }

    #[test]
    fn the_installations_token_goes_to_the_installations_gitlab_alone() {
        let stored = || source(Some("https://gitlab.example.com/"), Some("stored"));
        for (url, token, expected) in [
            (None, None, Some("stored")),
            (None, Some("given"), Some("given")),
            (Some("https://gitlab.example.com"), None, Some("stored")),
            (Some("https://gitlab.example.org"), Some("given"), Some("given")),
            (Some("https://gitlab.example.org"), None, None),
            (Some("http://gitlab.example.com"), None, None),
            (Some("https://gitlab.example.com:8443"), None, None),
        ] {
            let merged = source(url, token).or(stored());
            let token = merged.as_ref().ok().and_then(|merged| merged.token.as_ref());
            assert_eq!(token.map(ExposeSecret::expose_secret), expected, "{url:?} {merged:?}");
        }
        let unknown = source(Some("https://gitlab.example.org"), None).or(source(None, Some("stored")));
        assert!(unknown.is_err(), "nobody knows what the stored token is for");
    }
}
