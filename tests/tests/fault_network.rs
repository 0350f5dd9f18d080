//! Providers that are not where they should be: no such name, no TLS or none to trust, and redirects, which no key follows.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod fault_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fault_support::Sees::{Fails, Second};
use fault_support::{Fault, Mark, Reach, Wire, play, server};
use greenroom_tests::Attempt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate of localhost that signs itself, and its key. Both are worth nothing: nobody trusts them.
const CERTIFICATE: &[u8] = include_bytes!("fault_support/self_signed.cert.der");
const KEY: &[u8] = include_bytes!("fault_support/self_signed.key.der");

fn unreachable(name: &'static str, reach: Reach) -> Fault {
    Fault::always(name, Wire::good)
        .reached(reach)
        .unseen(2)
        .alone(
            Fails(502, "server_error", "provider_unreachable", &["network", "network"]),
            0,
            Mark::Model("network", 5, 5),
        )
        .with_other(Second, 0, Mark::Model("network", 5, 5))
        .told("can't connect")
}

/// A server behind a certificate that nobody trusts: its address, the connections that came, and those that spoke.
async fn self_signed() -> (String, Arc<[AtomicUsize; 2]>) {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let seen: Arc<[AtomicUsize; 2]> = Arc::default();
    let counts = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
            counts[0].fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                if acceptor.accept(stream).await.is_ok() {
                    counts[1].fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_reached_safely_is_handed_on() {
    let (url, [came, spoke]) = {
        let (url, seen) = self_signed().await;
        (
            url,
            [0, 1].map(|at| {
                let seen = Arc::clone(&seen);
                move || seen[at].load(Ordering::SeqCst)
            }),
        )
    };
    let url: &'static str = Box::leak(url.into_boxed_str());
    let faults = vec![
        unreachable("a name that nobody has", Reach::At("http://nobody.invalid")),
        unreachable("a port where nobody listens", Reach::At("http://127.0.0.1:1")).told("refused"),
        unreachable("TLS asked of a port that has none", Reach::Https),
        unreachable("a certificate that signs itself", Reach::At(url)).told("certificate"),
    ];
    play(faults, "").await;
    assert!(came() >= 16, "{} connections", came());
    assert_eq!(spoke(), 0, "a certificate was trusted that nobody signed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_follows_a_redirect() {
    let elsewhere = server(Wire::OpenAi, vec![Wire::OpenAi.good().always()]).await;
    let redirects = |name, status: u16, to: String| {
        let plays = move |wire: Wire| {
            let location = if to.is_empty() { wire.path().to_owned() } else { format!("{to}{}", wire.path()) };
            Attempt::new().status(status).header("location", &location).body("")
        };
        Fault::always(name, plays)
            .alone(
                Fails(502, "server_error", "provider_broke_off", &["protocol", "protocol"]),
                2,
                Mark::Model("protocol", 5, 5),
            )
            .with_other(Second, 1, Mark::None)
            .told("redirects")
    };
    let local = elsewhere.url().replace("127.0.0.1", "localhost");
    let faults = vec![
        redirects("a redirect to itself, for ever", 307, String::new()),
        redirects("a redirect to another host", 307, local.clone()),
        redirects("a redirect for good to another port", 308, elsewhere.url()),
        redirects("a redirect that would make a GET of it", 303, local.clone()),
        redirects("a redirect of the old kind", 302, local),
    ];
    play(faults, "").await;
    let asked: Vec<_> = elsewhere.requests();
    assert!(asked.is_empty(), "the other host was asked: {asked:?}");
    assert_eq!(elsewhere.stats().connections, 0);
}
