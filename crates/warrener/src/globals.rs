//! What every command is given: how it prints, the configuration, and the way to the server.

use crate::args::GlobalArgs;
use crate::config::layers::Flag;
use crate::config::{Config, Settings, Sources};
use crate::connect::{self, Server};
use crate::error::{CliError, Exit};
use crate::output::Output;
use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

/// See above.
#[derive(Clone, Debug)]
pub(crate) struct Globals {
    /// Where data goes.
    pub(crate) output: Output,
    /// The configuration.
    pub(crate) config: Config,
    /// Every value of it with its origin.
    pub(crate) settings: Settings,
    /// Destructive acts need no question.
    pub(crate) yes: bool,
    /// Say more.
    pub(crate) verbose: u8,
    /// `--timeout`: of one request, and of a wait.
    pub(crate) timeout: Option<Duration>,
    /// When the command started.
    started: Instant,
}

/// How long a request may take when nobody says.
const REQUEST_TIME: Duration = Duration::from_secs(30);

impl Globals {
    /// Reads the configuration. `flags` are those of the command that are settings, too.
    ///
    /// # Errors
    /// The configuration has mistakes.
    pub(crate) fn new(args: &GlobalArgs, flags: Vec<Flag>) -> Result<Self, CliError> {
        let mut all = flags;
        if let Some(url) = &args.server {
            all.push(Flag {
                path: &["server", "url"],
                name: "--server",
                value: url.clone(),
            });
        }
        if let Some(dir) = &args.data_dir {
            all.push(Flag {
                path: &["data_dir"],
                name: "--data-dir",
                value: dir.clone(),
            });
        }
        if let Some(file) = &args.ca {
            all.push(Flag {
                path: &["ca"],
                name: "--ca",
                value: file.clone(),
            });
        }
        let (settings, config) = Sources::of_process(all, args.config.as_deref())?.load()?;
        Ok(Globals {
            output: Output::new(args.form()?, args.fields(), args.quiet, args.no_color),
            config,
            settings,
            yes: args.yes,
            verbose: args.verbose,
            timeout: args.timeout,
            started: Instant::now(),
        })
    }

    /// The server; nothing is sent yet. From here on Ctrl-C ends the command with 130.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) fn server(&self) -> Result<Server, CliError> {
        let server = self.find_server()?;
        crate::interrupt::listen(self.output.form);
        if self.verbose > 0 {
            self.output.note(&format!(
                "server: {} ({})",
                server.client.url(),
                server.found
            ));
        }
        Ok(server)
    }

    /// The server, without a word, and without a change of what Ctrl-C does.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) fn find_server(&self) -> Result<Server, CliError> {
        let timeout = self.timeout.unwrap_or(REQUEST_TIME);
        connect::find(&self.config, &self.settings, timeout)
    }

    /// When a wait is over; never, unless `--timeout` says.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.timeout.map(|timeout| self.started + timeout)
    }

    /// Asks before something is destroyed: `what` is a question.
    ///
    /// # Errors
    /// The answer is no, or there is nobody to ask.
    pub(crate) fn confirm(&self, what: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        let refuse = |detail: &str| {
            CliError::new("usage", detail).hint("add --yes to do it without a question")
        };
        if !std::io::stdin().is_terminal() {
            return Err(refuse(
                "this destroys something, and there is no terminal to ask",
            ));
        }
        let mut err = std::io::stderr().lock();
        _ = write!(err, "{what} [y/N] ").and_then(|()| err.flush());
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(refuse("nothing was done").exit(Exit::Failed)),
        }
    }
}
