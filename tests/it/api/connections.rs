//! Connections that say nothing, too little, too slowly or too much (faults 62 to 67 and 72).

use super::world::World;
use inlet::http::ServerLimits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Limits that a test can wait for.
fn short() -> ServerLimits {
    ServerLimits {
        first_bytes: Duration::from_millis(300),
        header: Duration::from_millis(300),
        write: Duration::from_millis(300),
        ..ServerLimits::default()
    }
}

/// Sends `bytes` and gives everything that comes until the server closes, which it has to do soon.
async fn exchange(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    // A reset is an end as well.
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn authorized(world: &World, rest: &str) -> Vec<u8> {
    format!(
        "POST /v1/messaging/conversations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{rest}",
        world.key
    )
    .into_bytes()
}

#[tokio::test]
async fn a_silent_connection_and_half_a_header_are_closed() {
    let world = World::with_limits(short()).await;
    assert_eq!(exchange(&world, b"").await, "");
    assert_eq!(exchange(&world, b"P").await, "");
    let half = exchange(&world, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408"), "{half}");
}

#[tokio::test]
async fn a_connection_that_rests_between_requests_is_closed() {
    let world = World::with_limits(short()).await;
    let answer = exchange(&world, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_408() {
    let world = World::new().await;
    let answer = exchange(&world, &authorized(&world, "Content-Length: 100\r\n\r\n{")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("REQUEST_TIMEOUT"), "{answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_hurts_nobody() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&authorized(&world, "Content-Length: 100\r\n\r\n{")).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    world.get("/v1/messaging/conversations").await.expect(200);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_413_before_it_sends() {
    let world = World::new().await;
    let head = "Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n";
    let answer = exchange(&world, &authorized(&world, head)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_without_end_is_413() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&authorized(&world, "Transfer-Encoding: chunked\r\n\r\n")).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let flood = tokio::spawn(async move {
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
        let mut sent = 0_u64;
        while writing.write_all(&chunk).await.is_ok() {
            sent += chunk.len() as u64;
        }
        sent
    });
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(20), reading.read(&mut answer)).await;
    let length = read.expect("an answer in time").expect("an answer");
    assert!(answer[..length].starts_with(b"HTTP/1.1 413"));
    drop(reading);
    assert!(flood.await.unwrap() < 200 * 1024 * 1024, "reading stops soon");
}

#[tokio::test]
async fn smuggled_requests_are_refused() {
    let world = World::new().await;
    for bytes in [
        "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        let answer = exchange(&world, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn http_2_without_tls_is_served() {
    let world = World::new().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response = client.get(format!("http://{}/healthz", world.address)).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_a_free_place() {
    let world = World::with_limits(ServerLimits { connections: 2, ..short() }).await;
    let _first = TcpStream::connect(world.address).await.unwrap();
    let _second = TcpStream::connect(world.address).await.unwrap();
    // Both say nothing: their places are free again after the first-byte limit.
    let answer = tokio::time::timeout(Duration::from_secs(10), world.get("/healthz")).await.expect("served");
    answer.expect(200);
}

#[tokio::test]
async fn at_shutdown_a_request_under_way_is_answered_and_no_new_one_is_taken() {
    let world = World::new().await;
    let body = r#"{"surfaceId": "x"}"#;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&authorized(&world, &head)).await.unwrap();
    // The second request shows that the server has read the first one's header.
    world.get("/healthz").await.expect(200);
    world.shut_down();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer));
    assert!(TcpStream::connect(world.address).await.is_err());
}
