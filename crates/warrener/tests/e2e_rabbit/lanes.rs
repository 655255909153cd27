//! What agents on RabbitMQ read and are told: lanes that start fast, a server they know or not, and nothing while they drain.

use crate::harness::{Place, until};
use crate::stage;
use serde_json::{Value, json};
use warrener_testkit::rabbit::Vhost;

#[test]
fn a_lane_says_how_its_tasks_start() {
    let place = Place::with("[lane.bulk]\nstart = \"fast\"");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--lane bulk --lane default", "echo '{}'");
    for lane in ["bulk", "default"] {
        let id = http.submit(&json!({ "kind": "work", "lane": lane }));
        http.ends(&id, "succeeded");
    }
    let rows = place.run("lane list").fine();
    for (lane, start) in [("bulk", "fast"), ("default", "claim")] {
        let shown = place
            .run(&format!("lane get {lane} -o json"))
            .exits(0)
            .json();
        assert_eq!(shown["start"], start, "{shown}");
        let row = rows.lines().find(|row| row.starts_with(lane)).unwrap();
        assert_eq!(row.split_whitespace().nth(1), Some(start), "{rows}");
    }
}

#[test]
fn programs_hear_where_the_server_is_only_from_an_agent_that_knows() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let script = r#"if [ "${WARRENER_SERVER+set}" ]; then echo "{\"server\":\"$WARRENER_SERVER\"}"; else echo '{}'; fi"#;
    let nowhere = place.path("elsewhere").display().to_string();
    let told = format!(
        "--lane told --server http://127.0.0.1:1 --broker {}",
        vhost.url()
    );
    let _agents = [
        // By the broker, and with a data folder in which no server has said where it is.
        place.agent(
            "ann",
            &format!("--lane untold --data-dir {nowhere}"),
            script,
        ),
        place.agent("bob", "--lane found", script),
        place.agent("eve", &told, script),
    ];
    let found: Value = serde_json::from_str(&place.read(".warrener/server.json")).unwrap();
    for (lane, output) in [
        ("untold", json!({})),
        ("found", json!({ "server": found["url"] })),
        ("told", json!({ "server": "http://127.0.0.1:1" })),
    ] {
        let id = http.submit(&json!({ "kind": "work", "lane": lane }));
        assert_eq!(http.ends(&id, "succeeded")["output"], output, "{lane}");
    }
}

/// How many read this queue: what the broker says.
fn readers(vhost: &Vhost<'_>, queue: &str) -> String {
    let ask = r#"{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"VHOST">>, queue, <<"QUEUE">>)), length(rabbit_amqqueue:consumers(Q))."#;
    let ask = ask.replace("VHOST", vhost.name()).replace("QUEUE", queue);
    vhost.node().eval(&ask)
}

#[test]
fn an_agent_that_drains_reads_no_offers_until_it_is_resumed() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), || {
        Place::with("[lane.bulk]\nstart = \"fast\"")
    });
    let _server = place.server();
    let http = place.http();
    let found: Value = serde_json::from_str(&place.read(".warrener/server.json")).unwrap();
    let link = format!("--server {}", found["url"].as_str().unwrap());
    let script = r#"
        echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done; echo '{}'"#;
    for (name, way, lane, queue) in [
        ("ann", "", "default", "agent.tasks"),
        ("bob", "", "bulk", "agent.tasks.bulk"),
        ("eve", &*link, "default", "agent.tasks"),
    ] {
        for file in ["go", "starts"] {
            let _ = std::fs::remove_file(place.path(file));
        }
        let flags = format!("--concurrency 2 --lane {lane} {way}");
        let mut agent = place.agent(name, &flags, script);
        let until_readers = |count: &str| {
            until(&format!("{count} readers of {queue}"), || {
                (readers(&vhost, queue) == count).then_some(())
            });
        };
        until_readers("1");
        let work = json!({ "kind": "work", "lane": lane });
        let running = http.submit(&work);
        place.said("starts");
        place.run(&format!("agent drain {name}")).exits(0);
        until_readers("0");
        // It ends what it has, and gets nothing new.
        let waits = http.submit(&work);
        place.write("go", "");
        http.ends(&running, "succeeded");
        assert_eq!(http.losses(&running), 0);
        assert_eq!(http.task(&waits)["state"], "ready");
        assert_eq!(readers(&vhost, queue), "0");
        assert!(agent.is_running());
        place.run(&format!("agent resume {name}")).exits(0);
        until_readers("1");
        http.ends(&waits, "succeeded");
        assert_eq!(place.lines("starts").len(), 2);
        assert_eq!(http.losses(&waits), 0);
    }
    http.settled();
}
