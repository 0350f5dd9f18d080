//! One connection: bytes from and to a client.

use std::{pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{door::Comer, guard::Guard, site::Site, tls::Tls};

/// How long a client may take to agree on TLS, and for the head of a request, or keep a connection without one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of a head, which is enough for any token and cookie.
const HEAD_BYTES: usize = 64 * 1024;

/// How connections are told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    closing: CancellationToken,
    cutting: CancellationToken,
}

impl Ending {
    /// Has each connection end after the response that it is at.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    /// Has each connection end now.
    pub(super) fn cut(&self) {
        self.cutting.cancel();
    }
}

/// Serves a connection from anywhere to its end, behind TLS if it is given.
pub(super) async fn serve(stream: TcpStream, tls: Option<Tls>, site: Arc<Site>, guard: Arc<Guard>, ending: Ending) {
    // A token is a small write: held back for more, it would come tens of milliseconds late.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection was lost: {error}");
        return;
    }
    let Some(tls) = tls else { return converse(stream, site, Some(guard), ending).await };
    let handshake = tokio::select! {
        handshake = timeout(HEAD_TIMEOUT, tls.accept(stream)) => handshake,
        () = ending.closing.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => converse(stream, site, Some(guard), ending).await,
        Ok(Err(error)) => tracing::debug!("a connection did not come to TLS: {error}"),
        Err(_) => tracing::debug!("a connection took too long to come to TLS"),
    }
}

/// Serves a connection of the owner's to its end.
pub(super) async fn serve_owner(comer: Comer, site: Arc<Site>, ending: Ending) {
    match comer {
        Comer::Socket(stream) => converse(stream, site, None, ending).await,
        Comer::Inside(stream) => converse(stream, site, None, ending).await,
    }
}

async fn converse<I>(stream: I, site: Arc<Site>, guard: Option<Arc<Guard>>, ending: Ending)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (site, guard) = (Arc::clone(&site), guard.clone());
        async move { site.answer(request, guard.as_deref()).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = ending.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection => ended,
                () = ending.cutting.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}
