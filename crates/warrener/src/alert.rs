//! Where alerts go: a command that gets them on stdin, or a webhook. Each in a thread of its own, one alert at a time;
//! what comes while it is busy beyond a few is dropped, since alerts are also in the stream and in the log.

use crate::config::{self, Config, Patience};
use crate::tls;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use warrener_api::client::trust;
use warrener_api::problem::Problem;
use warrener_engine::Alert;
use warrener_engine::alert::AlertSink;

/// Alerts waiting for the sink.
const QUEUE: usize = 64;
/// How long a command or a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The sink of the configuration, if there is one.
///
/// # Errors
/// A file of authorities that is none.
pub(crate) fn sink(config: &Config) -> Result<Option<Arc<dyn AlertSink>>, Problem> {
    let way = match &config.alert {
        None => return Ok(None),
        Some(config::Alert::Command(words)) => Way::Command(words.clone()),
        Some(config::Alert::Webhook(url)) => Way::Webhook(caller(config)?, url.clone()),
    };
    let (send, alerts) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name("alerts".into());
    Ok(match thread.spawn(move || deliver(&way, &alerts)) {
        Ok(_) => Some(Arc::new(Sink(send))),
        Err(error) => {
            tracing::error!(%error, "no thread for alerts: they go to the log and the stream only");
            None
        }
    })
}

/// See the module.
enum Way {
    Command(Vec<String>),
    Webhook(ureq::Agent, String),
}

#[derive(Debug)]
struct Sink(SyncSender<Alert>);

impl AlertSink for Sink {
    fn send(&self, alert: &Alert) {
        if self.0.try_send(alert.clone()).is_err() {
            tracing::warn!(
                subject = alert.subject,
                "alert not sent: the sink is too slow"
            );
        }
    }
}

fn deliver(way: &Way, alerts: &Receiver<Alert>) {
    for alert in alerts {
        let body = serde_json::to_vec(&alert).expect("an alert has string keys only");
        let sent = match way {
            Way::Command(words) => run(words, &body),
            Way::Webhook(caller, url) => post(caller, url, &body),
        };
        if let Err(error) = sent {
            tracing::warn!(error, subject = alert.subject, "alert not delivered");
        }
    }
}

fn run(words: &[String], body: &[u8]) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may still have done what it should.
        let _ = stdin.write_all(body);
    }
    let until = Instant::now() + TIMEOUT;
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{program}: {status}")),
            None if Instant::now() >= until => {
                // It may have ended this moment; either way the next alert must not wait for it.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "{program}: did not end within {} s",
                    TIMEOUT.as_secs()
                ));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Whoever calls webhooks: `https` ones of those whom commands of this configuration trust, too.
fn caller(config: &Config) -> Result<ureq::Agent, Problem> {
    let roots = tls::roots(config.ca.as_deref())?;
    let caller = ureq::Agent::config_builder()
        .tls_config(trust(&roots))
        .timeout_global(Some(TIMEOUT));
    Ok(caller.build().into())
}

fn post(caller: &ureq::Agent, url: &str, body: &[u8]) -> Result<(), String> {
    let sent = caller
        .post(url)
        .header("content-type", "application/json")
        .send(body);
    sent.map(|_| ()).map_err(|e| e.to_string())
}

impl Patience {
    /// As the engine takes it.
    pub(crate) fn of_engine(&self) -> warrener_engine::options::Patience {
        warrener_engine::options::Patience {
            no_capable_agent: self.no_capable_agent,
            broker_blocked: self.broker_blocked,
            quiet: self.quiet,
            ..warrener_engine::options::Patience::default()
        }
    }
}
