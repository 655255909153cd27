//! The proxy before a plain server that echoes.
#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ErrorKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use warrener_testkit::proxy::{Fault, Proxy, Way};

/// Only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long silence is listened to; bytes that come later than this would go unnoticed, not fail.
const SILENCE: Duration = Duration::from_millis(100);

/// Echoes what it is sent, and ends when its client does.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut out, mut back) = socket.split();
                let _ = tokio::io::copy(&mut out, &mut back).await;
            });
        }
    });
    address
}

async fn before_echo() -> Proxy {
    Proxy::start(echo().await).await.unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))
        .await
        .unwrap()
}

async fn hears(socket: &mut TcpStream, words: &[u8]) {
    let mut heard = vec![0; words.len()];
    let read = timeout(PATIENCE, socket.read_exact(&mut heard)).await;
    read.expect("an echo").unwrap();
    assert_eq!(heard, words);
}

async fn says_and_hears(socket: &mut TcpStream, words: &[u8]) {
    socket.write_all(words).await.unwrap();
    hears(socket, words).await;
}

async fn hears_nothing(socket: &mut TcpStream) {
    let mut heard = [0];
    let read = timeout(SILENCE, socket.read(&mut heard)).await;
    assert!(read.is_err(), "{read:?}");
}

async fn is_reset(socket: &mut TcpStream) {
    let mut heard = [0];
    let read = timeout(PATIENCE, socket.read(&mut heard)).await;
    let error = read.expect("the end").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn what_is_said_passes_both_ways_and_ends_are_passed_on() {
    let proxy = before_echo().await;
    let mut socket = connect(&proxy).await;
    says_and_hears(&mut socket, &vec![7; 300_000]).await;
    socket.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut rest))
        .await
        .expect("the server's end")
        .unwrap();
    proxy.connection(0).await.ended().await;
}

#[tokio::test]
async fn delayed_bytes_come_later_and_in_order() {
    let proxy = before_echo().await;
    let mut socket = connect(&proxy).await;
    let delay = Duration::from_millis(60);
    proxy.set(Fault::Delay(delay));
    let begun = Instant::now();
    for word in [b"one", b"two"] {
        socket.write_all(word).await.unwrap();
    }
    hears(&mut socket, b"onetwo").await;
    assert!(begun.elapsed() >= delay * 2, "up and down");
}

#[tokio::test]
async fn a_throttled_stream_takes_its_time() {
    let proxy = before_echo().await;
    let mut socket = connect(&proxy).await;
    proxy.set(Fault::Throttle(100_000));
    let begun = Instant::now();
    says_and_hears(&mut socket, &[1; 20_000]).await;
    assert!(begun.elapsed() >= Duration::from_millis(150));
    proxy.set(Fault::None);
    says_and_hears(&mut socket, b"free").await;
}

#[tokio::test]
async fn bytes_are_lost_one_way_only() {
    let proxy = before_echo().await;
    let mut socket = connect(&proxy).await;
    says_and_hears(&mut socket, b"before").await;
    proxy.set(Fault::Lose(Way::Up));
    socket.write_all(b"lost").await.unwrap();
    hears_nothing(&mut socket).await;
    proxy.set(Fault::Lose(Way::Down));
    socket.write_all(b"lost on its way back").await.unwrap();
    hears_nothing(&mut socket).await;
    proxy.set(Fault::None);
    says_and_hears(&mut socket, b"after").await;
}

#[tokio::test]
async fn a_hanging_connection_stays_open_and_goes_on_where_it_was() {
    let proxy = before_echo().await;
    let mut hanging = connect(&proxy).await;
    let mut other = connect(&proxy).await;
    says_and_hears(&mut hanging, b"1").await;
    says_and_hears(&mut other, b"1").await;
    proxy.connection(0).await.set(Fault::Hang);
    hanging.write_all(b"2").await.unwrap();
    hears_nothing(&mut hanging).await;
    says_and_hears(&mut other, b"2").await;
    proxy.connection(0).await.set(Fault::None);
    hears(&mut hanging, b"2").await;
}

#[tokio::test]
async fn nobody_hears_of_an_end_while_the_connection_hangs() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    proxy.set(Fault::Hang);
    drop(client);
    hears_nothing(&mut server).await;
    proxy.cut();
    is_reset(&mut server).await;
}

#[tokio::test]
async fn a_cut_is_a_reset_for_those_there_are_and_nothing_to_those_that_come() {
    let proxy = before_echo().await;
    let mut old = connect(&proxy).await;
    says_and_hears(&mut old, b"1").await;
    proxy.cut();
    is_reset(&mut old).await;
    proxy.connection(0).await.ended().await;
    let mut new = connect(&proxy).await;
    says_and_hears(&mut new, b"2").await;
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_closed_port_refuses_and_opens_again_where_it_was() {
    let proxy = before_echo().await;
    let mut old = connect(&proxy).await;
    says_and_hears(&mut old, b"1").await;
    proxy.refuse().await.unwrap();
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    says_and_hears(&mut old, b"2").await;
    proxy.admit().await.unwrap();
    says_and_hears(&mut connect(&proxy).await, b"3").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let proxy = Proxy::start(address).await.unwrap();
    is_reset(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn a_dropped_proxy_leaves_no_connection() {
    let proxy = before_echo().await;
    let mut socket = connect(&proxy).await;
    says_and_hears(&mut socket, b"1").await;
    drop(proxy);
    let mut heard = [0];
    let read = timeout(PATIENCE, socket.read(&mut heard))
        .await
        .expect("the end");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
