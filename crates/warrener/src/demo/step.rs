//! What the agents of the demo run: a program like any user's, by contracts.md section 4. It reads the task on stdin,
//! works on a real file, and prints its result; it knows nothing of the engine.

use super::opinion::{self, Eye};
use pulldown_cmark::{Event, Parser, Tag};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

/// Exit codes of contracts.md section 4.
const NETWORK: u8 = 75;
const INVALID: u8 = 65;

/// Runs one task, or answers one invitation; the exit code says how it ended.
pub(crate) fn run(eye: Option<Eye>) -> u8 {
    let mut text = String::new();
    let read = io::stdin().read_to_string(&mut text);
    let task: Value = match read.map_err(|e| e.to_string()).and_then(|_| parse(&text)) {
        Ok(task) => task,
        Err(error) => return fail(INVALID, &error),
    };
    let input = &task["input"];
    let result = match task["kind"].as_str() {
        None if task["session_id"].is_string() => match eye {
            Some(eye) => Ok(opinion::answer(eye, &task)),
            None => Err((INVALID, "has no opinion".into())),
        },
        Some("demo.scan") => scan(input),
        Some("demo.flaky") => flaky(input, task["attempt"].as_u64().unwrap_or(1)),
        Some("demo.check") => check(input),
        Some("demo.summary") => summary(input),
        other => Err((INVALID, format!("no step for kind {other:?}"))),
    };
    match result {
        Ok(output) => match writeln!(io::stdout(), "{output}") {
            Ok(()) => 0,
            Err(error) => fail(NETWORK, &error.to_string()),
        },
        Err((code, message)) => fail(code, &message),
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("stdin is no task: {e}"))
}

fn fail(code: u8, message: &str) -> u8 {
    // stderr is the log of the task.
    let _ = writeln!(io::stderr(), "{message}");
    code
}

type Outcome = Result<Value, (u8, String)>;

/// Counts and hashes a text file, and finds the relative links in it that lead nowhere.
fn scan(input: &Value) -> Outcome {
    let path = input["path"].as_str().unwrap_or_default();
    let bytes = fs::read(path).map_err(|e| (INVALID, format!("{path}: {e}")))?;
    if let Some(ms) = input["linger_ms"].as_u64() {
        progress(0.5, "read; taking its time");
        std::thread::sleep(Duration::from_millis(ms));
    }
    let text = String::from_utf8_lossy(&bytes);
    let hash = Sha256::digest(&bytes);
    let hash: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let markdown = Path::new(path)
        .extension()
        .is_some_and(|e| e == "md" || e == "markdown");
    let (links, broken) = if markdown {
        links(Path::new(path), &text)
    } else {
        (0, vec![])
    };
    progress(1.0, "done");
    Ok(json!({
        "path": path, "bytes": bytes.len(), "lines": text.lines().count(),
        "words": text.split_whitespace().count(), "sha256": hash, "links": links, "broken": broken,
    }))
}

/// The relative links of a Markdown text, and those that lead to no file.
fn links(path: &Path, text: &str) -> (usize, Vec<String>) {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut count = 0;
    let mut broken = vec![];
    for event in Parser::new(text) {
        let target = match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => dest_url,
            _ => continue,
        };
        let file = target.split(['#', '?']).next().unwrap_or_default();
        if file.is_empty() || file.contains(':') || file.starts_with('/') {
            continue;
        }
        count += 1;
        if !folder.join(file).exists() {
            broken.push(target.to_string());
        }
    }
    (count, broken)
}

/// A service that is away for the first attempts: what every retry policy is for.
fn flaky(input: &Value, attempt: u64) -> Outcome {
    let failures = input["failures"].as_u64().unwrap_or(2);
    if attempt <= failures {
        return Err((NETWORK, format!("attempt {attempt}: connection refused")));
    }
    Ok(json!({ "answered_at_attempt": attempt }))
}

/// Needs a file that somebody has to provide.
fn check(input: &Value) -> Outcome {
    let path = input["needs"].as_str().unwrap_or_default();
    let name = Path::new(path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    match fs::read_to_string(path) {
        Ok(text) => Ok(json!({ "found": name, "bytes": text.len() })),
        Err(_) => Err((
            INVALID,
            format!("{name} is missing: nothing can be checked without it"),
        )),
    }
}

/// Adds up what the scans found.
fn summary(input: &Value) -> Outcome {
    let Some(scans) = input["scans"].as_array() else {
        return Err((INVALID, "no scans to add up".into()));
    };
    let sum = |field: &str| scans.iter().filter_map(|s| s[field].as_u64()).sum::<u64>();
    let broken: Vec<Value> = scans
        .iter()
        .flat_map(|s| {
            let targets = s["broken"].as_array().cloned().unwrap_or_default();
            targets
                .into_iter()
                .map(|t| json!({ "in": s["path"], "link": t }))
        })
        .collect();
    let mut largest: Vec<&Value> = scans.iter().collect();
    largest.sort_by_key(|s| std::cmp::Reverse(s["bytes"].as_u64()));
    let largest: Vec<&Value> = largest.iter().take(3).map(|s| &s["path"]).collect();
    let longest = scans.iter().max_by_key(|s| s["lines"].as_u64());
    let shortest = scans.iter().min_by_key(|s| s["words"].as_u64());
    Ok(json!({
        "files": scans.len(), "bytes": sum("bytes"), "lines": sum("lines"), "words": sum("words"),
        "links": sum("links"), "broken": broken, "largest": largest, "longest": longest, "shortest": shortest,
    }))
}

/// Says how far it is, on file descriptor 3.
fn progress(fraction: f64, message: &str) {
    let line = json!({ "progress": { "fraction": fraction, "message": message } });
    if let Ok(mut control) = File::options().write(true).open("/dev/fd/3") {
        // Progress is a courtesy.
        let _ = writeln!(control, "{line}");
    }
}
