//! What only a broker of its own can do: be away, come back, be full, be somebody else's, refuse.

use crate::harness::{Place, Process, until};
use crate::http::Http;
use crate::stage;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use warrener_testkit::proxy::Proxy;
use warrener_testkit::rabbit::{Node, Options};

pub(crate) const NOTES: &str =
    r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"; echo '{}'"#;

/// A node that the test may kill, and a place on it.
pub(crate) fn alone() -> (Node, Place) {
    let node = Node::start(&Options::default());
    let place = stage::at(&node.url(), Place::new);
    (node, place)
}

pub(crate) fn submit(http: &Http, count: usize) -> Vec<String> {
    http.batch(&vec![json!({ "kind": "work" }); count])
}

/// Everything was done, once, and nothing is missing.
#[track_caller]
pub(crate) fn all_done(http: &Http, ids: &[String]) {
    for id in ids {
        http.ends(id, "succeeded");
        assert_eq!(http.times(id, "succeeded"), 1);
    }
    let books = http.settled();
    assert_eq!(books["states"]["succeeded"], ids.len());
}

/// Waits until the server says this of its broker.
#[track_caller]
pub(crate) fn until_broker(http: &Http, up: bool) {
    until("the word about the broker", || {
        let reply = http.try_get("/readyz?verbose").ok()?;
        let ready = reply.json();
        let broker = ready["checks"]
            .as_array()?
            .iter()
            .find(|c| c["name"] == "broker")?;
        (broker["ok"] == up).then_some(())
    });
}

fn log(process: &Process, words: &str) -> usize {
    process.err().matches(words).count()
}

#[test]
fn an_agent_that_is_there_before_its_server_joins_and_works() {
    let place = Place::new();
    let mut agent = place.agent_alone("ann", "-v", NOTES);
    until("the agent at the broker", || {
        (log(&agent, "\"connected\"") >= 3).then_some(())
    });
    let _server = place.server();
    let http = place.http();
    http.until_presence("ann", "up");
    let ids = submit(&http, 3);
    all_done(&http, &ids);
    assert!(agent.is_running());
}

#[test]
fn a_namespace_has_one_store_and_a_second_one_is_refused_by_name() {
    let vhost = stage::vhost();
    let first = stage::at(&vhost.url(), Place::new);
    let second = stage::at(&vhost.url(), Place::new);
    let _server = first.server();
    let ran = second.run("server run --listen 127.0.0.1:0").exits(5);
    for word in [
        "namespace_taken",
        "namespace agent",
        "belongs to store",
        "this server's is",
        "vhost",
    ] {
        assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
    }
    assert!(!ran.err.contains("guest:guest"), "{}", ran.err);
    assert!(!second.path(".warrener/server.json").exists());
    // A namespace of its own is enough, and the first one goes on.
    second.write(
        "warrener.toml",
        "namespace = \"other\"\n[server]\nlisten = \"127.0.0.1:0\"",
    );
    let other = second.start("other", &["server", "run"]);
    let _other = second.ready(other);
    let http = first.http();
    let _agent = first.agent("ann", "", NOTES);
    all_done(&http, &submit(&http, 2));
}

#[test]
fn a_wrong_password_is_said_and_never_shown() {
    let vhost = stage::vhost();
    let url = vhost.url().replace("guest:guest", "guest:s3cret-word");
    let place = stage::at(&url, Place::new);
    for line in [
        "server run --listen 127.0.0.1:0",
        "agent run --name ann -- true",
    ] {
        let ran = place.run(line).exits(4);
        assert!(ran.err.contains("broker_refused"), "{}", ran.err);
        assert!(!ran.err.contains("s3cret-word"), "{}", ran.err);
    }
    let shown = place.run("config show").fine();
    assert!(!shown.contains("s3cret-word"), "{shown}");
}

#[test]
fn members_of_a_team_have_the_password_on_no_command_line() {
    let place = Place::with("[[agent]]\nname = \"ann\"\nrun = [\"sh\", \"-c\", \"echo {}\"]");
    let _up = place.start("up", &["up", "--trust", "--listen", "127.0.0.1:0"]);
    until("the server", || {
        place.path(".warrener/server.json").exists().then_some(())
    });
    let http = place.http();
    http.until_presence("ann", "up");
    all_done(&http, &submit(&http, 1));
    let running = place.running();
    assert!(
        running
            .iter()
            .any(|(_, words)| words.starts_with("warrener agent run"))
    );
    for (_, words) in running {
        assert!(!words.contains("guest"), "{words}");
        assert!(!words.contains("amqp"), "{words}");
    }
    assert!(!place.read(".warrener/server.json").contains("guest"));
}

#[test]
fn a_program_does_not_get_the_brokers_url_by_whatever_name_its_agent_did() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"env > "$WARRENER_AGENT_DIR/env"; echo '{}'"#;
    let mut command = place.command(&["agent", "run", "--name", "ann", "--", "sh", "-c", script]);
    let variables = command.get_envs();
    let url = variables.filter_map(|(name, url)| (name == "WARRENER_BROKER__URL").then_some(url?));
    let url = url.last().unwrap().to_owned();
    command.env_remove("WARRENER_BROKER__URL");
    command.env("RABBITMQ_URL", &url);
    let _agent = Process::start(&place, "ann", command);
    all_done(&http, &submit(&http, 1));
    let env = place.read("env");
    assert!(env.contains("WARRENER_TASK_ID"), "{env}");
    assert!(!env.contains("amqp") && !env.contains("guest"), "{env}");
}

#[test]
fn while_the_broker_is_away_at_the_start_work_is_accepted_and_done_later() {
    let (node, place) = alone();
    node.kill();
    let server = place.start("server", &["server", "run", "--listen", "127.0.0.1:0"]);
    until("the server", || {
        let found: Value = serde_json::from_str(&place.read(".warrener/server.json")).ok()?;
        (found["pid"] == server.pid()).then_some(())
    });
    let http = place.http();
    until_broker(&http, false);
    assert_eq!(http.get("/readyz").status, 503);
    // Each word about it says so once.
    let said = http.get("/readyz?verbose").text + "\n" + &server.err();
    let words = "is not available";
    assert!(said.contains(words), "{said}");
    for line in said.lines() {
        assert!(line.matches(words).count() <= 1, "{line}");
    }
    let ids = submit(&http, 5);
    let mut agent = place.agent_alone("ann", "", NOTES);
    assert_eq!(http.task(&ids[0])["state"], "ready");
    node.start_again();
    all_done(&http, &ids);
    until_broker(&http, true);
    assert!(agent.is_running(), "{}", agent.err());
}

#[test]
fn scenario_f_a_broker_that_is_killed_under_load_and_started_again_loses_nothing() {
    let (node, place) = alone();
    let mut server = place.server();
    let http = place.http();
    // Not in haste: a queue that was made a moment before a kill may not answer afterwards (seen on RabbitMQ 3.10).
    let slow = r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"; sleep 0.3; echo '{}'"#;
    let mut agents = ["ann", "bob"].map(|name| place.agent(name, "--concurrency 2", slow));
    let mut ids = submit(&http, 80);
    for round in 1..=2 {
        until("work on its way", || {
            (place.lines("starts").len() >= 30 * round).then_some(())
        });
        node.kill();
        // Accepted is what the store has, whatever becomes of the broker.
        ids.extend(submit(&http, 20));
        until_broker(&http, false);
        node.start_again();
    }
    all_done(&http, &ids);
    until_broker(&http, true);
    // By the same processes: nobody was started again.
    assert!(server.is_running());
    assert!(agents.iter_mut().all(Process::is_running));
    // And everybody consumes again.
    let until_then = place.lines("starts").len();
    let more = submit(&http, 20);
    for id in &more {
        http.ends(id, "succeeded");
    }
    assert!(place.lines("starts").len() >= until_then + 20);
}

#[test]
fn scenario_e_agents_that_were_cut_off_from_the_broker_come_back_and_nothing_is_lost() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let port = vhost.node().port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let proxy = runtime.block_on(Proxy::start(address)).unwrap();
    let url = vhost
        .url()
        .replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
    let _server = place.server();
    let http = place.http();
    let script =
        r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"; sleep 0.2; echo '{}'"#;
    let agents = ["ann", "bob", "eve"].map(|name| {
        let args = [
            "agent",
            "run",
            "--name",
            name,
            "--concurrency",
            "2",
            "--",
            "sh",
            "-c",
            script,
        ];
        let mut command = place.command(&args);
        command.env("WARRENER_BROKER__URL", &url);
        let agent = Process::start(&place, name, command);
        http.until_presence(name, "up");
        agent
    });
    let ids = submit(&http, 40);
    until("work on its way", || {
        (place.lines("starts").len() >= 8).then_some(())
    });
    runtime.block_on(proxy.refuse()).unwrap();
    proxy.cut();
    for agent in &agents {
        until("the loss of the connection", || {
            (log(agent, "connection lost") == 1).then_some(())
        });
    }
    let before = place.lines("starts").len();
    runtime.block_on(proxy.admit()).unwrap();
    all_done(&http, &ids);
    assert!(place.lines("starts").len() > before);
    for agent in &agents {
        until("its return", || {
            (log(agent, "\"joined\"") >= 2).then_some(())
        });
    }
}

#[test]
fn an_agent_by_the_link_works_on_a_server_with_rabbitmq_too() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let found: Value = serde_json::from_str(&place.read(".warrener/server.json")).unwrap();
    let url = found["url"].as_str().unwrap();
    let script = r#"
        echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
        if [ "$WARRENER_ATTEMPT" = 1 ]; then exec sleep 7777; fi; echo '{}'"#;
    let first = place.agent("ann", &format!("--server {url}"), script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    first.kill_9();
    let _second = place.agent("bob", &format!("--server {url}"), script);
    http.ends(&id, "succeeded");
    assert_eq!(http.losses(&id), 1);
}

#[test]
fn the_demo_tells_its_story_on_rabbitmq_and_leaves_nothing_there() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    place.write(
        "README.md",
        "# A page\n\nIt has words, and a [link](other.md).\n",
    );
    let queues = || {
        let ask = format!("length(rabbit_amqqueue:list(<<\"{}\">>)).", vhost.name());
        vhost.node().eval(&ask)
    };
    let ran = place.call(&["demo", "--broker", &vhost.url()]).exits(0);
    for word in ["RabbitMQ (127.0.0.1", "kill -9", "lost 0"] {
        assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
    }
    assert!(!ran.out.contains("guest"), "{}", ran.out);
    until("the end of the queues", || (queues() == "0").then_some(()));
}

#[test]
fn a_demo_that_is_stopped_in_the_middle_leaves_nothing_in_rabbitmq() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    place.write("README.md", "# A page\n");
    let own = |list: &str| {
        let ask = format!(
            r#"length([N || Each <- {list}(<<"{}">>), {{resource, _, _, <<"demo-", N/binary>>}} <- [element(2, Each)]])."#,
            vhost.name()
        );
        let count = vhost.node().eval(&ask);
        count.parse::<u32>().unwrap_or_else(|_| panic!("{count}"))
    };
    let queues = || own("rabbit_amqqueue:list");
    let exchanges = || own("rabbit_exchange:list");
    let mut demo = place.start("demo", &["demo", "--broker", &vhost.url()]);
    until("the middle", || {
        demo.out().contains("kill -9").then_some(())
    });
    assert!(queues() > 0 && exchanges() > 0);
    demo.signal(Signal::TERM);
    assert_eq!(demo.ends(), Some(130), "{}", demo.err());
    assert!(demo.err().contains("interrupted"), "{}", demo.err());
    assert_eq!((queues(), exchanges()), (0, 0), "{}", demo.err());
    until("the end of everything", || {
        place.running().is_empty().then_some(())
    });
    let left = std::fs::read_dir(place.path("tmp")).unwrap().count();
    assert_eq!(left, 0, "a folder is left");
}
