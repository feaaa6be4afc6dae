//! An answer of GitLab, read as a whole, within limits.

use mayfly_core::error::{PortError, Retry};
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use super::failure::Failure;

/// A page of a hundred jobs has about half a megabyte.
const LONGEST_BODY_BYTES: usize = 16 * 1024 * 1024;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    is_too_long: bool,
}

impl Answer {
    pub(super) async fn read(mut response: Response) -> Result<Self, reqwest::Error> {
        let mut answer = Self {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
            is_too_long: false,
        };
        while let Some(piece) = response.chunk().await? {
            if answer.body.len() + piece.len() > LONGEST_BODY_BYTES {
                answer.is_too_long = true;
                break;
            }
            answer.body.extend_from_slice(&piece);
        }
        Ok(answer)
    }

    /// The body as a value. The error does not repeat the body: there may be a token in it.
    pub(super) fn decode<T: DeserializeOwned>(&self, operation: &str) -> Result<T, PortError> {
        let status = self.status;
        if self.is_too_long {
            let failure = Failure::TooLong { status, limit: LONGEST_BODY_BYTES };
            return Err(failure.of(operation, Retry::Never));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| Failure::Undecodable { status, bytes: self.body.len() }.of(operation, Retry::Never))
    }

    /// The query of the next page; `None` on the last one. Only the query is taken from GitLab's link, so that the token
    /// never goes to another address, and so that a proxy's other name for GitLab does no harm.
    pub(super) fn next_page(&self, query: &[(String, String)]) -> Option<Vec<(String, String)>> {
        self.next_link().or_else(|| {
            let page = self.headers.get("x-next-page")?.to_str().ok().filter(|page| !page.is_empty())?;
            let mut next: Vec<_> = query.iter().filter(|(name, _)| name != "page").cloned().collect();
            next.push(("page".to_owned(), page.to_owned()));
            Some(next)
        })
    }

    fn next_link(&self) -> Option<Vec<(String, String)>> {
        self.headers
            .get_all(LINK)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|link| {
                let (target, parameters) = link.split_once(';')?;
                let is_next = parameters.split(';').any(|parameter| {
                    parameter.trim().strip_prefix("rel=").is_some_and(|rel| rel.trim_matches('"') == "next")
                });
                is_next.then_some(target.trim().strip_prefix('<')?.strip_suffix('>')?)
            })
            .find_map(|target| {
                let url = Url::parse(target).ok()?;
                Some(form_urlencoded::parse(url.query()?.as_bytes()).into_owned().collect())
            })
    }
}
