//! What a broker says of itself before anybody logs in: product and version.
//!
//! The client keeps that to itself, so this opens a connection of its own, reads the greeting and hangs up.

use super::fault::Fault;
use super::target::Target;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use lapin::protocol::{AMQPClass, connection, parse_class};
use lapin::tcp::AMQPUriTcpExt;
use lapin::types::{AMQPValue, FieldTable};
use std::time::Duration;
use tokio::time::timeout;

const HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";
const METHOD: u8 = 1;
/// More than any greeting; a peer that announces more is no broker.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// `RabbitMQ`, if it is one.
    pub(crate) product: String,
    /// Such as `3.10.8`.
    pub(crate) version: String,
}

/// Asks.
pub(crate) async fn greet(target: &Target, within: Duration) -> Result<Greeting, Fault> {
    match timeout(within, ask(target)).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::local("no greeting in time")),
    }
}

async fn ask(target: &Target) -> Result<Greeting, Fault> {
    let lost = |error: std::io::Error| Fault::local(error.to_string());
    let odd = || Fault::local("what answers is no AMQP 0-9-1 broker");
    let runtime = lapin::runtime::default_runtime()?;
    let tls = target.tls();
    let connecting = target.uri.connect_with_config_async(tls.as_ref(), &runtime);
    let mut stream = Box::pin(connecting.await.map_err(lost)?);
    stream.write_all(HEADER).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.map_err(lost)?;
    let [kind, _, _, a, b, c, d] = head;
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    if kind != METHOD || size > FRAME_BYTES_MAX {
        return Err(odd());
    }
    let mut frame = vec![0; size];
    stream.read_exact(&mut frame).await.map_err(lost)?;
    let parsed = parse_class(frame.as_slice());
    match parsed {
        Ok((_, AMQPClass::Connection(connection::AMQPMethod::Start(start)))) => Ok(Greeting {
            product: text(&start.server_properties, "product"),
            version: text(&start.server_properties, "version"),
        }),
        _ => Err(odd()),
    }
}

fn text(table: &FieldTable, name: &str) -> String {
    match table.inner().get(name) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => "unknown".to_owned(),
    }
}
