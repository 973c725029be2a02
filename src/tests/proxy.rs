//! A way to the database that can be cut at a chosen message: before it, in the middle of it, behind it, or before its answer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Larger than any message of these tests, so that one read takes a whole one.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where to cut: around which of the messages that carry the marker.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    message: u32,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    Halfway,
    Behind,
    Answer,
}

impl Cut {
    /// The database never sees the message.
    pub(crate) const fn before(message: u32) -> Self {
        Self { message, at: At::Before }
    }

    /// It sees half of it.
    pub(crate) const fn halfway(message: u32) -> Self {
        Self { message, at: At::Halfway }
    }

    /// It sees all of it, and finds nobody there to answer.
    pub(crate) const fn behind(message: u32) -> Self {
        Self { message, at: At::Behind }
    }

    /// It has done what was asked, and its answer gets lost.
    pub(crate) const fn answer_to(message: u32) -> Self {
        Self { message, at: At::Answer }
    }
}

struct Waiting {
    marker: Vec<u8>,
    seen: u32,
    cut: Cut,
}

pub(crate) struct Proxy {
    port: u16,
    waiting: Arc<Mutex<Option<Waiting>>>,
}

impl Proxy {
    /// In front of a database that listens on a unix socket.
    pub(crate) async fn start(database: &Config) -> Self {
        let Some(Host::Unix(folder)) = database.get_hosts().first() else {
            panic!("the tests' cluster listens on a unix socket")
        };
        let socket: PathBuf = folder.join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let waiting = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, waiting }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts once, at a message that carries the marker.
    pub(crate) fn cut(&self, marker: &str, cut: Cut) {
        let marker = marker.as_bytes().to_vec();
        *self.waiting.lock().unwrap() = Some(Waiting { marker, seen: 0, cut });
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.waiting.lock().unwrap().is_none()
    }
}

/// Both ways until either side ends, or it is cut; then both sides are closed.
async fn pass(mut client: TcpStream, mut server: UnixStream, waiting: Arc<Mutex<Option<Waiting>>>) {
    let (mut asked, mut answered) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let message = &asked[..read];
                let at = cut_now(&waiting, message);
                let forwarded = match at {
                    Some(At::Before) => return,
                    Some(At::Halfway) => &message[..read / 2],
                    Some(At::Behind | At::Answer) | None => message,
                };
                if server.write_all(forwarded).await.is_err() {
                    return;
                }
                match at {
                    None => {}
                    Some(At::Before | At::Halfway | At::Behind) => return,
                    Some(At::Answer) => {
                        // Whatever it says, it has done it by then.
                        server.readable().await.ok();
                        return;
                    }
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn cut_now(waiting: &Mutex<Option<Waiting>>, message: &[u8]) -> Option<At> {
    let mut waiting = waiting.lock().unwrap();
    let wanted = waiting.as_mut()?;
    if !message.windows(wanted.marker.len()).any(|part| part == wanted.marker) {
        return None;
    }
    wanted.seen += 1;
    if wanted.seen < wanted.cut.message {
        return None;
    }
    let at = wanted.cut.at;
    *waiting = None;
    Some(at)
}
