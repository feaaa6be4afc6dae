//! One request, as API Gateway hands it over (payload format 2.0).

use std::net::IpAddr;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ipnet::IpNet;

/// A request with its body as GitLab sent it: signatures are made over these bytes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Who connected to API Gateway; `None` if it did not say.
    pub(crate) source: Option<IpAddr>,
}

/// A request whose body API Gateway did not hand over whole.
#[derive(Debug, thiserror::Error)]
#[error("API Gateway says that the body is base64, and it is not")]
pub(crate) struct BrokenBody;

impl TryFrom<ApiGatewayV2httpRequest> for Request {
    type Error = BrokenBody;

    fn try_from(request: ApiGatewayV2httpRequest) -> Result<Self, BrokenBody> {
        let body = request.body.unwrap_or_default();
        let body = if request.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| BrokenBody)?
        } else {
            body.into_bytes()
        };
        let source = request.request_context.http.source_ip.and_then(|address| address.parse().ok());
        Ok(Self { headers: request.headers, body, source })
    }
}

impl Request {
    /// True if the request comes from one of the ranges, or if there are none. An unknown source is in no range.
    pub(crate) fn comes_from(&self, allowed: &[IpNet]) -> bool {
        allowed.is_empty()
            || self.source.is_some_and(|source| allowed.iter().any(|range| range.contains(&source)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn request(body: &str, is_base64: bool, source: &str) -> Result<Request, BrokenBody> {
        let document = json!({
            "version": "2.0",
            "routeKey": "POST /webhook",
            "rawPath": "/webhook",
            "rawQueryString": "",
            "headers": { "content-type": "application/json", "x-gitlab-event": "Job Hook" },
            "requestContext": { "http": { "method": "POST", "path": "/webhook", "sourceIp": source } },
            "body": body,
            "isBase64Encoded": is_base64,
        });
        serde_json::from_value::<ApiGatewayV2httpRequest>(document).unwrap().try_into()
    }

    #[test]
    fn headers_are_found_by_name_and_the_source_is_read() {
        let request = request("{}", false, "192.0.2.7").unwrap();
        assert_eq!(request.headers.get("X-Gitlab-Event").unwrap(), "Job Hook");
        assert_eq!(request.source, Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_body_that_should_be_base64_and_is_not_is_an_error() {
        assert!(request("{\"a\": 1}", true, "192.0.2.7").is_err());
    }

    #[test]
    fn ranges_let_through_what_is_in_them() {
        let ranges: Vec<IpNet> = ["192.0.2.0/28", "2001:db8::/32"].map(|range| range.parse().unwrap()).into();
        for (source, expected) in [
            ("192.0.2.7", true),
            ("192.0.2.16", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("not an address", false),
        ] {
            let request = request("", false, source).unwrap();
            assert_eq!(request.comes_from(&ranges), expected, "{source}");
            assert!(request.comes_from(&[]), "{source}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_arrive_as_they_were_sent(body: Vec<u8>) {
            prop_assert_eq!(request(&STANDARD.encode(&body), true, "192.0.2.7").unwrap().body, body);
        }

        #[test]
        fn any_text_arrives_as_it_was_sent(body: String) {
            prop_assert_eq!(request(&body, false, "192.0.2.7").unwrap().body, body.into_bytes());
        }
    }
}
