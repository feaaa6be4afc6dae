//! TLS in front of a plain server, with an authority of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

const HOST: &str = "localhost";

/// Takes TLS connections and passes their content on. It ends when it is dropped.
pub(crate) struct TlsFront {
    url: String,
    authority: String,
    handshakes: Arc<AtomicU32>,
    server: JoinHandle<()>,
}

impl TlsFront {
    /// Starts one in front of this server.
    pub(crate) async fn start(behind: &Url) -> anyhow::Result<Self> {
        let behind = *behind.socket_addrs(|| None)?.first().context("the server behind has no address")?;
        let (authority, config) = certificates()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("https://{HOST}:{}", listener.local_addr()?.port());
        let handshakes = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&handshakes);
        let server = tokio::spawn(async move {
            // A connection that cannot be accepted ends the front, and the benchmark with it.
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                // A connection that breaks is seen at its other end: the function's call fails.
                tokio::spawn(async move { serve(connection, &acceptor, behind, &counted).await });
            }
        });
        Ok(Self { url, authority, handshakes, server })
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The authority to trust, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The handshakes since this was last asked.
    pub(crate) fn take_handshakes(&self) -> u32 {
        self.handshakes.swap(0, Ordering::Relaxed)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    connection: TcpStream,
    acceptor: &TlsAcceptor,
    behind: SocketAddr,
    handshakes: &AtomicU32,
) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = acceptor.accept(connection).await?;
    handshakes.fetch_add(1, Ordering::Relaxed);
    let mut behind = TcpStream::connect(behind).await?;
    behind.set_nodelay(true)?;
    copy_bidirectional(&mut connection, &mut behind).await?;
    Ok(())
}

/// A new authority in PEM, and a server that it vouches for.
fn certificates() -> anyhow::Result<(String, ServerConfig)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let authority = Issuer::new(authority, authority_key);

    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([HOST.to_owned()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((authority_pem, config))
}
