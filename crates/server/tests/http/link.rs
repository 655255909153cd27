//! `GET /api/v1/link`: the upgrade; what is spoken on it is tested with the link itself.

use crate::login::{log_out, session};
use crate::support::{Server, TOKEN};
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_util::sync::CancellationToken;
use warrener_api::Problem;
use warrener_server::link::{LinkAsk, LinkEnd, LinkFrame, LinkSocket};

/// Says everything back, and who asked; knows nobody called `mallory`.
#[derive(Debug)]
struct Echo;

#[async_trait]
impl LinkEnd for Echo {
    fn admit(&self, ask: &LinkAsk) -> Result<(), Problem> {
        match ask.header("warrener-agent") {
            Some("mallory") => Err(Problem::new("not_allowed", "mallory may not")),
            _ => Ok(()),
        }
    }

    async fn serve(&self, mut socket: LinkSocket, ask: LinkAsk, stop: CancellationToken) {
        loop {
            let frame = tokio::select! {
                frame = socket.next() => frame,
                () = stop.cancelled() => {
                    let close = LinkFrame::Close { code: 1001, reason: "the server stops".into() };
                    let _ = socket.send(close).await;
                    return;
                }
            };
            let answer = match frame {
                Some(Ok(LinkFrame::Text(text))) => {
                    let name = ask.header("warrener-agent").unwrap_or("nobody");
                    LinkFrame::Text(format!("{name}: {text}"))
                }
                Some(Ok(LinkFrame::Binary)) => LinkFrame::Text("binary".into()),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            };
            if socket.send(answer).await.is_err() {
                return;
            }
        }
    }
}

fn server() -> Server {
    Server::with(|options, _| options.link = Some(Arc::new(Echo)))
}

fn upgrade(server: &Server, protocol: &str, agent: &str) -> Request<()> {
    let url = format!("ws{}/api/v1/link", server.url.strip_prefix("http").unwrap());
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
    headers.insert("warrener-agent", agent.parse().unwrap());
    request
}

async fn refused(request: Request<()>) -> (u16, Problem) {
    let error = tokio_tungstenite::connect_async(request)
        .await
        .err()
        .unwrap();
    let Error::Http(response) = error else {
        panic!("{error}")
    };
    let body = response.body().as_deref().unwrap_or_default();
    (
        response.status().as_u16(),
        serde_json::from_slice(body).unwrap(),
    )
}

#[test]
fn frames_go_both_ways_until_the_server_stops() {
    let mut server = server();
    let request = upgrade(&server, "other, warrener.link.v1", "ann");
    let stop = server.stop.clone();
    server.runtime.block_on(async {
        let (mut socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            "warrener.link.v1"
        );
        socket.send(Message::Text("hi".into())).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap(),
            Message::Text("ann: hi".into())
        );
        socket.send(Message::Binary(vec![1].into())).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap(),
            Message::Text("binary".into())
        );
        stop.cancel();
        let Some(Ok(Message::Close(Some(close)))) = socket.next().await else {
            panic!("the end is said")
        };
        assert_eq!(u16::from(close.code), 1001);
    });
    let served = server.served.take().unwrap();
    server.runtime.block_on(served).unwrap().unwrap();
}

#[test]
fn a_link_ends_with_the_browsers_session_that_opened_it() {
    let server = server();
    let cookie = session(&server);
    let mut mine = upgrade(&server, "warrener.link.v1", "ann");
    mine.headers_mut().remove("authorization");
    mine.headers_mut().insert("cookie", cookie.parse().unwrap());
    let other = upgrade(&server, "warrener.link.v1", "bob");
    let connect = async |request| tokio_tungstenite::connect_async(request).await.unwrap().0;
    let (mut mine, mut other) = server.runtime.block_on(async {
        let (mut mine, other) = (connect(mine).await, connect(other).await);
        mine.send(Message::Text("hi".into())).await.unwrap();
        let answer = mine.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::Text("ann: hi".into()));
        (mine, other)
    });
    assert_eq!(log_out(&server, &cookie).status, 200);
    server.runtime.block_on(async {
        let Some(Ok(Message::Close(Some(_)))) = mine.next().await else {
            panic!("the end is said")
        };
        other.send(Message::Text("hi".into())).await.unwrap();
        let answer = other.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::Text("bob: hi".into()));
    });
}

#[test]
fn a_link_needs_its_subprotocol_an_admission_and_an_end() {
    let server = server();
    let request = upgrade(&server, "other", "ann");
    let (status, problem) = server.runtime.block_on(refused(request));
    assert_eq!((status, problem.code.as_str()), (400, "bad_request"));
    assert!(problem.detail.contains("warrener.link.v1"));
    let request = upgrade(&server, "warrener.link.v1", "mallory");
    let (status, problem) = server.runtime.block_on(refused(request));
    assert_eq!((status, problem.code.as_str()), (403, "not_allowed"));
    server.get("/api/v1/link").problem(400, "bad_request");
    let without = Server::start();
    let request = upgrade(&without, "warrener.link.v1", "ann");
    let (status, problem) = without.runtime.block_on(refused(request));
    assert_eq!((status, problem.code.as_str()), (503, "unavailable"));
}
