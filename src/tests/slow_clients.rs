//! Clients that dribble, rest, or flood: raw sockets, and limits so small that nobody waits for them.

use std::net::SocketAddr;
use std::time::Duration;

use onestop::config::Tls;
use onestop::door::trust::Trust;
use onestop::door::wire;
use onestop::keys::authority::{self, AUTHORITY_CERTIFICATE, For};
use onestop::server::{self, Bounds, Services, Serving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::folder::Folder;

const SOON: Duration = Duration::from_millis(50);

/// Bounds that only the one meets that a test is about.
fn wide() -> Bounds {
    let long = Duration::from_secs(600);
    Bounds {
        greeting_max: long,
        head_max: long,
        stall_max: long,
        call_max: long,
        ..Bounds::default()
    }
}

/// A server over HTTP whose answers are as long as the path says.
async fn http(bounds: Bounds, tls: Option<&Tls>) -> (SocketAddr, DropGuard) {
    let router = axum::Router::new().fallback(|request: axum::extract::Request| async move {
        let length = request.uri().path().trim_start_matches('/').parse().unwrap_or(2);
        "x".repeat(length)
    });
    let greeter = tls.map(|tls| Trust::open(tls, &std::sync::Arc::default()).unwrap().greeter());
    let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let stopping = (stop.clone(), Duration::from_millis(100));
    tokio::spawn(server::serve_http_within(router, (listener, greeter), stopping, bounds));
    (address, stop.drop_guard())
}

/// The same of gRPC.
async fn grpc(bounds: Bounds) -> (SocketAddr, DropGuard) {
    let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = Serving {
        listener,
        greeter: None,
        descriptors: wire::FILE_DESCRIPTOR_SET,
        state: watch::channel(false).0,
        stop: stop.clone(),
        drain_max: Duration::from_millis(100),
    };
    tokio::spawn(server::serve_within(Services::default(), serving, bounds));
    (address, stop.drop_guard())
}

const CALL: &[u8] = b"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

/// What a connection says until it is closed from there, once this was sent.
async fn until_closed(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut said = Vec::new();
    // Closed in the middle of what we said is closed too.
    stream.read_to_end(&mut said).await.ok();
    String::from_utf8_lossy(&said).into_owned()
}

/// Whether a call is answered, on a connection that is told to close then.
async fn answers(address: SocketAddr) -> bool {
    let call = b"GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    until_closed(address, call).await.contains("200 OK")
}

/// The same of a connection from another address of this machine.
async fn answers_from(from: &str, address: SocketAddr) -> bool {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(b"GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.is_ok() && said.contains("200 OK")
}

#[tokio::test]
async fn who_says_nothing_or_dribbles_a_head_is_closed() {
    let (address, _stop) = http(Bounds { head_max: SOON, ..wide() }, None).await;
    for sent in [&b""[..], b"P", b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nX: 1\r\nX"]
    {
        let said = until_closed(address, sent).await;
        assert!(!said.contains("200 OK"), "{said}");
    }
    // A connection that was used, and rests.
    let said = until_closed(address, CALL).await;
    assert!(said.contains("200 OK"), "{said}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (address, _stop) = http(wide(), None).await;
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    let said = until_closed(address, large.as_bytes()).await;
    assert!(!said.contains("200 OK"), "{said}");
}

#[tokio::test]
async fn who_does_not_greet_by_tls_is_closed() {
    let folder = Folder::new("slow-tls");
    let dir = folder.path().join("authority");
    let today = onestop::app::now().day;
    authority::init(&dir, today).unwrap();
    let names = ["localhost".to_owned()];
    let server = authority::issue(&dir, For::Server(&names), (&dir, "server"), (today, 2)).unwrap();
    let tls = Tls {
        cert: server.certificate,
        key: server.key,
        client_ca: Some(dir.join(AUTHORITY_CERTIFICATE)),
        crl: None,
        callers: None,
        oidc: None,
    };
    let (address, _stop) = http(Bounds { greeting_max: SOON, ..wide() }, Some(&tls)).await;
    // The beginning of a handshake record, and none at all.
    for sent in [&b""[..], &[22, 3, 1, 2, 0]] {
        assert_eq!(until_closed(address, sent).await, "");
    }
}

#[tokio::test]
async fn who_does_not_begin_to_speak_grpc_is_closed() {
    let (address, _stop) = grpc(Bounds { greeting_max: SOON, ..wide() }).await;
    for sent in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        // Closed, whatever was said before.
        until_closed(address, sent).await;
    }
}

/// A call whose message never comes: headers of a stream that stays open.
#[tokio::test]
async fn a_grpc_message_that_does_not_come_is_not_waited_for() {
    use tonic::codegen::http;
    let (address, _stop) = grpc(Bounds { call_max: SOON, ..wide() }).await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    let never = axum::body::Body::from_stream(tokio_stream::pending::<
        Result<axum::body::Bytes, std::convert::Infallible>,
    >());
    let request = http::Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(never))
        .unwrap();
    std::future::poll_fn(|cx| tower::Service::poll_ready(&mut channel, cx)).await.unwrap();
    let answer = tower::Service::call(&mut channel, request).await.unwrap();
    let status = answer.headers().get("grpc-status").unwrap();
    assert_ne!(status, "0");
}

#[tokio::test]
async fn who_takes_nothing_of_the_answer_gives_up_the_place() {
    let bounds = Bounds { stall_max: SOON, connections_max: 1, ..wide() };
    let (address, _stop) = http(bounds, None).await;
    let mut deaf = TcpStream::connect(address).await.unwrap();
    // Far more than sockets hold.
    deaf.write_all(b"GET /100000000 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut tries = 0;
    while !answers(address).await {
        tries += 1;
        assert!(tries < 100_000, "the place is never free again");
    }
    drop(deaf);
}

#[tokio::test]
async fn more_connections_than_are_taken_are_closed_at_once() {
    let (address, _stop) = http(Bounds { connections_max: 2, ..wide() }, None).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(CALL).await.unwrap();
        // Answered: so it is counted.
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    assert!(!answers(address).await);
    held.pop();
    let mut tries = 0;
    while !answers(address).await {
        tries += 1;
        assert!(tries < 100_000, "there is never room again");
    }
}

#[tokio::test]
async fn one_address_does_not_take_the_places_of_the_others() {
    let (address, _stop) = http(Bounds { per_address_max: 1, ..wide() }, None).await;
    let mut held = TcpStream::connect(address).await.unwrap();
    held.write_all(CALL).await.unwrap();
    held.read_exact(&mut [0; 12]).await.unwrap();
    assert!(!answers(address).await);
    assert!(answers_from("127.0.0.2", address).await);
}
