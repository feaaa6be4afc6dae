//! AWS behind TLS, with a certificate of an authority made for the test.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::{InstanceWorld, agent, ended};

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = named("Test authority", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn server_config(authority: &CertifiedIssuer<'static, KeyPair>) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = named("Test server", &["localhost"]).signed_by(&key, authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// Takes TLS off and passes on what is inside. Tells its port.
async fn serve_tls(config: ServerConfig, behind: SocketAddr) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us hangs up.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn it_speaks_tls_and_trusts_whom_the_machine_trusts() {
    let (trusted, other) = (authority(), authority());
    let instance = InstanceWorld::new("started; received 7").await;
    let port = serve_tls(server_config(&trusted), instance.aws.address()).await;
    for (authority, said, code) in
        [(&other, r#"{"outcome":"no-assignment"}"#, 3), (&trusted, r#"{"outcome":"job-done","job":7}"#, 0)]
    {
        let file = instance.world.file("authority.pem");
        fs::write(&file, authority.pem()).unwrap();
        let arguments: &[&str] =
            if code == 0 { &[] } else { &["--assignment-wait", "2s", "--log-wait", "100ms"] };
        let mut command = instance.command(agent(), arguments);
        command.env("SSL_CERT_FILE", &file).env("AWS_ENDPOINT_URL", format!("https://localhost:{port}"));
        ended(command.spawn().unwrap()).await.check(said, code);
    }
}
