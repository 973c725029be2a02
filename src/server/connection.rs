//! One connection on its way through a server: it counts as long as it lives, knows who is at its other end, and is given up where
//! that end says nothing at first, or takes nothing for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::accept::Speaks;
use super::peer::Peer;
use super::room::{Bounds, Place};

/// A connection that is ready for a server.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Wire,
    pub(super) peer: Peer,
    _place: Place,
    opening: Option<Opening>,
    stall_max: Duration,
    /// Runs while the other end takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// How a connection's bytes travel.
#[derive(Debug)]
pub(super) enum Wire {
    /// As they are.
    Plain(TcpStream),
    /// By TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What must come before anything else, and until when.
#[derive(Debug)]
struct Opening {
    bytes_left: usize,
    end: Pin<Box<Sleep>>,
}

/// How HTTP/2 begins.
const PREFACE_BYTES: usize = 24;

impl Connection {
    /// HTTP/1 looks itself when a request's head comes; HTTP/2 would wait for its first bytes for ever.
    pub(super) fn new(
        stream: Wire,
        (peer, place): (Peer, Place),
        (speaks, bounds): (Speaks, &Bounds),
    ) -> Self {
        let opening = match speaks {
            Speaks::Http1 => None,
            Speaks::Http2 => {
                let end = Box::pin(sleep(bounds.greeting_max));
                Some(Opening { bytes_left: PREFACE_BYTES, end })
            }
        };
        let stall_max = bounds.stall_max;
        Self { stream, peer, _place: place, opening, stall_max, stalled: None }
    }

    /// Lets what waits for the other end wait only so long without any progress.
    fn within<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stall_max = self.stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        let Some(opening) = &mut self.opening else { return polled };
        let read = buffer.filled().len().saturating_sub(before);
        opening.bytes_left = opening.bytes_left.saturating_sub(read);
        if opening.bytes_left == 0 {
            self.opening = None;
        } else if opening.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.within(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.within(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.within(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        self.within(cx, polled)
    }
}
