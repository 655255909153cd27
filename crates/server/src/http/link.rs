//! The link's HTTP side: token, subprotocol, upgrade. What is spoken on it is for the other crate, which the binary
//! plugs in as a [`LinkEnd`]: this crate knows neither the link nor a broker.

use crate::failure::{Answer, Failure};
use crate::login::Session;
use crate::reading::Params;
use crate::state::App;
use async_trait::async_trait;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use std::fmt;
use tokio_util::sync::CancellationToken;
use warrener_api::Problem;
use warrener_api::link::SUBPROTOCOL;
use warrener_model::limits::LINK_FRAME_BYTES;

/// One message of a link's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFrame {
    /// A frame of the link.
    Text(String),
    /// Not of the link.
    Binary,
    /// Are you there? Answered by the socket itself.
    Ping,
    /// Yes.
    Pong,
    /// The end.
    Close {
        /// Why, as RFC 6455 counts.
        code: u16,
        /// Why, in words.
        reason: String,
    },
}

/// A socket that broke: in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkBroken(pub String);

impl fmt::Display for LinkBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LinkBroken {}

/// Frames in both directions.
pub trait LinkFrames:
    Stream<Item = Result<LinkFrame, LinkBroken>> + Sink<LinkFrame, Error = LinkBroken> + Send + Unpin
{
}

impl<S> LinkFrames for S where
    S: Stream<Item = Result<LinkFrame, LinkBroken>>
        + Sink<LinkFrame, Error = LinkBroken>
        + Send
        + Unpin
{
}

/// A socket, whatever it is made of.
pub type LinkSocket = Box<dyn LinkFrames>;

/// What the client says of itself in the headers of the upgrade; its token was checked.
#[derive(Clone)]
pub struct LinkAsk {
    headers: HeaderMap,
}

impl LinkAsk {
    /// A header of the upgrade, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for LinkAsk {
    /// Without the headers: the token is one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkAsk").finish_non_exhaustive()
    }
}

/// Serves links.
#[async_trait]
pub trait LinkEnd: fmt::Debug + Send + Sync {
    /// Whether this client may have a link; asked before the upgrade.
    ///
    /// # Errors
    /// The problem that the client gets instead.
    fn admit(&self, ask: &LinkAsk) -> Result<(), Problem>;

    /// Serves one link to its end; must return soon after `stop` is cancelled.
    async fn serve(&self, socket: LinkSocket, ask: LinkAsk, stop: CancellationToken);
}

/// Open a link
///
/// WebSocket, subprotocol `warrener.link.v1`; for agents on other machines.
#[utoipa::path(
    get, path = "/api/v1/link", operation_id = "open_link", tag = "server",
    responses((status = 101, description = "The link is open"))
)]
pub(crate) async fn open(
    State(app): State<App>,
    params: Params,
    request: Request,
) -> Answer<Response> {
    params.only(&[])?;
    let Some(end) = app.options.link.clone() else {
        let problem = Problem::new("unavailable", "this server serves no links");
        return Err(problem.hint("connect the agent to the broker").into());
    };
    let ask = LinkAsk {
        headers: request.headers().clone(),
    };
    let (mut parts, _) = request.into_parts();
    let session = parts.extensions.remove::<Session>();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade.map_err(|error| Failure::bad_request(error.body_text()))?;
    // The limit of the socket is above the link's own, so that the link can say why it refuses a frame.
    let upgrade = upgrade
        .max_message_size(4 * LINK_FRAME_BYTES)
        .max_frame_size(4 * LINK_FRAME_BYTES)
        .protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let detail = format!("the link speaks the subprotocol {SUBPROTOCOL} only");
        return Err(Failure::bad_request(detail));
    }
    end.admit(&ask)?;
    // Counted from now on, so that a shutdown waits for it.
    let token = app.links.token();
    let stop = app.stop.child_token();
    Ok(upgrade.on_upgrade(async move |socket| {
        let over = async {
            match session {
                Some(session) => session.over().await,
                None => future::pending().await,
            }
        };
        let mut served = end.serve(frames(socket), ask, stop.clone());
        tokio::select! {
            () = &mut served => {}
            () = over => {
                stop.cancel();
                served.await;
            }
        }
        drop(token);
    }))
}

fn frames(socket: WebSocket) -> LinkSocket {
    let broken = |error: axum::Error| LinkBroken(error.to_string());
    Box::new(
        socket
            .map(move |message| message.map(read).map_err(broken))
            .sink_map_err(broken)
            .with(|frame| future::ready(Ok::<_, LinkBroken>(write(frame)))),
    )
}

fn read(message: Message) -> LinkFrame {
    match message {
        Message::Text(text) => LinkFrame::Text(text.as_str().to_owned()),
        Message::Binary(_) => LinkFrame::Binary,
        Message::Ping(_) => LinkFrame::Ping,
        Message::Pong(_) => LinkFrame::Pong,
        Message::Close(close) => {
            // 1005: it did not say why.
            let (code, reason) = close.map_or((1005, String::new()), |close| {
                (close.code, close.reason.as_str().to_owned())
            });
            LinkFrame::Close { code, reason }
        }
    }
}

fn write(frame: LinkFrame) -> Message {
    match frame {
        LinkFrame::Text(text) => Message::Text(text.into()),
        LinkFrame::Binary => Message::Binary(bytes::Bytes::new()),
        LinkFrame::Ping => Message::Ping(bytes::Bytes::new()),
        LinkFrame::Pong => Message::Pong(bytes::Bytes::new()),
        LinkFrame::Close { code, reason } => Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        })),
    }
}
