//! Lists, which GitLab gives page by page.

use mayfly_core::error::PortError;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::GitlabClient;
use super::call::Call;

/// A hundred rows a page: so many pages are ten thousand rows, and more likely a mistake than a queue.
pub(super) const MOST_PAGES: usize = 100;

/// A list, as far as it was asked for.
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    /// True if GitLab has more pages than [`MOST_PAGES`].
    pub(super) is_cut_off: bool,
}

/// One row of a list whose other rows are worth having if this one cannot be read.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Row<T> {
    Readable(T),
    Unreadable(IgnoredAny),
}

impl<T> Row<T> {
    pub(super) fn readable(self) -> Option<T> {
        match self {
            Self::Readable(row) => Some(row),
            Self::Unreadable(_) => None,
        }
    }
}

impl GitlabClient {
    /// Asks for all pages of a list. One that has too many is cut off, with a warning.
    pub(super) async fn all_pages<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Vec<T>, PortError> {
        let operation = call.operation.clone();
        let Some(list) = self.pages(call).await? else { return Ok(Vec::new()) };
        if list.is_cut_off {
            tracing::warn!(operation, items = list.items.len(), "the list is cut off");
        }
        Ok(list.items)
    }

    /// Asks for the pages of a list; `None` if GitLab answers 404 and the call accepts that.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<Option<Listed<T>>, PortError> {
        let mut call = call.query("per_page", "100");
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self.send(&call).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            items.extend(answer.decode::<Vec<T>>(&call.operation)?);
            match answer.next_page(&call.query) {
                Some(query) => call.query = query,
                None => return Ok(Some(Listed { items, is_cut_off: false })),
            }
        }
        Ok(Some(Listed { items, is_cut_off: true }))
    }
}
