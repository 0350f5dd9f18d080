//! TLS on the address that is listened on, and what is no certificate.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use cli_support::{LIMIT, assert_failed};
use greenroom_tests::harness::{Daemon, Home};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate of localhost and green.example that signs itself, its key, and the key of another. They are worth nothing:
/// nobody trusts them but these tests.
const CERTIFICATE: &str = include_str!("tls_support/certificate.pem");
const KEY: &str = include_str!("tls_support/key.pem");
const OTHER_KEY: &str = include_str!("tls_support/other_key.pem");

const TLS: &str = "[server.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";

/// A home with a certificate beside its configuration.
fn home(certificate: &str, key: &str) -> Home {
    let home = Home::new();
    home.config(&format!("[server]\nallowed_hosts = [\"green.example\"]\n{TLS}"));
    let folder = home.config_path().parent().unwrap().to_owned();
    fs::write(folder.join("certificate.pem"), certificate).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
    home
}

fn address(daemon: &Daemon) -> &str {
    daemon.url().strip_prefix("https://").unwrap_or_else(|| panic!("{}", daemon.output()))
}

/// Asks for a path by a server name, and gives all that is answered.
async fn asked(daemon: &Daemon, name: &'static str, host: &str, path: &str) -> String {
    let body: String = CERTIFICATE.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(der)).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address(daemon)).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let token = daemon.token();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn who_trusts_the_certificate_is_answered_behind_it() {
    let home = home(CERTIFICATE, KEY);
    let daemon = home.serve(&[]).await;
    let ours = address(&daemon);
    assert!(daemon.stdout().contains(&format!("OPENAI_BASE_URL=https://{ours}/v1")), "{}", daemon.stdout());
    assert!(asked(&daemon, "localhost", ours, "/v1/models").await.starts_with("HTTP/1.1 200"));
    assert!(asked(&daemon, "green.example", "green.example", "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(asked(&daemon, "localhost", "evil.example", "/readyz").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_handshake_that_never_comes_holds_nobody_up() {
    let home = home(CERTIFICATE, KEY);
    let mut daemon = home.serve(&[]).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(address(&daemon)).await.unwrap());
    }
    // One that speaks no TLS at all is let go.
    let mut plain = TcpStream::connect(address(&daemon)).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    let _reset = timeout(LIMIT, plain.read_to_end(&mut told)).await.unwrap();
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
    let answer = timeout(LIMIT, asked(&daemon, "localhost", address(&daemon), "/healthz")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Nor does it hold up the end.
    daemon.signal(greenroom_tests::harness::Signal::TERM);
    assert_eq!(daemon.wait(Duration::from_secs(8)).await.code(), Some(0), "{}", daemon.output());
    drop(silent);
}

#[tokio::test]
async fn commands_beside_a_daemon_behind_tls_reach_it_by_its_socket() {
    let home = home(CERTIFICATE, KEY);
    let daemon = home.serve(&[]).await;
    let made = home.run(&["auth", "client", "add", "editor"]).await.succeeded().stdout;
    assert!(made.starts_with("gr_"));
    let old = daemon.token();
    let fresh = home.run(&["auth", "token", "--rotate"]).await.succeeded().stdout;
    assert_ne!(fresh.trim_end(), old);
    assert!(asked(&daemon, "localhost", address(&daemon), "/v1/models").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_no_certificate_is_told_at_the_start_by_the_name_of_its_file() {
    let cases = [
        ("", KEY, "certificate.pem", "BEGIN CERTIFICATE"),
        (KEY, KEY, "certificate.pem", "BEGIN CERTIFICATE"),
        ("-----BEGIN CERTIFICATE-----\nno\n", KEY, "certificate.pem", "BEGIN CERTIFICATE"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", KEY, "certificate.pem", "server.tls.key"),
        (CERTIFICATE, "", "key.pem", "BEGIN PRIVATE KEY"),
        (CERTIFICATE, CERTIFICATE, "key.pem", "BEGIN PRIVATE KEY"),
        (CERTIFICATE, OTHER_KEY, "certificate.pem", "server.tls.key"),
    ];
    for (certificate, key, file, hint) in cases {
        let output = home(certificate, key).run(&["serve"]).await;
        assert_failed(&output, 2, file, hint);
        assert!(!output.stderr.contains(&KEY[30..60]), "{}", output.stderr);
    }
    let home = home(CERTIFICATE, KEY);
    fs::remove_file(home.config_path().with_file_name("key.pem")).unwrap();
    assert_failed(&home.run(&["serve"]).await, 2, "key.pem", "server.tls.key");
    home.config("[server.tls]\ncertificate = \"certificate.pem\"\n");
    assert_failed(&home.run(&["serve"]).await, 2, "server.tls", "");
    // With one, other machines may be listened to.
    let mut far = self::home(CERTIFICATE, KEY);
    far.env("GREENROOM__SERVER__LISTEN", "0.0.0.0:0");
    let daemon = far.serve(&[]).await;
    assert!(daemon.url().starts_with("https://0.0.0.0:"), "{}", daemon.url());
}
