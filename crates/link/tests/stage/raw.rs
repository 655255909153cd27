//! A client that says whatever a test wants: a bare WebSocket.

use super::{HANG, TOKEN};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use warrener_api::link::{AGENT_HEADER, INSTANCE_HEADER, PATH, ROLE_HEADER, SUBPROTOCOL, ToClient};

pub(crate) struct Raw {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

/// An upgrade as the server wants it, for `ann`'s first boot.
pub(crate) fn good_request(address: SocketAddr) -> ClientRequestBuilder {
    let uri = format!("ws://{address}{PATH}").parse().unwrap();
    ClientRequestBuilder::new(uri)
        .with_sub_protocol(SUBPROTOCOL)
        .with_header("authorization", format!("Bearer {TOKEN}"))
        .with_header(AGENT_HEADER, "ann")
        .with_header(INSTANCE_HEADER, "00000001")
        .with_header(ROLE_HEADER, "worker")
}

/// What the server answers to an upgrade: nothing wrong, or a status.
pub(crate) async fn status(address: SocketAddr, request: ClientRequestBuilder) -> u16 {
    let stream = TcpStream::connect(address).await.unwrap();
    match client_async(request, stream).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(good_request(address), stream).await.unwrap();
        Self { socket }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame of the link.
    pub(crate) async fn hear(&mut self) -> ToClient {
        loop {
            let message = timeout(HANG, self.socket.next()).await.expect("a frame");
            match message.expect("the link goes on").unwrap() {
                Message::Text(text) => return ToClient::read(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads until the server closes the link, and says with what words.
    pub(crate) async fn farewell(&mut self) -> (u16, String) {
        loop {
            let message = timeout(HANG, self.socket.next()).await.expect("a farewell");
            match message.expect("a farewell comes before the end").unwrap() {
                Message::Close(Some(close)) => {
                    return (close.code.into(), close.reason.to_string());
                }
                Message::Close(None) => panic!("no reason given"),
                _ => {}
            }
        }
    }
}
