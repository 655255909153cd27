//! Ctrl-C while a client command runs: says so and exits with 130. Long-running commands drain instead.

use crate::error::{CliError, Exit};
use crate::output::Form;
use crate::report::{self, Voice};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use std::sync::Once;

static LISTENING: Once = Once::new();

/// From here on an interrupt ends the process with 130. Does nothing the second time.
pub(crate) fn listen(form: Form) {
    LISTENING.call_once(|| {
        // Without a handler the signal still ends the process, only without a word.
        let Ok(mut signals) = Signals::new([SIGINT]) else {
            return;
        };
        _ = std::thread::Builder::new()
            .name("interrupt".into())
            .spawn(move || {
                if signals.forever().next().is_some() {
                    let error = CliError::new("interrupted", "interrupted");
                    report::problem(&error, Voice::of(form != Form::Table, false));
                    std::process::exit(Exit::Interrupted as i32);
                }
            });
    });
}
