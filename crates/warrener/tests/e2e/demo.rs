//! The demo: the books that it prints are closed, and nothing of it is left.

use crate::harness::{Place, Process, until, until_within};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// The demo takes about half a minute where nothing else runs.
const LONG: Duration = Duration::from_secs(150);

fn demo(place: &Place) -> String {
    std::fs::create_dir(place.path("files")).unwrap();
    let mut command = place.command(&["demo"]);
    command.current_dir(place.path("files"));
    for (name, text) in [
        ("a.md", "# A\n\nSee [b](b.md) and [nothing](missing.md).\n"),
        ("b.md", "# B\n\nBack to [a](a.md).\n"),
        ("c.txt", "one two three\nfour\n"),
    ] {
        place.write(&format!("files/{name}"), text);
    }
    let mut demo = Process::start(place, "demo", command);
    let code = demo.ends_within(LONG);
    assert_eq!(code, Some(0), "{} {}", demo.out(), demo.err());
    demo.out()
}

/// `succeeded 5 + failed 0` as numbers by their words.
fn numbers(text: &str) -> BTreeMap<String, u64> {
    let words: Vec<&str> = text
        .split([' ', ',', '+', '='])
        .filter(|w| !w.is_empty())
        .collect();
    let pairs = words.windows(2).filter_map(|pair| {
        let number = pair[1].parse().ok()?;
        Some((pair[0].to_owned(), number))
    });
    pairs.collect()
}

#[test]
fn the_demo_closes_its_books_and_leaves_nothing() {
    let place = Place::new();
    let out = demo(&place);
    let line = |start: &str| {
        let line = out.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start} in {out}"))
            .to_owned()
    };
    let books = numbers(&line("books: "));
    let states = [
        "succeeded",
        "failed",
        "dead",
        "cancelled",
        "expired",
        "open",
    ];
    let sum: u64 = states.iter().map(|state| books[*state]).sum();
    assert_eq!(books["accepted"], sum, "{out}");
    assert_eq!(books["succeeded"], sum, "all were done in the end: {out}");
    assert!(
        sum >= 6,
        "three files, two with a story, one summary: {out}"
    );
    assert_eq!(line("open "), "open 0, lost 0, processes left 0");
    // The story: a kill, a recovery, two failures, a death and its replay.
    for words in [
        "kill -9 ",
        "goes to somebody else",
        "attempt 2 on ",
        "connection refused",
        "succeeded at attempt 3",
        "dead (invalid)",
        "tried again by hand",
        "3 scans side by side",
        "asked 3: ",
        "decided: ",
    ] {
        assert!(out.contains(words), "no {words:?} in {out}");
    }
    let ideas = ["courier", "clerk", "critic"].map(|name| line(&format!("  {name}: ")));
    let said: Vec<&str> = (ideas.iter())
        .filter_map(|idea| idea.split_once(": "))
        .map(|(_, idea)| idea)
        .collect();
    let decision = line("decided: ");
    assert!(
        said[0] != said[1] && said[1] != said[2] && said[0] != said[2],
        "three ideas: {out}"
    );
    let decided = decision.trim_start_matches("decided: ");
    assert!(said.iter().any(|idea| idea.starts_with(decided)), "{out}");
    assert!(out.contains("3 files"), "{out}");
    assert!(out.contains("broken: missing.md"), "{out}");
    // Its agents, their guards and programs carry this place's mark, as the demo does.
    until_within("the end of everything", LONG, || {
        place.running().is_empty().then_some(())
    });
    let left = std::fs::read_dir(place.path("tmp")).unwrap().count();
    assert_eq!(left, 0, "a folder is left");
    let files = std::fs::read_dir(place.path("files")).unwrap().count();
    assert_eq!(files, 3, "the user's folder is as it was");
}

#[test]
fn as_json_the_demo_is_one_object() {
    let place = Place::new();
    place.write("a.md", "# A\n");
    let ran = place.run("demo -o json").exits(0);
    let books = ran.json();
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["accepted"], books["succeeded"]);
    assert_eq!(books["result"]["decision"]["state"], "decided");
    assert!(
        ran.err.contains("kill -9 "),
        "the story is beside it: {}",
        ran.err
    );
    assert!(
        !ran.err.contains("agent_lost\",\"subject\":\"c"),
        "only one was lost: {}",
        ran.err
    );
}

#[track_caller]
fn nothing_is_left(place: &Place) {
    until("the end of everything", || {
        place.running().is_empty().then_some(())
    });
    let left = std::fs::read_dir(place.path("tmp")).unwrap().count();
    assert_eq!(left, 0, "a folder is left");
}

#[test]
fn a_demo_that_is_interrupted_in_the_middle_leaves_nothing() {
    let place = Place::new();
    place.write("a.md", "# A\n");
    let mut demo = place.start("demo", &["demo"]);
    until("the middle", || {
        (demo.out().contains("five agents") && place.runs("warrener demo-step")).then_some(())
    });
    demo.signal(Signal::INT);
    assert_eq!(demo.ends(), Some(130), "{}", demo.err());
    assert!(demo.err().contains("interrupted"), "{}", demo.err());
    nothing_is_left(&place);
}

#[test]
fn a_demo_whose_broker_does_not_answer_says_so_and_leaves_nothing() {
    let place = Place::new();
    let url = "amqp://guest:s3cret-word@127.0.0.1:1";
    let ran = place.call(&["demo", "--broker", url]);
    assert!(!ran.err.contains("s3cret-word"), "{}", ran.err);
    let words = ["broker_unreachable", "127.0.0.1:1", "refused", "broker.url"];
    ran.fails(7, &words);
    nothing_is_left(&place);
}
