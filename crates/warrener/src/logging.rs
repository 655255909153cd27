//! Logs to stderr: JSON lines when stderr is no terminal, plain lines when it is.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. `verbose` counts the `-v`; `WARRENER_LOG` (a filter such as `debug` or `warrener_link=trace`) wins.
pub(crate) fn start(verbose: u8, quiet: bool) {
    let level = match verbose {
        _ if quiet => "warn",
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    // The AMQP client prints messages, with all that users put into them; what matters of it this program says itself.
    let filter = std::env::var("WARRENER_LOG")
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(format!("warn,warrener={level},warrener_engine={level},warrener_server={level},warrener_sqlite={level},warrener_link={level},warrener_rabbitmq={level},lapin=off")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start (tests in one process) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_ansi(false)
            .try_init()
    };
}
