//! The HTTP client that all clients of a function share.

use std::time::Duration;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

/// A frozen function keeps its connections, and the other end closes them meanwhile. One that idled for so long is not
/// used again; hyper's own limit is 90 s.
const IDLE: Duration = Duration::from_secs(20);

/// What becomes of a connection after its answer: how many wait for the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reuse(usize);

impl Reuse {
    /// All.
    pub(super) const POOLED: Self = Self(usize::MAX);
    /// None: for calls that cannot be repeated if an old connection turns out to be dead.
    #[cfg(feature = "lambda")]
    pub(super) const NEVER: Self = Self(0);
}

/// A client that speaks TLS with rustls on ring, and plain HTTP where the endpoint has `http:`. Nothing is read or opened
/// before the first call; only then are the root certificates of the system read, once in a process.
pub(super) fn http_client(is_plain: bool, reuse: Reuse) -> SharedHttpClient {
    let builder = Builder::new().pool_idle_timeout(IDLE).pool_max_idle_per_host(reuse.0);
    SharedHttpClient::new(Lazy(if is_plain {
        builder.build_http()
    } else {
        builder.tls_provider(Provider::rustls(CryptoMode::Ring)).build_https()
    }))
}

/// Reads the root certificates of the system, for all clients of this process. Reading them takes most of the time until a
/// first call. This makes a connector and throws it away; what it has read stays.
pub(super) fn read_roots() {
    let client = Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).build_https();
    // It only fails where the first call fails as well, and that one is heard.
    let _ = client.validate_base_client_config(&RuntimeComponentsBuilder::new("roots"), &ConfigBag::base());
}

/// Leaves out what the client does when an SDK client is made with it: it builds a connector to have the certificates read
/// early, and throws it away.
#[derive(Debug)]
struct Lazy(SharedHttpClient);

impl HttpClient for Lazy {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}
