//! A disk that is full: explicit answers, nothing lost that was answered, and the service goes on once there is room.

use crate::harness::{Place, Process, until};
use crate::http::{Http, text};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use std::process::Command;

/// Bytes that one file of the server may have at first: 512-byte blocks, as sh counts them.
const BLOCKS: u64 = 3_000;

/// A server whose files may not grow beyond a limit, and who hears of it as an error, not a signal.
fn limited(place: &Place) -> Process {
    let script = format!("trap '' XFSZ; ulimit -S -f {BLOCKS}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_warrener")]);
    command.args(["server", "run", "--listen", "127.0.0.1:0"]);
    place.dress(&mut command);
    place.ready(Process::start(place, "server", command))
}

/// A small file system in memory as the data folder, where that is permitted.
struct Small<'a>(&'a Place);

impl<'a> Small<'a> {
    fn mount(place: &'a Place) -> Option<Self> {
        std::fs::create_dir(place.data()).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]);
        let output = mount.arg(place.data()).output().ok()?;
        output.status.success().then_some(Small(place))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // Lazily: a server that is just ending may still hold it.
        let status = Command::new("umount").arg("-l").arg(self.0.data()).status();
        assert!(status.is_ok_and(|status| status.success()), "still mounted");
    }
}

fn make_room(server: &Process) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let none = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, none).expect("the limit may be lifted");
}

/// Submits until the disk is full; what was answered with yes.
fn fill(http: &Http) -> Vec<String> {
    let input = "x".repeat(100_000);
    let mut answered = vec![];
    for n in 0..1_000 {
        let request =
            json!({ "kind": "work", "lane": "nobody", "title": n.to_string(), "input": input });
        let reply = http.post("/api/v1/tasks", &request);
        if reply.status == 201 {
            answered.push(text(&reply.json(), "id"));
            continue;
        }
        let problem = reply.problem(503);
        assert_eq!(problem["code"], "unavailable", "{problem}");
        return answered;
    }
    panic!("the disk is never full");
}

#[test]
fn a_full_disk_is_told_to_whoever_asks_and_work_goes_on_when_there_is_room() {
    let place = Place::new();
    let server = limited(&place);
    story(&place, server, make_room);
}

#[test]
fn a_full_file_system_is_told_to_whoever_asks_and_work_goes_on_when_there_is_room() {
    let place = Place::new();
    let Some(_mounted) = Small::mount(&place) else {
        // Not permitted here: the limit on files stands in for it.
        let server = limited(&place);
        return story(&place, server, make_room);
    };
    let ballast = place.data().join("ballast");
    std::fs::write(&ballast, vec![1; 3_000_000]).unwrap();
    let server = place.server();
    story(&place, server, |_| std::fs::remove_file(&ballast).unwrap());
}

fn story(place: &Place, server: Process, make_room: impl FnOnce(&Process)) {
    let http = place.http();
    let _agent = place.agent("ann", "", "echo '{\"fine\":true}'");
    let before = http.submit(&json!({ "kind": "work" }));
    http.ends(&before, "succeeded");
    let mut answered = fill(&http);
    assert!(answered.len() > 3, "it was full at once");
    // The command line says what it is; now and then a little room is found by the store itself.
    let input = format!("\"{}\"", "x".repeat(100_000));
    let submit = [
        "task", "submit", "--kind", "work", "--lane", "nobody", "--input", &input,
    ];
    let refused = until("a refusal", || {
        let ran = place.call(&submit);
        if ran.exit == Some(0) {
            answered.push(ran.word());
            return None;
        }
        Some(ran)
    });
    refused.fails(7, &["unavailable", "room"]);
    // Reads go on.
    assert_eq!(http.task(&before)["state"], "succeeded");
    for id in &answered {
        assert_eq!(http.task(id)["state"], "ready");
    }
    make_room(&server);
    let after = until("room", || {
        let request = br#"{"kind":"work"}"#;
        let reply = http.send("/api/v1/tasks", "application/json", request);
        (reply.status == 201).then(|| text(&reply.json(), "id"))
    });
    http.ends(&after, "succeeded");
    let books = http.books();
    assert_eq!(books["accepted"], answered.len() as u64 + 2, "{books}");
    assert_eq!(books["lost"], 0);
    // Every answer holds after a restart, too.
    server.kill_9();
    let _server = place.server();
    let http = place.http();
    for id in &answered {
        assert_eq!(http.task(id)["state"], "ready");
    }
    assert_eq!(http.task(&after)["state"], "succeeded");
}

#[test]
fn a_result_that_is_found_while_the_disk_is_full_is_recorded_when_there_is_room() {
    let place = Place::new();
    let server = limited(&place);
    let http = place.http();
    let script = r#"
        echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
        head -c 300000 /dev/zero | tr '\0' y
        echo >> "$WARRENER_AGENT_DIR/done""#;
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    fill(&http);
    place.write("go", "");
    until("the end of the program", || {
        (!place.read("done").is_empty()).then_some(())
    });
    make_room(&server);
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"]["text"].as_str().unwrap().len(), 300_000);
    assert_eq!(place.lines("starts"), ["1"], "nobody ran it again");
    assert_eq!(http.times(&id, "succeeded"), 1);
}
