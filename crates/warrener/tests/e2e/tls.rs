//! TLS: server, command line, agents and streams over one listener; whom nobody trusts; files that are no good.

use crate::authority::Authority;
use crate::harness::{Place, Process, port, until};
use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::TcpStream;

const FILES: &str = "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";

/// A place whose servers speak TLS and whose commands trust their authority.
fn place(authority: &Authority, names: &[&str]) -> Place {
    let place = Place::with(&format!("ca = \"ca.pem\"\n{FILES}"));
    authority.write(&place, "ca.pem");
    authority.issue(&place, names);
    place
}

fn server(place: &Place, listen: &str) -> Process {
    place.ready(place.start("server", &["server", "run", "--listen", listen]))
}

fn address(place: &Place) -> String {
    let found: Value = serde_json::from_str(&place.read(".warrener/server.json")).unwrap();
    found["url"].as_str().unwrap().to_owned()
}

#[test]
fn command_line_agents_and_streams_go_over_tls_on_any_address() {
    let authority = Authority::new();
    let place = place(&authority, &["127.0.0.1", "localhost"]);
    let _server = server(&place, "0.0.0.0:0");
    let url = address(&place);
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    // The program finds the server, too.
    let script = r#"echo hi >&2; echo "{\"server\":\"$WARRENER_SERVER\",\"ca\":\"$WARRENER_CA\"}""#;
    let _agent = place.agent("ann", "", script);
    let ran = place
        .run("task submit --kind a --wait -o json")
        .exits(0)
        .json();
    let ca = place.path("ca.pem");
    let ca = ca.to_str().unwrap();
    assert_eq!(ran["output"], json!({ "server": url, "ca": ca }));
    let id = ran["id"].as_str().unwrap();
    // A stream of events.
    let logs = place.run(&format!("task logs {id} -F")).fine();
    assert!(logs.contains("hi"), "{logs}");

    // From elsewhere: another folder, the server by name, the token from a file.
    let away = Place::new();
    authority.write(&away, "theirs.pem");
    away.write("token", &place.read(".warrener/token"));
    let named = url.replace("127.0.0.1", "localhost");
    let call = |token: bool, line: &str| {
        let line = format!("--server {named} --ca theirs.pem {line}");
        let mut command = away.command(&line.split_whitespace().collect::<Vec<_>>());
        if token {
            command.env("WARRENER_TOKEN_FILE", away.path("token"));
        }
        crate::process::Ran::of(command.output().unwrap())
    };
    assert_eq!(call(true, &format!("task get {id} -q")).word(), id);
    call(false, "task list").fails(4, &["no token", "WARRENER_TOKEN"]);
    let line = format!("--server {named} agent run --name bob -- true");
    let mut command = away.command(&line.split_whitespace().collect::<Vec<_>>());
    command.env("WARRENER_TOKEN_FILE", away.path("token"));
    command.env("WARRENER_CA", away.path("theirs.pem"));
    let _agent = crate::process::Process::start(&away, "bob", command);
    place.http().until_presence("bob", "up");
}

#[test]
fn an_agent_comes_back_to_a_server_that_was_killed() {
    let authority = Authority::new();
    let place = place(&authority, &["127.0.0.1"]);
    let listen = format!("127.0.0.1:{}", port());
    let first = server(&place, &listen);
    let agent = place.agent("ann", "-v", "echo '{}'");
    first.kill_9();
    // Somebody else in its place, for a while: an agent that has work to report does not give up.
    Authority::new().issue(&place, &["127.0.0.1"]);
    let other = place.start("other", &["server", "run", "--listen", &listen]);
    until("a certificate that is refused", || {
        agent
            .err()
            .contains("nobody that is trusted here")
            .then_some(())
    });
    other.kill_9();
    authority.issue(&place, &["127.0.0.1"]);
    let _second = server(&place, &listen);
    let id = place.http().submit(&json!({ "kind": "a" }));
    place.http().ends(&id, "succeeded");
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let authority = Authority::new();
    let place = place(&authority, &["127.0.0.1"]);
    let _server = server(&place, "127.0.0.1:0");
    let url = address(&place);
    Authority::new().write(&place, "other.pem");
    let away = Place::new();
    let other = place.path("other.pem").display().to_string();
    let token = place.read(".warrener/token");
    let call = |args: &[&str]| {
        let mut command = away.command(&[&["--server", &url][..], args].concat());
        command.env("WARRENER_TOKEN", token.trim());
        crate::process::Ran::of(command.output().unwrap())
    };
    let words = [
        "cannot be trusted",
        "--server",
        "nobody that is trusted here",
        "--ca FILE",
    ];
    call(&["task", "list"]).fails(7, &words);
    call(&["--ca", &other, "task", "list"]).fails(7, &words);
    let agent = [
        "--ca", &other, "agent", "run", "--name", "ann", "--", "true",
    ];
    let ran = call(&agent).exits(7);
    for word in [
        "cannot be trusted",
        "nobody that is trusted here",
        "--ca FILE",
        &url,
    ] {
        assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
    }
    // Trusted, but under another name.
    let named = url.replace("127.0.0.1", "localhost");
    let words = ["cannot be trusted", "not for this name, but for 127.0.0.1"];
    place
        .run(&format!("--server {named} task list"))
        .fails(7, &words);
    // A file that holds no authority.
    away.write("empty.pem", "");
    call(&["--ca", "empty.pem", "task", "list"]).fails(2, &["ca empty.pem", "no certificate"]);
    call(&["--ca", "gone.pem", "task", "list"]).fails(2, &["ca gone.pem", "No such file"]);
}

#[test]
fn plain_http_and_tls_tell_each_other_apart() {
    let place = place(&Authority::new(), &["127.0.0.1"]);
    let _server = server(&place, "127.0.0.1:0");
    // Who connects and says nothing keeps nobody out.
    let bound = address(&place).replace("https://", "");
    let silent = (0..4).map(|_| TcpStream::connect(&bound).unwrap());
    let silent: Vec<TcpStream> = silent.collect();
    place.run("task list").exits(0);
    drop(silent);
    let plain = address(&place).replace("https", "http");
    let words = ["this address speaks TLS", "use https://"];
    place
        .run(&format!("--server {plain} task list"))
        .fails(2, &words);
    let ran = place.run(&format!("--server {plain} agent run --name a -- true"));
    let ran = ran.exits(7);
    for word in words {
        assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
    }

    let place = Place::new();
    let _server = place.server();
    let secure = address(&place).replace("http", "https");
    let words = ["does not speak TLS", "http://"];
    place
        .run(&format!("--server {secure} task list"))
        .fails(7, &words);
    let ran = place.run(&format!("--server {secure} agent run --name a -- true"));
    assert!(ran.exits(7).err.contains("does not speak TLS"));
}

#[test]
fn an_address_for_others_needs_tls_or_a_proxy() {
    let place = Place::new();
    place.run("server run --listen 0.0.0.0:0").fails(
        2,
        &[
            "tokens in the clear",
            "127.0.0.1",
            "tls_cert and tls_key",
            "--behind-proxy",
        ],
    );
    assert!(!place.data().join("server.json").exists());
    let proxied = ["server", "run", "--listen", "0.0.0.0:0", "--behind-proxy"];
    let _server = place.ready(place.start("server", &proxied));
}

#[test]
fn files_that_are_no_good_are_named_with_their_setting() {
    let authority = Authority::new();
    let place = place(&authority, &["127.0.0.1"]);
    let refused = |words: &[&str]| {
        let ran = place.run("server run --listen 127.0.0.1:0").exits(2);
        for word in words {
            assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
        }
    };
    let (cert, key) = (place.read("cert.pem"), place.read("key.pem"));
    let cert_words = "[server] tls_cert cert.pem: ";
    let key_words = "[server] tls_key key.pem: ";
    std::fs::remove_file(place.path("cert.pem")).unwrap();
    refused(&[cert_words, "No such file", "check the path"]);
    place.write("cert.pem", &key);
    refused(&[cert_words, "no certificate in it", "BEGIN CERTIFICATE"]);
    place.write("cert.pem", &cert);
    std::fs::remove_file(place.path("key.pem")).unwrap();
    std::fs::create_dir(place.path("key.pem")).unwrap();
    refused(&[key_words, "check the path and that this user may read"]);
    std::fs::remove_dir(place.path("key.pem")).unwrap();
    place.write("key.pem", &cert);
    refused(&[key_words, "no private key in it", "not encrypted"]);
    authority.issue(&place, &["127.0.0.1"]);
    place.write("cert.pem", &cert);
    refused(&[
        key_words,
        "not the private key of the certificate in cert.pem",
    ]);
    authority.issue_with(&place, &["127.0.0.1"], |params| {
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    refused(&[cert_words, "has expired", "valid now"]);
    authority.issue_with(&place, &["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    refused(&[cert_words, "is not valid yet"]);
    authority.issue_with(&place, &["127.0.0.1"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    refused(&[cert_words, "of an authority, not of a server"]);
    authority.issue(&place, &["tasks.example"]);
    refused(&[
        cert_words,
        "but for tasks.example",
        "https://127.0.0.1:",
        "set url under [server]",
    ]);
    assert!(!place.data().join("server.json").exists());
    place.write("warrener.toml", "[server]\ntls_cert = \"cert.pem\"\n");
    refused(&["warrener.toml:2:12", "needs tls_key"]);
    place.write("warrener.toml", "[server]\ntls_key = \"key.pem\"\n");
    refused(&["warrener.toml:2:11", "needs tls_cert"]);
}

#[test]
fn a_team_and_a_browser_find_a_server_by_its_name() {
    let authority = Authority::new();
    let port = port();
    let url = format!("https://localhost:{port}");
    let team = "[[agent]]\nname = \"ann\"\nrun = [\"sh\", \"-c\", \"echo '{}'\"]\n";
    let place = Place::with(&format!("ca = \"ca.pem\"\n{FILES}url = \"{url}\"\n{team}"));
    authority.write(&place, "ca.pem");
    authority.issue(&place, &["localhost"]);
    let listen = format!("127.0.0.1:{port}");
    let up = place.start("up", &["up", "--trust", "--listen", &listen]);
    let mut up = place.ready(up);
    assert_eq!(address(&place), url);
    place.http().until_presence("ann", "up");
    place.run("task submit --kind a --wait").exits(0);
    // Each address lets one browser in, once.
    for _ in 0..2 {
        let address = place.run("server login").word();
        let (page, code) = address.split_once("/#code=").unwrap();
        assert_eq!(page, url);
        let login = || {
            place
                .http()
                .with_token("")
                .post("/api/v1/login", &json!({ "code": code }))
        };
        assert_eq!(login().status, 200);
        login().problem(401);
    }
    let made = place.run("server login -o json").exits(0).json();
    assert_eq!(made["expires_in_ms"], 600_000);
    up.signal(Signal::TERM);
    assert_eq!(up.ends(), Some(0), "{}", up.err());
    until("the end of everything", || {
        place.running().is_empty().then_some(())
    });
}
