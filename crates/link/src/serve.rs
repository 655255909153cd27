//! The server's end of one link: a loop over frames, deliveries and answers of the broker.
//!
//! ```text
//!            +---- Session ------------------------------+
//! socket --> | frames -> gate -> broker (some at once)   |
//!            | subscriptions -> deliveries               | --> outbox --> writer --> socket
//!            | answers -> replies                        |
//!            +-------------------------------------------+
//! ```
//! Everything is owned by one future: dropping it, or its end for whatever reason, drops every
//! subscription. Nothing here spawns. Bounds: requests at work, bytes that wait to be written,
//! subscriptions, credit, and the time that a peer may stay silent or read nothing.

mod session;

use crate::frame::{Frame, SocketError};
use crate::gate::{Peer, Tally};
use crate::outbox::{Stuck, outbox};
use futures_util::{Sink, Stream, StreamExt};
use session::Session;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use warrener_backend::broker::Broker;

/// How a link is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// How often to ask whether the peer is there. Silent, or reading nothing, for
    /// [`ServeOptions::misses`] of these, it is cut.
    pub ping: Duration,
    /// How many pings without a sign of life end a link.
    pub misses: u32,
    /// How many bytes may wait to be written: with half of it no more deliveries are taken, beyond
    /// it the peer is cut. At least four frames make sense.
    pub buffer_bytes: usize,
    /// Requests that the broker works on at once; then nothing more is read.
    pub in_flight: usize,
    /// Subscriptions of one link.
    pub subscriptions: usize,
    /// The most credit of one subscription.
    pub credit: u32,
    /// How long to wait for the peer's answer when this end closes.
    pub goodbye: Duration,
    /// Ends the link when it is cancelled.
    pub stop: CancellationToken,
    /// Counts what the peer is refused.
    pub tally: Option<Arc<dyn Tally>>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(10),
            misses: 3,
            buffer_bytes: 4 * warrener_model::limits::LINK_FRAME_BYTES,
            in_flight: 16,
            subscriptions: 64,
            credit: 4_096,
            goodbye: Duration::from_secs(1),
            stop: CancellationToken::new(),
            tally: None,
        }
    }
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEnd {
    /// The peer closed it.
    Left,
    /// The connection broke.
    Broken(String),
    /// Nothing was heard of the peer.
    Silent,
    /// The peer reads too slowly, or not at all.
    Slow,
    /// What the peer sent is no frame of the link.
    Malformed(String),
    /// What the peer sent is larger than a frame may be, in bytes.
    TooLarge(usize),
    /// This server stops.
    Stopped,
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkEnd::Left => f.write_str("the client closed the link"),
            LinkEnd::Broken(why) => write!(f, "the connection broke: {why}"),
            LinkEnd::Silent => f.write_str("nothing was heard of the client"),
            LinkEnd::Slow => f.write_str("the client does not read what it gets"),
            LinkEnd::Malformed(why) => write!(f, "not a frame of this link: {why}"),
            LinkEnd::TooLarge(bytes) => {
                let limit = warrener_model::limits::LINK_FRAME_BYTES;
                write!(f, "a frame of {bytes} bytes; the limit is {limit}")
            }
            LinkEnd::Stopped => f.write_str("the server stops"),
        }
    }
}

impl LinkEnd {
    /// What the peer is told: RFC 6455's code, and words that fit into a close frame.
    fn farewell(&self) -> Option<Frame> {
        let code = match self {
            LinkEnd::Left => 1000,
            LinkEnd::Stopped => 1001,
            LinkEnd::Malformed(_) => 1002,
            LinkEnd::Silent | LinkEnd::Slow => 1008,
            LinkEnd::TooLarge(_) => 1009,
            LinkEnd::Broken(_) => return None,
        };
        let mut reason = self.to_string();
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Some(Frame::Close { code, reason })
    }
}

/// Serves one link until it ends. The caller has checked who the peer is, and agreed on
/// [`warrener_api::link::SUBPROTOCOL`].
///
/// # Cancel safety
/// When dropped, the link ends as if the connection had broken.
pub async fn serve_link<S>(
    socket: S,
    broker: Arc<dyn Broker>,
    peer: Peer,
    options: ServeOptions,
) -> LinkEnd
where
    S: Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Unpin + Send,
{
    let (sink, mut stream) = socket.split();
    let (out, waiting) = outbox();
    let goodbye = options.goodbye;
    let patience = options.ping.saturating_mul(options.misses);
    let session = Session::new(broker, peer.clone(), options, out.clone());
    let mut writer = pin!(waiting.write(sink, patience));
    let end = tokio::select! {
        end = session.run(&mut stream) => end,
        stuck = &mut writer => match stuck {
            Err(Stuck::Broken(why)) => LinkEnd::Broken(why),
            // It cannot end by itself while this function holds an outbox.
            Err(Stuck::Stalled) | Ok(()) => LinkEnd::Slow,
        },
    };
    // From here on the subscriptions are gone. What follows is politeness, within a short time; the
    // writer that just failed is not asked again.
    let who = peer.who.as_ref().map(|who| who.agent.to_string());
    debug!(agent = who, token = peer.token, %end, "link ended");
    let writes = !matches!(end, LinkEnd::Broken(_) | LinkEnd::Slow);
    if let (true, Some(farewell)) = (writes, end.farewell()) {
        out.push(farewell);
        drop(out);
        let _ = timeout(goodbye, async {
            let _ = writer.await;
            // Closing a socket that holds unread bytes resets it, and the farewell may be lost.
            while let Some(Ok(_)) = stream.next().await {}
        })
        .await;
    }
    end
}
