//! The HTTP client: timeouts, user agent, trust. The only place that makes one.

use std::time::Duration;

use mayfly_core::error::PortError;
use reqwest::{Certificate, redirect};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A function that was frozen for long finds its connections dead, and a call that creates something is not repeated.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Certificates that cannot be trusted, because there are none.
#[derive(Debug, thiserror::Error)]
#[error("the file of the private authority has no certificate in PEM in it")]
struct NoCertificate;

/// An HTTP client with a limit for each answer, Mayfly's name, and trust in `ca_pem` besides the system's authorities.
///
/// Redirects are not followed: a token would go with them. TLS is rustls on ring.
pub fn http_client(ca_pem: Option<&[u8]>, timeout: Duration) -> Result<reqwest::Client, PortError> {
    // An error says that a provider is installed already, which is all we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("mayfly/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .timeout(timeout)
        .redirect(redirect::Policy::none());
    if let Some(pem) = ca_pem {
        let certificates = Certificate::from_pem_bundle(pem)
            .map_err(|error| PortError::never("HTTP: read the private authority's certificates", error))?;
        if certificates.is_empty() {
            return Err(PortError::never("HTTP: read the private authority's certificates", NoCertificate));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| PortError::never("HTTP: prepare the client", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::error::Chain;

    const AUTHORITY: &[u8] = include_bytes!("../../../../fixtures/gitlab/private-authority.pem");

    fn client(ca_pem: &[u8]) -> Result<reqwest::Client, PortError> {
        http_client(Some(ca_pem), Duration::from_secs(1))
    }

    #[test]
    fn certificates_of_a_private_authority_are_taken() {
        assert!(client(AUTHORITY).is_ok());
        assert!(client(&[AUTHORITY, AUTHORITY].concat()).is_ok());
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n";
        let cut = &AUTHORITY[..AUTHORITY.len() / 2];
        for pem in [&b""[..], b"garbage", b"\x30\x82\x01\x00", broken.as_bytes(), cut] {
            let error = client(pem).unwrap_err();
            assert!(!error.is_transient(), "{}", Chain(&error));
            assert!(Chain(&error).to_string().starts_with("HTTP: "), "{}", Chain(&error));
        }
    }
}
