//! Carries connections from where developers call to where the doors are, so that one can be cut in the middle of a call: the
//! client sees what it would of a broken network, and nothing that a server says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The connections that are carried, by how the doors see their other end.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    carried: Mutex<BTreeMap<SocketAddr, CancellationToken>>,
}

impl Cuts {
    /// Cuts a connection. The call that asks for it goes with it, and never comes back from here.
    pub(super) async fn cut<T>(&self, peer: Option<SocketAddr>) -> T {
        let token = peer.and_then(|peer| self.carried().get(&peer).cloned());
        if let Some(token) = token {
            token.cancel();
        }
        std::future::pending().await
    }

    /// Carries whatever connects here to there, until told to stop.
    pub(super) async fn carry(
        self: Arc<Self>,
        listener: TcpListener,
        there: SocketAddr,
        stop: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            if let Ok((stream, _)) = accepted {
                tokio::spawn(Arc::clone(&self).carry_one(stream, there));
            }
        }
    }

    async fn carry_one(self: Arc<Self>, mut outside: TcpStream, there: SocketAddr) {
        let Ok(mut inside) = TcpStream::connect(there).await else { return };
        let Ok(seen) = inside.local_addr() else { return };
        outside.set_nodelay(true).ok();
        inside.set_nodelay(true).ok();
        let token = CancellationToken::new();
        self.carried().insert(seen, token.clone());
        tokio::select! {
            // That either end goes away is how every connection ends.
            _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => {}
            () = token.cancelled() => {}
        }
        self.carried().remove(&seen);
    }

    fn carried(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, CancellationToken>> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
