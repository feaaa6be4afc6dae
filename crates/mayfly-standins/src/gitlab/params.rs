//! Parameters of a request, wherever they are: in the query, in a form, or in a JSON body. GitLab makes no difference.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::http::{Refusal, text};

pub(super) struct Params(Map<String, Value>);

impl Params {
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name).and_then(as_text)
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        self.text(name).ok_or_else(|| Refusal::bad_request(format!("{name} is missing")))
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| matches!(text.as_str(), "true" | "1"))
    }

    /// An array, or a list with commas.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name)? {
            Value::Array(items) => Some(items.iter().filter_map(as_text).collect()),
            value => as_text(value).map(|text| text.split(',').map(|item| item.trim().to_owned()).collect()),
        }
    }

    fn add_pairs(&mut self, encoded: &[u8]) {
        for (name, value) in form_urlencoded::parse(encoded) {
            let value = Value::String(value.into_owned());
            match name.strip_suffix("[]") {
                Some(name) => match self.0.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(items) => items.push(value),
                    other => *other = value,
                },
                None => {
                    self.0.insert(name.into_owned(), value);
                }
            }
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let mut params = Self(Map::new());
        params.add_pairs(request.uri().query().unwrap_or_default().as_bytes());
        let content_type = text(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_json = content_type.starts_with("application/json");
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Refusal::bad_request("the body cannot be read"))?;
        if is_json && !body.is_empty() {
            let fields: Map<String, Value> = serde_json::from_slice(&body)
                .map_err(|_| Refusal::bad_request("the body is no JSON object"))?;
            params.0.extend(fields);
        } else {
            params.add_pairs(&body);
        }
        Ok(params)
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
