//! The program that tortured agents run (`xtask torture-step WITNESS`): says in the witness file that
//! it started, works as its input tells it, says that it ended, prints a result that names its run.
//!
//! It knows nothing of stores and servers: what it writes is the evidence that they are held against.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use super::witness::{self, What};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file that gets one line for every start and every end
    witness: PathBuf,
}

/// How a task is to be worked on; chosen by who submits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Works and succeeds.
    Well,
    /// The first attempt ends with exit code 75 (network).
    NetworkOnce,
    /// The first attempt kills itself.
    CrashOnce,
    /// The first attempt works longer than its timeout.
    TimeoutOnce,
    /// Ends with exit code 1 (business).
    No,
}

impl Manner {
    const ALL: [Manner; 5] = [
        Manner::Well,
        Manner::NetworkOnce,
        Manner::CrashOnce,
        Manner::TimeoutOnce,
        Manner::No,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Manner::Well => "well",
            Manner::NetworkOnce => "network_once",
            Manner::CrashOnce => "crash_once",
            Manner::TimeoutOnce => "timeout_once",
            Manner::No => "no",
        }
    }

    /// The class of the failure that it makes, if it makes one.
    pub(crate) fn class(self) -> Option<&'static str> {
        match self {
            Manner::Well => None,
            Manner::NetworkOnce => Some("network"),
            Manner::CrashOnce => Some("crash"),
            Manner::TimeoutOnce => Some("timeout"),
            Manner::No => Some("business"),
        }
    }

    fn of(word: &str) -> Option<Manner> {
        Manner::ALL.into_iter().find(|m| m.as_str() == word)
    }
}

/// One attempt, from the task object on stdin to the exit code.
pub(crate) fn run(args: &Args) -> io::Result<bool> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let task: Value = serde_json::from_str(&text)?;
    if std::env::var_os("WARRENER_SESSION_ID").is_some() {
        return Ok(answer(&task));
    }
    let field = |name: &str| task[name].as_str().unwrap_or("?").to_owned();
    let (id, agent) = (field("id"), field("agent"));
    let attempt = task["attempt"].as_u64().unwrap_or(0);
    let epoch = task["epoch"].as_u64().unwrap_or(0);
    let note = |what: What| witness::append(&args.witness, what, &id, attempt, epoch, &agent);
    note(What::Start)?;
    if std::env::var("WARRENER_EPOCH") != Ok(epoch.to_string())
        || std::env::var("WARRENER_TASK_ID").as_ref() != Ok(&id)
    {
        note(What::Odd)?;
    }

    let manner = task["input"]["manner"].as_str().and_then(Manner::of);
    let first = attempt == 1;
    if first && manner == Some(Manner::TimeoutOnce) {
        thread::sleep(Duration::from_secs(30));
    }
    let ms = task["input"]["ms"].as_u64().unwrap_or(0);
    thread::sleep(Duration::from_millis(ms));
    match manner {
        Some(Manner::NetworkOnce) if first => fail(note, 75),
        Some(Manner::No) => fail(note, 1),
        Some(Manner::CrashOnce) if first => {
            note(What::Fail)?;
            kill_process(getpid(), Signal::KILL)?;
            Ok(false)
        }
        _ => {
            note(What::End)?;
            println!(
                "{}",
                json!({ "task": id, "epoch": epoch, "pid": process::id() })
            );
            Ok(true)
        }
    }
}

/// A voice in a session: an option, or one time in ten nothing.
fn answer(invite: &Value) -> bool {
    let options = invite["options"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let choice = fastrand::choice(options).filter(|_| fastrand::u32(0..10) > 0);
    if let Some(choice) = choice {
        println!("{}", json!({ "choice": choice, "confidence": 0.5 }));
    }
    choice.is_some()
}

fn fail(note: impl Fn(What) -> io::Result<()>, code: i32) -> ! {
    // A witness that cannot be written shows as a start without an end.
    let _ = note(What::Fail);
    process::exit(code)
}
