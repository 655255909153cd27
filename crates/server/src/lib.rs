//! The HTTP surface: thin handlers over [`Orchestrator`]. Each parses, makes one call, renders.
//!
//! ```text
//!  socket ─▶ envelope ─▶ guard ─▶ auth ─▶ routes ─▶ http/<noun> ─▶ Orchestrator
//!  (TLS)     request id   Host     token or          parse, one call, render
//!            problems     Origin   session
//! ```
//! Reading order: [`routes`] (every route on one screen), `envelope` (what each answer has in common), `failure`
//! (errors), then `http`, one noun a file; `page` is what a browser sees, `login` how it comes in. No handler knows a store or a broker; the link's other end is plugged in
//! by the binary ([`link::LinkEnd`]).

pub mod login;
pub use login::Logins;
pub mod options;
pub use options::ServerOptions;
pub mod routes;
pub use routes::openapi;
mod http;
pub use http::link;
mod auth;
mod cursor;
mod envelope;
mod failure;
mod guard;
mod page;
mod reading;
mod rights;
mod socket;
mod state;

use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warrener_engine::Orchestrator;

/// Serves until `shutdown` is cancelled: then takes no new connection, lets every request that does not wait come to
/// its end, ends waits, streams and links, and returns. Cancel it after the orchestrator was drained: agents on the
/// link need it for what they still run.
///
/// # Errors
/// When the options are not safe (no token), or the address of the listener cannot be read.
pub async fn serve(
    listener: TcpListener,
    orchestrator: Orchestrator,
    options: ServerOptions,
    shutdown: CancellationToken,
) -> io::Result<()> {
    if options.token.is_empty() {
        let message = "a server without a token would obey anybody";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let patience = options.patience;
    let listener = socket::Guarded::new(listener, options.tls.clone(), options.stalled);
    let bound = axum::serve::Listener::local_addr(&listener)?;
    let app = state::App::new(orchestrator, options, bound, shutdown.clone());
    let links = app.links.clone();
    let service = routes::router(app).into_make_service();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        served = served => served?,
        () = late => tracing::warn!("requests did not end in time and were dropped"),
    }
    links.close();
    // Links were told to end by the same token; those that do not are dropped with the runtime.
    let _ = tokio::time::timeout(patience.min(Duration::from_secs(5)), links.wait()).await;
    Ok(())
}
