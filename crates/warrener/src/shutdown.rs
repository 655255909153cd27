//! SIGTERM and Ctrl-C: the first asks for an end, the second forces it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal.
const FORCED: i32 = 130;

/// A token that is cancelled by the first SIGTERM or SIGINT; the second ends the process at once.
///
/// # Errors
/// When the system does not let us listen.
pub(crate) fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = token.clone();
    tokio::spawn(async move {
        // Signals are counted, not looked up in the token: others cancel it too, and a first signal never forces.
        let mut forces = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if forces {
                std::process::exit(FORCED);
            }
            forces = true;
            asked.cancel();
        }
    });
    Ok(token)
}
