//! `broker check`, from outside: what it finds on brokers with one thing wrong, what it says to do, and how it ends.

use crate::harness::{Place, Ran, until};
use crate::stage;
use serde_json::{Value, json};
use warrener_testkit::rabbit::{Alarm, Node, Options, Vhost};

/// Runs it; whatever it says, no password is in it.
#[track_caller]
fn check(place: &Place, line: &str) -> Ran {
    let ran = place.run(&format!("broker check {line}"));
    for secret in ["s3cret", "guest:guest"] {
        let shown = ran.out.contains(secret) || ran.err.contains(secret);
        assert!(!shown, "out: {} err: {}", ran.out, ran.err);
    }
    ran
}

/// What it found, by the sort of it; each sort once.
#[track_caller]
fn found(ran: &Ran) -> Value {
    let items = ran.json()["items"].clone();
    let items = items.as_array().expect("a list").iter();
    items
        .map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// One finding is that bad, says this, and what to do; and the table for people says all of it, too.
#[track_caller]
fn finds(place: &Place, line: &str, id: &str, severity: &str, words: &[&str]) {
    let exit = i32::from(matches!(severity, "warning" | "critical")) * 6;
    let ran = check(place, &format!("{line} -o json")).exits(exit);
    let found = found(&ran);
    let finding = &found[id];
    assert_eq!(finding["severity"], severity, "{found:#}");
    let remedy = finding["remedy"].as_str().expect("what to do");
    let text = format!("{} {remedy}", finding["what"].as_str().unwrap());
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let table = check(place, line).exits(exit).out;
    let lines: Vec<&str> = table.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with(severity) && line.contains(&format!(" {id} ")))
        .unwrap_or_else(|| panic!("no {severity} {id} in {table}"));
    assert!(
        lines[at + 1].trim().starts_with(&format!("-> {remedy}")),
        "{table}"
    );
    if exit == 6 {
        let ids = check(place, &format!("{line} -q")).exits(6).out;
        assert!(ids.lines().any(|line| line == id), "{ids}");
        assert!(!ids.contains("version"), "only what is wrong: {ids}");
    }
}

/// A place whose processes log in as this user.
fn as_user(vhost: &Vhost<'_>, user: &str) -> Place {
    let url = vhost
        .url()
        .replace("guest:guest", &format!("{user}:s3cret"));
    stage::at(&url, Place::new)
}

#[test]
fn a_broker_without_a_namespace_and_one_in_use_are_fine() {
    let place = Place::with("[lane.bulk]\nstart = \"fast\"");
    finds(
        &place,
        "",
        "topology",
        "note",
        &["nothing of namespace agent exists yet"],
    );
    let empty = found(&check(&place, "-o json").exits(0));
    assert!(
        !place.data().exists(),
        "it needs no data folder, and makes none"
    );
    assert_eq!(empty["owner"], Value::Null);
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--lane bulk", "echo '{}'");
    let id = http.submit(&json!({ "kind": "work", "lane": "bulk" }));
    http.ends(&id, "succeeded");
    // While everybody is at work, and again without a server.
    let used = found(&check(&place, "-o json").exits(0));
    for id in ["version", "login", "alarm", "permission", "owner"] {
        assert_eq!(used[id]["severity"], "fine", "{used:#}");
        assert_eq!(used[id]["remedy"], Value::Null);
    }
    let owner = used["owner"]["what"].as_str().unwrap();
    assert!(owner.ends_with("the data folder's"), "{owner}");
    let agent = found(&check(&place, "--agent ann --lane bulk -o json").exits(0));
    assert_eq!(agent["permission"]["severity"], "fine", "{agent:#}");
    assert_eq!(agent["topology"]["severity"], "fine", "{agent:#}");
    let id = http.submit(&json!({ "kind": "work", "lane": "bulk" }));
    http.ends(&id, "succeeded");
    assert_eq!(http.task(&id)["attempt"], 1);
    http.settled();
}

#[test]
fn what_cannot_be_seen_is_said_with_the_command_that_shows_it() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let policy = format!(
        r#"rabbit_policy:set(<<"{}">>, <<"short">>, <<"^agent\\.">>, [{{<<"message-ttl">>, 60000}}], 0, <<"all">>, <<"test">>)."#,
        vhost.name()
    );
    assert_eq!(vhost.node().eval(&policy), "ok");
    let command = format!("rabbitmqctl list_queues -p '{}' name policy", vhost.name());
    let words = [
        "agent.*",
        &command,
        "effective_policy_definition",
        "message-ttl",
        "max-length",
    ];
    finds(&place, "", "policy", "note", &words);
    finds(
        &place,
        "",
        "consumer_timeout",
        "note",
        &["60 s", "30 min", "rabbitmqctl eval"],
    );
    place.write(
        "long.toml",
        "[timers]\nhandoff = \"45m\"\nfast_overdue = \"50m\"",
    );
    let words = ["2700 s", "timers.handoff"];
    finds(
        &place,
        "--config long.toml",
        "consumer_timeout",
        "warning",
        &words,
    );
}

#[test]
fn the_management_api_shows_what_policies_do_to_our_queues() {
    let node = Node::start(&Options::with_management());
    let vhost = node.vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let line = format!("--management {}", node.management());
    let words = ["no queue of namespace agent exists yet"];
    finds(&place, &line, "policy", "note", &words);
    let _server = place.server();
    let seen = found(&check(&place, &format!("{line} -o json")).exits(0));
    assert_eq!(seen["policy"]["severity"], "fine", "{seen:#}");

    // Of all that match, the one with the highest priority counts.
    let set = |name: &str, priority: u32, pattern: &str, what: &str| {
        let policy = format!(
            r#"rabbit_policy:set(<<"{}">>, <<"{name}">>, <<"{pattern}">>, [{what}], {priority}, <<"all">>, <<"test">>)."#,
            vhost.name()
        );
        assert_eq!(node.eval(&policy), "ok");
    };
    // What is somebody else's, and what does no harm.
    set(
        "other",
        0,
        "^agents?-of-somebody",
        r#"{<<"message-ttl">>, 1}"#,
    );
    set(
        "harmless",
        0,
        "^agent",
        r#"{<<"queue-master-locator">>, <<"min-masters">>}"#,
    );
    let seen = found(&check(&place, &format!("{line} -o json")).exits(0));
    assert_eq!(seen["policy"]["severity"], "fine", "{seen:#}");
    set(
        "short",
        1,
        r"^agent\\.results$",
        r#"{<<"message-ttl">>, 60000}"#,
    );
    let words = [
        "policy short sets message-ttl on agent.results",
        "matches no queue that begins with agent.",
        "rabbitmqctl list_policies",
    ];
    // The API keeps an answer for a moment.
    until("the policy to be seen", || {
        let seen = found(&check(&place, &format!("{line} -o json")));
        (seen["policy"]["severity"] == "warning").then_some(())
    });
    finds(&place, &line, "policy", "warning", &words);

    vhost.user("plain", "s3cret", [".*", ".*", ".*"]);
    let plain = as_user(&vhost, "plain");
    let words = ["401", "rabbitmqctl set_user_tags plain management"];
    finds(&plain, &line, "policy", "warning", &words);
    let words = ["does not show policies", "rabbitmq-plugins enable"];
    finds(
        &place,
        "--management http://127.0.0.1:1",
        "policy",
        "warning",
        &words,
    );
    finds(
        &place,
        "--management rabbit:15672",
        "policy",
        "warning",
        &["http://HOST:15672"],
    );
}

#[test]
fn rights_that_a_user_lacks_are_named_with_the_command_that_gives_them() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    vhost.user("reader", "s3cret", ["^$", "^$", ".*"]);
    let poor = as_user(&vhost, "reader");
    let words = [
        "may not write to amq.default",
        "agent.tasks",
        "set_permissions -p",
        "^agent",
    ];
    let ran = check(&poor, "").exits(6);
    for word in words {
        assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
    }
    finds(&poor, "", "permission", "critical", &["set_permissions"]);
    finds(
        &poor,
        "--agent ann",
        "permission",
        "critical",
        &[
            "may not write to agent.in (key claim.ann)",
            r"control\.ann\.",
        ],
    );
}

#[test]
fn a_queue_in_another_shape_is_drift() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let made = format!(
        r#"element(1, rabbit_amqqueue:declare(rabbit_misc:r(<<"{}">>, queue, <<"agent.results">>), true, false, [], none, <<"test">>))."#,
        vhost.name()
    );
    assert_eq!(vhost.node().eval(&made), "new");
    let words = [
        "queue agent.results",
        "should have",
        "rabbitmqctl delete_queue agent.results",
    ];
    finds(&place, "", "drift", "critical", &words);
    // Who does not name the lane's queue hears nothing of it, and a namespace of its own has none.
    place.write("other.toml", "namespace = \"other\"");
    check(&place, "--config other.toml").exits(0);
}

#[test]
fn a_namespace_of_another_store_is_found_before_a_server_is_started() {
    let vhost = stage::vhost();
    let [first, second] = [(); 2].map(|()| stage::at(&vhost.url(), Place::new));
    let server = first.server();
    second.run("server run --listen 127.0.0.1:0").exits(5);
    let words = [
        "belongs to store",
        "the data folder's is",
        "delete_queue -p",
        "agent.owner",
    ];
    finds(&second, "", "owner", "critical", &words);
    // It is still the first one's, whoever looked.
    server.kill_9();
    let _again = first.server();
    let found = found(&check(&first, "-o json").exits(0));
    assert_eq!(found["owner"]["severity"], "fine");
}

#[test]
fn an_alarm_is_found_at_once() {
    let node = Node::start(&Options::default());
    let place = stage::at(&node.url(), Place::new);
    node.raise(Alarm::Memory);
    finds(
        &place,
        "",
        "alarm",
        "critical",
        &["memory", "rabbitmqctl status"],
    );
    finds(&place, "--agent ann", "alarm", "critical", &["memory"]);
    node.clear(Alarm::Memory);
    check(&place, "").exits(0);
}

#[test]
fn who_is_not_let_in_hears_why() {
    let vhost = stage::vhost();
    let place = as_user(&vhost, "guest");
    finds(
        &place,
        "",
        "login",
        "critical",
        &["does not let us in", "password"],
    );
    let url = vhost.url().replace("test-", "no-such-");
    let place = stage::at(&url, Place::new);
    finds(&place, "", "login", "critical", &["vhost no-such-"]);
}

#[test]
fn a_broker_that_is_not_there_is_no_finding() {
    let port = crate::harness::port();
    let url = format!("amqp://guest:s3cret@127.0.0.1:{port}");
    let place = stage::at(&url, Place::new);
    let words = [
        "broker_unreachable",
        &format!("127.0.0.1:{port}"),
        "does not answer",
        "host, port",
    ];
    check(&place, "").fails(7, &words);
    let ran = check(&place, "-o json").exits(7);
    let problem: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(problem["code"], "broker_unreachable");
    assert_eq!(ran.out, "");
    // What is no URL of a broker is a mistake of the configuration.
    for url in [
        "http://guest:s3cret@localhost",
        "s3cret",
        "amqp://guest:s3cret@[/x",
    ] {
        let ran = check(&place, &format!("--broker {url}")).exits(2);
        assert!(ran.err.contains("config_invalid"), "{}", ran.err);
        assert!(ran.err.contains("amqp://user:password@host"), "{}", ran.err);
    }
}

#[test]
fn on_the_embedded_broker_there_is_nothing_to_check() {
    let place = Place::new();
    let ran = check(&place, "--broker embedded").exits(0);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("nothing to check"), "{}", ran.err);
    let ran = check(&place, "--broker embedded -o json").exits(0);
    assert_eq!(ran.json(), json!({ "items": [], "next": null }));
}
