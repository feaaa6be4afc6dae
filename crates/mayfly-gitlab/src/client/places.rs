//! Projects, by their path or by their group.

use mayfly_core::error::PortError;
use mayfly_core::ids::ProjectId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;

use super::GitlabClient;
use super::call::{Call, READ_SCOPE};

/// A project, as far as its webhooks need it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProjectView {
    /// GitLab's id of it.
    pub id: ProjectId,
    /// Its path with those of its groups, such as `group/sub/app`.
    pub path_with_namespace: String,
}

impl GitlabClient {
    /// The project of this path (or number); `None` if there is none that the token may see. Scope `read_api`.
    pub async fn find_project(&self, path: &str) -> Result<Option<ProjectView>, PortError> {
        let operation = format!("GitLab: look up project {path}");
        let call = Call::get(operation, format!("/projects/{}", escaped(path)), READ_SCOPE)
            .accept(&[StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.decode(&call.operation).map(Some)
    }

    /// The projects of a group and its subgroups, those that are archived left out; `None` if there is no group of this path
    /// that the token may see. Scope `read_api`.
    pub async fn group_projects(&self, path: &str) -> Result<Option<Vec<ProjectView>>, PortError> {
        let operation = format!("GitLab: list the projects of group {path}");
        let call = Call::get(operation.clone(), format!("/groups/{}/projects", escaped(path)), READ_SCOPE)
            .query("include_subgroups", "true")
            .query("archived", "false")
            // A project that is only shared with the group belongs to another one.
            .query("with_shared", "false")
            .query("simple", "true")
            .query("order_by", "id")
            .query("sort", "asc")
            .accept(&[StatusCode::NOT_FOUND]);
        let list = self.pages(call).await?;
        Ok(list.map(|list| {
            if list.is_cut_off {
                tracing::warn!(operation, items = list.items.len(), "the list is cut off");
            }
            list.items
        }))
    }
}

/// A path as one segment of an address.
pub(super) fn escaped(path: &str) -> String {
    utf8_percent_encode(path, NON_ALPHANUMERIC).to_string()
}
