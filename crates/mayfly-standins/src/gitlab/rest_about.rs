//! What there is: the version, the token that asks, projects and those of a group.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::http::{ANY_SCOPE, Answer, Refusal, authorize, text};
use super::model::Project;
use super::pages::Listing;
use super::params::Params;
use super::shared::Shared;
use super::state::State;

/// `GET /version`.
pub(super) async fn version(Extract(shared): Extract<Arc<Shared>>, headers: HeaderMap) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api", "read_user"])?;
        let version = if state.knobs.is_old { "15.11.0" } else { "19.3.0-ee" };
        Ok(Json(json!({ "version": version, "revision": "0a1b2c3d4e5" })).into_response())
    })
}

/// `GET /personal_access_tokens/self`.
pub(super) async fn own_token(Extract(shared): Extract<Arc<Shared>>, headers: HeaderMap) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, ANY_SCOPE)?;
        let bearer =
            text(&headers, header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let token = text(&headers, "PRIVATE-TOKEN").or(bearer).unwrap_or_default();
        let body = json!({
            "id": 4,
            "name": "mayfly",
            "revoked": false,
            "active": true,
            "scopes": state.access_tokens.get(token),
            "expires_at": state.token_ends.get(token).map(ToString::to_string),
        });
        Ok(Json(body).into_response())
    })
}

/// `GET /projects/:id`, by number or path.
pub(super) async fn project(
    Extract(shared): Extract<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let project = state.project(&project).ok_or_else(|| Refusal::not_found("Project "))?;
        Ok(Json(project_json(state, project)).into_response())
    })
}

/// `GET /groups/:id/projects`.
pub(super) async fn group_projects(
    Extract(shared): Extract<Arc<Shared>>,
    Path(group): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let id = state.group(&group).ok_or_else(|| Refusal::not_found("Group "))?;
        let path = state.groups.get(&id).map(String::as_str).unwrap_or_default();
        let below = params.flag("include_subgroups").unwrap_or(false);
        let archived = params.flag("archived");
        let items = state
            .projects
            .values()
            .filter(|project| if below { project.is_in(path) } else { project.namespace() == path })
            .filter(|project| archived.is_none_or(|archived| archived == project.is_archived))
            .map(|project| (project.id.0, project_json(state, project)))
            .collect();
        let url = format!("{}/api/v4/groups/{id}/projects", state.url);
        let filter = |name: &'static str| params.text(name).map(|value| (name, value));
        let filters = ["include_subgroups", "archived"].into_iter().filter_map(filter).collect();
        Ok(Listing { url, filters, items }.page(&params))
    })
}

fn project_json(state: &State, project: &Project) -> Value {
    let group = state.groups.iter().find(|(_, path)| *path == project.namespace());
    json!({
        "id": project.id,
        "name": project.name(),
        "path_with_namespace": project.path,
        "web_url": format!("{}/{}", state.url, project.path),
        "default_branch": "main",
        "namespace": group.map(|(id, path)| json!({ "id": id, "full_path": path, "kind": "group" })),
    })
}
