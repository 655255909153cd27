//! Who is shown an address with a code: whoever sits at a terminal, and never a log.

use crate::harness::{PATIENCE, Place, Process, until};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

const SERVER: [&str; 4] = ["server", "run", "--listen", "127.0.0.1:0"];
const UP: [&str; 3] = ["up", "--listen", "127.0.0.1:0"];

/// A terminal: its name, and the lines that are written to it.
fn terminal() -> (String, Receiver<String>) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, vec![]).unwrap().into_string().unwrap();
    let (told, lines) = channel();
    // It ends when nobody has the terminal any more, which is an error here.
    std::thread::spawn(move || {
        let read = BufReader::new(File::from(ours)).lines();
        for line in read.map_while(Result::ok) {
            _ = told.send(line);
        }
    });
    (name, lines)
}

/// A server that has a terminal for this one of its outputs.
fn on_terminal(place: &Place, output: &str, args: &[&str]) -> (Process, Receiver<String>) {
    let (name, lines) = terminal();
    let script = format!("exec \"$0\" \"$@\" {output}>{name}");
    let mut command = Command::new("sh");
    place.dress(&mut command);
    command.args(["-c", &script, env!("CARGO_BIN_EXE_warrener")]);
    command.args(args);
    let process = Process::start(place, "terminal", command);
    (place.ready(process), lines)
}

#[test]
fn at_a_terminal_the_address_has_a_code_that_lets_a_browser_in() {
    for (output, args) in [("2", &SERVER[..]), ("1", &UP[..])] {
        let place = Place::new();
        let (process, lines) = on_terminal(&place, output, args);
        let code = loop {
            let line = lines.recv_timeout(PATIENCE).expect("an address");
            if let Some((_, code)) = line.split_once("/#code=") {
                break code.trim().to_owned();
            }
        };
        let http = place.http().with_token("");
        let reply = http.post("/api/v1/login", &json!({ "code": code }));
        assert_eq!(reply.status, 200, "{args:?}");
        let other = process.out() + &process.err();
        assert!(!other.contains(&code), "{other}");
    }
}

#[test]
fn what_is_kept_as_a_log_says_how_to_come_by_an_address_and_has_no_code() {
    for args in [&SERVER[..], &UP[..]] {
        let place = Place::new();
        let mut server = place.ready(place.start("server", args));
        let said = until("what it says of browsers", || {
            let said = server.out() + &server.err();
            said.contains("warrener server login").then_some(said)
        });
        assert!(!said.contains("code="), "{said}");
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.ends(), Some(0));
        let said = server.out() + &server.err();
        assert!(!said.contains("code="), "{said}");
    }
}
