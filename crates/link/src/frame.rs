//! What both ends read from and write to a socket, whatever library the socket is of.

use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use warrener_model::limits::LINK_FRAME_BYTES;

/// One message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One frame of the link.
    Text(String),
    /// Not of the link: it is malformed.
    Binary,
    /// Are you there? The socket answers by itself.
    Ping,
    /// Yes.
    Pong,
    /// The other side ends it, or this side does.
    Close {
        /// Why, as RFC 6455 counts.
        code: u16,
        /// Why, in at most 123 bytes of words.
        reason: String,
    },
}

impl Frame {
    /// How much room it takes while it waits.
    pub(crate) fn size(&self) -> usize {
        match self {
            Frame::Text(text) => text.len(),
            Frame::Binary | Frame::Ping | Frame::Pong | Frame::Close { .. } => 0,
        }
    }
}

/// Why a socket ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SocketError(pub String);

/// Settings for a socket of the link. The limit of the library is above that of the link: a frame a
/// little too large is read to its end, so that its sender can be told why it was cut.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(4 * LINK_FRAME_BYTES))
        .max_frame_size(Some(4 * LINK_FRAME_BYTES))
}

/// A socket of tokio-tungstenite as one of frames.
pub fn frames<S>(
    socket: WebSocketStream<S>,
) -> impl Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Unpin + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let error = |error: tokio_tungstenite::tungstenite::Error| SocketError(error.to_string());
    socket
        .map(move |message| message.map(read).map_err(error))
        .sink_map_err(error)
        .with(|frame| future::ready(Ok::<_, SocketError>(write(frame))))
}

fn read(message: Message) -> Frame {
    match message {
        Message::Text(text) => Frame::Text(text.as_str().to_owned()),
        Message::Binary(_) | Message::Frame(_) => Frame::Binary,
        Message::Ping(_) => Frame::Ping,
        Message::Pong(_) => Frame::Pong,
        Message::Close(close) => {
            let (code, reason) = match close {
                Some(close) => (close.code.into(), close.reason.as_str().to_owned()),
                None => (1005, String::new()),
            };
            Frame::Close { code, reason }
        }
    }
}

fn write(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::Text(text.into()),
        Frame::Binary => Message::Binary(Default::default()),
        Frame::Ping => Message::Ping(Default::default()),
        Frame::Pong => Message::Pong(Default::default()),
        Frame::Close { code, reason } => Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: reason.into(),
        })),
    }
}
