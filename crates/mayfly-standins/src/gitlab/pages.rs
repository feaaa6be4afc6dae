//! Pages of long lists: by number, or (`pagination=keyset`) from where the last page ended.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use url::form_urlencoded;

use super::http::{Answer, Refusal};
use super::params::Params;

/// What a list needs to be cut into pages.
pub(super) struct Listing {
    /// The URL of the list, without a query.
    pub(super) url: String,
    /// Parameters that the links to other pages repeat.
    pub(super) filters: Vec<(&'static str, String)>,
    /// All items, in order, each with its id.
    pub(super) items: Vec<(u64, Value)>,
}

impl Listing {
    /// The page that was asked for, by its number, with the links to its neighbours.
    pub(super) fn page(self, params: &Params) -> Response {
        let per_page = per_page(params);
        let page = params.number("page").unwrap_or(1).max(1);
        let total = self.items.len() as u64;
        let last_page = total.div_ceil(per_page).max(1);
        let to = |rel: &str, page: u64| {
            self.link(rel, &[("page", page.to_string()), ("per_page", per_page.to_string())])
        };
        let mut links = Vec::new();
        if page > 1 {
            links.push(to("prev", page - 1));
        }
        if page < last_page {
            links.push(to("next", page + 1));
        }
        links.extend([to("first", 1), to("last", last_page)]);
        let next_page = if page < last_page { (page + 1).to_string() } else { String::new() };
        let headers = [
            ("link", links.join(", ")),
            ("x-page", page.to_string()),
            ("x-per-page", per_page.to_string()),
            ("x-next-page", next_page),
            ("x-total", total.to_string()),
            ("x-total-pages", last_page.to_string()),
        ];
        let first = as_usize((page - 1).saturating_mul(per_page));
        let body: Vec<&Value> =
            self.items.iter().skip(first).take(as_usize(per_page)).map(|(_, item)| item).collect();
        (headers, Json(body)).into_response()
    }

    /// The page that was asked for, of a list whose ids fall and that can also be asked for by keyset. GitLab knows keysets
    /// of jobs in this order only.
    pub(super) fn page_or_keyset(self, params: &Params) -> Answer {
        if params.text("pagination").as_deref() != Some("keyset") {
            return Ok(self.page(params));
        }
        let is = |name: &str, only: &str| params.text(name).is_none_or(|value| value == only);
        if !is("order_by", "id") || !is("sort", "desc") {
            let message = "Keyset pagination is not yet available for this type of request";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message));
        }
        Ok(self.keyset_page(params, per_page(params)))
    }

    fn keyset_page(self, params: &Params, per_page: u64) -> Response {
        let last_seen = params.number("cursor").unwrap_or(u64::MAX);
        let rest: Vec<&(u64, Value)> = self.items.iter().filter(|(id, _)| *id < last_seen).collect();
        let page: Vec<&(u64, Value)> = rest.iter().copied().take(as_usize(per_page)).collect();
        let next = page.last().filter(|_| rest.len() > page.len()).map(|(last, _)| {
            let parameters = [
                ("pagination", "keyset".to_owned()),
                ("order_by", "id".to_owned()),
                ("sort", "desc".to_owned()),
                ("per_page", per_page.to_string()),
                ("cursor", last.to_string()),
            ];
            self.link("next", &parameters)
        });
        let body: Vec<&Value> = page.iter().map(|(_, item)| item).collect();
        ([("link", next.unwrap_or_default())], Json(body)).into_response()
    }

    fn link(&self, rel: &str, parameters: &[(&str, String)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.filters)
            .extend_pairs(parameters)
            .finish();
        format!("<{}?{query}>; rel=\"{rel}\"", self.url)
    }
}

fn per_page(params: &Params) -> u64 {
    params.number("per_page").unwrap_or(20).clamp(1, 100)
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
