//! Clients that do not read what they get, on a socket that holds next to nothing.
#![expect(
    clippy::unwrap_used,
    reason = "also outside of its test functions this is a test"
)]

mod stage;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use stage::{HANG, quick};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{DuplexStream, duplex};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role as Side;
use warrener_api::link::{Subscribe, ToClient, ToServer};
use warrener_backend::MemoryBroker;
use warrener_backend::broker::{Broker, Outgoing};
use warrener_link::frame::frames;
use warrener_link::{Frame, LinkEnd, Peer, ServeOptions, SocketError, serve_link};
use warrener_model::agent::Role;
use warrener_testkit::broker::talk::{depth_is, note, offers, to, who};

fn peer() -> Peer {
    Peer {
        who: Some(who("ann")),
        role: Role::Worker,
        token: "test".into(),
    }
}

async fn socket(
    stream: DuplexStream,
    side: Side,
) -> impl Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Unpin + Send
{
    frames(WebSocketStream::from_raw_socket(stream, side, None).await)
}

fn subscribe(credit: u32) -> Frame {
    let ask = Subscribe {
        n: 1,
        from: offers("one").to_string(),
        credit,
        will: None,
    };
    Frame::Text(ToServer::Subscribe(ask).write())
}

/// Offers with bodies of this size.
async fn fill(broker: &MemoryBroker, messages: u64, bytes: usize) {
    broker.ensure(&[offers("one")]).await.unwrap();
    let filler = "x".repeat(bytes);
    let batch: Vec<Outgoing> = (0..messages)
        .map(|n| {
            let mut message = note(n);
            message.body = format!(r#"{{"v":1,"number":{n},"filler":"{filler}"}}"#).into();
            to(&offers("one"), message)
        })
        .collect();
    broker.publish(batch).await.unwrap();
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_and_its_deliveries_go_back() {
    let memory = MemoryBroker::default();
    fill(&memory, 100, 64 * 1024).await;
    let (near, far) = duplex(4 * 1024);
    let options = ServeOptions {
        ping: Duration::from_millis(50),
        misses: 3,
        ..quick()
    };
    let broker: Arc<dyn Broker> = Arc::new(memory.clone());
    let link = serve_link(
        socket(far, Side::Server).await,
        broker.clone(),
        peer(),
        options,
    );
    let client = async {
        let mut socket = socket(near, Side::Client).await;
        socket.send(subscribe(100)).await.unwrap();
        // It is alive and says so, but it reads nothing.
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if socket.send(Frame::Pong).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let end = tokio::select! {
        end = timeout(HANG, link) => end.expect("it is cut"),
        () = client => unreachable!(),
    };
    assert_eq!(end, LinkEnd::Slow);
    depth_is(&broker, &offers("one"), 100, 0).await;
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_when_its_answers_are_too_many() {
    let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::default());
    let (near, far) = duplex(4 * 1024);
    let options = ServeOptions {
        // Far away: it is the bytes that count here.
        ping: HANG * 10,
        buffer_bytes: 16 * 1024,
        ..quick()
    };
    let link = serve_link(socket(far, Side::Server).await, broker, peer(), options);
    let client = async {
        let mut socket = socket(near, Side::Client).await;
        loop {
            let ask = Frame::Text(r#"{"op":"depth","n":1,"of":"offers/one"}"#.into());
            if socket.send(ask).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let end = tokio::select! {
        end = timeout(HANG, link) => end.expect("it is cut"),
        () = client => unreachable!(),
    };
    assert_eq!(end, LinkEnd::Slow);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let memory = MemoryBroker::default();
    fill(&memory, 60, 8 * 1024).await;
    let (near, far) = duplex(4 * 1024);
    let options = ServeOptions {
        // Much less than what waits: the rest stays with the broker's side of the link.
        buffer_bytes: 32 * 1024,
        ..quick()
    };
    let broker: Arc<dyn Broker> = Arc::new(memory.clone());
    let link = serve_link(socket(far, Side::Server).await, broker, peer(), options);
    let client = async {
        let mut socket = socket(near, Side::Client).await;
        socket.send(subscribe(60)).await.unwrap();
        let mut seen = 0;
        while seen < 60 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let frame = timeout(HANG, socket.next()).await.expect("a frame");
            if let Frame::Text(text) = frame.unwrap().unwrap()
                && let ToClient::Deliver(_) = ToClient::read(&text).unwrap()
            {
                seen += 1;
            }
        }
    };
    tokio::select! {
        end = link => panic!("{end}"),
        () = client => {}
    }
}
