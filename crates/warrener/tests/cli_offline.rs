//! The binary from outside, where no server is: help, usage, configuration, completions, and what is said when nobody answers.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[path = "cli/place.rs"]
mod place;
use place::{ID, Place, Ran};
#[path = "cli/verbs.rs"]
mod verbs;
use verbs::VERBS;

#[test]
fn every_command_has_help_and_an_example() {
    let place = Place::new("help");
    let mut verbs: Vec<String> = VERBS
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let local = "config show,config schema,spec openapi,spec asyncapi,completions,agent run,broker check,server run,up,demo,run,workflow validate,workflow graph,workflow template,workflow schema";
    verbs.extend(local.split(',').map(String::from));
    for verb in verbs {
        let ran = place.run(&format!("{verb} --help"));
        let help = ran.fine();
        assert!(help.contains("Example"), "{verb}: {help}");
        assert!(
            help.contains(&format!("Usage: warrener {verb}")),
            "{verb}: {help}"
        );
        for flag in [
            "--server",
            "--data-dir",
            "--config",
            "--output",
            "--fields",
            "--timeout",
        ] {
            assert!(help.contains(flag), "{verb} without {flag}");
        }
    }
    let help = place.run("--help");
    assert!(
        help.fine().contains("124 timeout"),
        "exit codes are in the help"
    );
}

#[test]
fn the_version_is_printed_at_once() {
    let place = Place::new("version");
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            let ran = place.run("--version");
            assert_eq!(
                ran.fine(),
                concat!("warrener ", env!("CARGO_PKG_VERSION"), "\n")
            );
            start.elapsed()
        })
        .min();
    // The promise is 20 ms for a release build; this is a debug build on a machine with other work.
    assert!(best < Some(Duration::from_millis(500)), "{best:?}");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let place = Place::new("usage").with("empty", "\n");
    for (line, part) in [
        ("", "Usage"),
        ("task", "Usage"),
        ("tusk list", "task"),
        ("task lst", "list"),
        ("task list --colour", "--colour"),
        ("task list --limit 0", "1..=1000"),
        ("task list -f state:sleeping", "sleeping"),
        ("task list --fields id,stat", "did you mean \"state\"?"),
        ("task get abc", "is not an id"),
        ("task wait abc", "is not an id"),
        ("task wait", "ID"),
        ("task submit", "--kind"),
        ("task submit --kind No", "must match"),
        ("task submit --kind a --lane dead", "reserved"),
        ("task submit --kind a --input {", "not JSON"),
        (
            "task submit --kind a --input @nothing",
            "cannot read nothing",
        ),
        ("task submit --kind a --label x", "is not a label"),
        ("task submit --kind a --delay 5", "is not a duration"),
        ("task submit --kind a --batch x", "cannot be used with"),
        ("task submit --batch empty", "holds no requests"),
        ("task list --timeout soon", "is not a duration"),
        ("dlq requeue", "--fingerprint"),
        (
            "dlq requeue --rate 5 -f kind:a --fingerprint b",
            "cannot be used with",
        ),
        ("dlq requeue --fingerprint b --rate 20/d", "is not a rate"),
        ("lane pause No", "must match"),
        ("completions cmd", "possible values"),
    ] {
        place.run(line).failed(2, &[part]);
    }
}

#[test]
fn without_a_server_every_verb_exits_with_7_and_says_what_to_do() {
    let place = Place::new("unreachable")
        .with("batch.jsonl", "{\"kind\":\"a\"}\n")
        .with("flow.yaml", "{ name: n, steps: [{ id: a, kind: k }] }\n");
    for verb in VERBS {
        let line = format!("{} --server http://127.0.0.1:1", verb.replace("ID", ID));
        let parts = [
            "http://127.0.0.1:1",
            "from --server",
            "warrener up",
            "warrener server run",
            "server_unreachable",
        ];
        place.run(&line).failed(7, &parts);
    }
}

#[test]
fn problems_are_one_json_object_when_the_output_is_json() {
    let place = Place::new("problems");
    let gone = "--server http://127.0.0.1:1";
    for (line, exit, code) in [
        (format!("task list -o json {gone}"), 7, "server_unreachable"),
        (
            format!("-o jsonl task get {ID} {gone}"),
            7,
            "server_unreachable",
        ),
        ("task lst --output=json".into(), 2, "usage"),
        ("task get abc -ojson".into(), 2, "usage"),
        ("task list --fields x -o json".into(), 2, "usage"),
        (
            "config show -o json --config nothing.toml".into(),
            2,
            "config_invalid",
        ),
    ] {
        let ran = place.run(&line);
        ran.failed(exit, &[]);
        let problem = ran.problem();
        assert_eq!(problem["code"], code, "{line}");
        assert_eq!(
            problem["type"],
            format!("https://warrener.dev/errors/{code}"),
            "{line}"
        );
        for field in ["title", "detail", "hint"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{line}: {field}"
            );
        }
    }
}

#[test]
fn the_server_is_looked_for_in_the_order_that_the_help_says() {
    let place = Place::new("finding");
    // Somebody may have a server there, so only the note is looked at.
    let ran = place.run("-v task list --data-dir none --timeout 2s");
    assert!(
        ran.err.contains("server: http://127.0.0.1:7766 (default)"),
        "{}",
        ran.err
    );
    fs::create_dir_all(place.dir.join(".warrener")).expect("a data folder");
    let file = r#"{"url":"http://127.0.0.1:2","pid":4000000,"token_file":"token"}"#;
    fs::write(place.dir.join(".warrener/server.json"), file).expect("a server file");
    let ended = [
        "http://127.0.0.1:2",
        "from .warrener/server.json",
        "has ended",
    ];
    place.run("task list").failed(7, &ended);
    fs::write(
        place.dir.join("warrener.toml"),
        "[server]\nurl = \"http://127.0.0.1:3\"\n",
    )
    .expect("a file");
    place
        .run("task list")
        .failed(7, &["http://127.0.0.1:3", "from warrener.toml:2:7"]);
    let mut command = place.command("task list");
    let ran = Ran::of(
        &command
            .env("WARRENER_SERVER", "http://127.0.0.1:4")
            .output()
            .expect("runs"),
    );
    ran.failed(7, &["http://127.0.0.1:4", "from WARRENER_SERVER"]);
    let mut command = place.command("task list --server http://127.0.0.1:5");
    let ran = Ran::of(
        &command
            .env("WARRENER_SERVER", "http://127.0.0.1:4")
            .output()
            .expect("runs"),
    );
    ran.failed(7, &["http://127.0.0.1:5", "from --server"]);
    place
        .run("task list --server https://127.0.0.1:5")
        .failed(7, &["https://127.0.0.1:5", "connection refused"]);
    fs::write(place.dir.join(".warrener/server.json"), "{").expect("a server file");
    fs::remove_file(place.dir.join("warrener.toml")).expect("removed");
    place
        .run("task list")
        .failed(1, &["server.json is damaged", "data_dir_unusable"]);
}

#[test]
fn the_configuration_is_shown_with_its_origins_and_without_its_secrets() {
    let place = Place::new("config").with(
        "warrener.toml",
        "[broker]\nurl = \"amqp://me:s3cret@h\"\n\n[lane.bulk]\nstart = \"fast\"\n",
    );
    let mut command = place.command("config show --origin --data-dir there");
    let ran = Ran::of(
        &command
            .env("WARRENER_SERVER__LISTEN", "127.0.0.1:9")
            .output()
            .expect("runs"),
    );
    let out = ran.fine();
    let row = |key: &str| {
        let line = out
            .lines()
            .find(|line| line.split_whitespace().next() == Some(key));
        let words = line
            .unwrap_or_else(|| panic!("no {key} in {out}"))
            .split_whitespace();
        words.skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("broker.url"), ["amqp://me:***@h", "warrener.toml:2:7"]);
    assert_eq!(row("lane.bulk.start"), ["fast", "warrener.toml:5:9"]);
    assert_eq!(
        row("server.listen"),
        ["127.0.0.1:9", "WARRENER_SERVER__LISTEN"]
    );
    assert_eq!(row("data_dir"), ["there", "--data-dir"]);
    assert_eq!(row("timers.lease"), ["45s", "default"]);
    assert_eq!(row("retry.network.retries"), ["5", "default"]);
    assert!(!out.contains("s3cret"));
    let ran = place.run("config show -o json");
    let list: serde_json::Value = serde_json::from_str(ran.fine()).expect("JSON");
    assert_eq!(list["next"], serde_json::Value::Null);
    let items = list["items"].as_array().expect("a list");
    assert!(
        items
            .iter()
            .any(|item| item["key"] == "timers.grace" && item["value"] == "3s")
    );
    let ran = place.run("config show -o jsonl --fields origin,key");
    let wanted = r#"{"origin":"warrener.toml:2:7","key":"broker.url"}"#;
    assert!(ran.fine().lines().any(|line| line == wanted));
    let ran = place.run("config show -q");
    assert!(ran.fine().lines().any(|line| line == "broker.url"));
}

#[test]
fn an_unknown_key_stops_with_its_place_and_a_suggestion() {
    let place = Place::new("unknown").with("warrener.toml", "[server]\nlsiten = \"127.0.0.1:1\"\n");
    let parts = [
        "warrener.toml:2:1",
        "\"lsiten\"",
        "did you mean \"listen\"?",
        "config_invalid",
    ];
    place.run("config show").failed(2, &parts);
    place.run("task list").failed(2, &parts);
    // What needs no configuration goes on.
    place.run("config schema").fine();
    let ran = place.run("config show --config warrener.toml -o json");
    let detail = ran.problem()["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        detail.starts_with("warrener.toml:2:1: unknown key"),
        "{detail}"
    );
}

#[test]
fn the_schema_is_json_schema() {
    let ran = Place::new("schema").run("config schema");
    let schema: serde_json::Value = serde_json::from_str(ran.fine()).expect("JSON");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["timers"]["properties"]["lease"]["default"],
        "45s"
    );
    assert_eq!(schema["properties"]["agent"]["type"], "array");
}

#[test]
fn the_openapi_document_is_built_in() {
    let ran = Place::new("openapi").run("spec openapi --server http://127.0.0.1:1");
    let document: serde_json::Value = serde_json::from_str(ran.fine()).expect("JSON");
    assert!(document["paths"]["/api/v1/tasks"]["post"].is_object());
    let task = &document["components"]["schemas"]["Task"];
    let required = task["required"].as_array().expect("a list");
    assert!(required.contains(&"waiting_for".into()), "{required:?}");
    assert!(!required.contains(&"input".into()), "{required:?}");
}

#[test]
fn the_asyncapi_document_is_of_the_configured_namespace() {
    let place = Place::new("asyncapi").with("warrener.toml", "namespace = \"team\"\n");
    let ran = place.run("spec asyncapi");
    let document: serde_json::Value = serde_json::from_str(ran.fine()).expect("JSON");
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["channels"]["tasks"]["address"], "team.tasks");
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Place::new("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.run(&format!("completions {shell}"));
        assert!(ran.fine().contains("warrener"), "{shell}");
    }
}

#[test]
fn nothing_is_destroyed_without_a_yes() {
    let place = Place::new("destroy");
    let line = format!("dlq archive {ID} --discard --server http://127.0.0.1:1");
    place.run(&line).failed(2, &["--yes"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new("pipe");
    let mut child = place
        .command("config schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let Ran { exit, err, .. } = Ran::of(&child.wait_with_output().expect("it ends"));
    assert_eq!((exit, err.as_str()), (Some(0), ""));
}
