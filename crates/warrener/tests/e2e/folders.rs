//! Data folders in trouble: taken, unusable, damaged; and what is said when no server answers.

use crate::harness::{Place, port};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_second_server_on_a_folder_is_refused_with_the_first_ones_name_and_harms_nothing() {
    let place = Place::new();
    let server = place.server();
    let id = place.http().submit(&json!({ "kind": "work" }));
    let ran = place.run("server run --listen 127.0.0.1:0");
    let pid = server.pid().to_string();
    ran.fails(5, &["data_dir_taken", &pid, "help"]);
    let up = place.run("up --trust --listen 127.0.0.1:0");
    up.fails(5, &["data_dir_taken"]);
    // The first one is still found, and works.
    assert_eq!(place.http().task(&id)["state"], "ready");
    place.run("task list").exits(0);
    drop(server);
    let _server = place.server();
    assert_eq!(place.http().task(&id)["state"], "ready");
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let place = Place::new();
    let _server = place.server();
    let found = place.read(".warrener/server.json");
    let taken = found.split("127.0.0.1:").nth(1).unwrap();
    let taken: String = taken.chars().take_while(char::is_ascii_digit).collect();
    let other = format!("server run --data-dir other --listen 127.0.0.1:{taken}");
    place.run(&other).fails(2, &[&taken, "--listen"]);
}

#[test]
fn a_folder_that_cannot_be_one_is_refused_with_its_name() {
    let place = Place::new();
    place.write("file", "not a folder");
    for folder in ["file", "file/below", "/proc/nowhere"] {
        let line = format!("server run --listen 127.0.0.1:0 --data-dir {folder}");
        place.run(&line).fails(1, &["data_dir_unusable", folder]);
    }
    assert_eq!(place.read("file"), "not a folder");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let data = place.data();
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    // Who may do everything writes there all the same, unless it is somebody else.
    let mut command = place.command(&["server", "run", "--listen", "127.0.0.1:0"]);
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
        // The binary may lie where only root looks: a copy does not.
        let copy = place.path("warrener");
        fs::copy(env!("CARGO_BIN_EXE_warrener"), &copy).unwrap();
        command = std::process::Command::new(copy);
        command.args(["server", "run", "--listen", "127.0.0.1:0"]);
        place.dress(&mut command);
        command.uid(65_534);
        std::os::unix::fs::chown(&data, Some(65_534), None).unwrap();
    }
    let ran = crate::harness::Ran::of(command.output().unwrap());
    ran.fails(1, &["data_dir_unusable", ".warrener", "ermission"]);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn a_store_that_is_none_is_refused_and_not_touched() {
    let place = Place::new();
    let garbage: Vec<u8> = (0..50_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    let mut cut = b"SQLite format 3\0".to_vec();
    cut.extend(&garbage[..5_000]);
    for bytes in [&garbage, &cut] {
        drop(fs::remove_dir_all(place.data()));
        fs::create_dir(place.data()).unwrap();
        fs::write(place.data().join("store.db"), bytes).unwrap();
        let ran = place.run("server run --listen 127.0.0.1:0");
        ran.fails(1, &["store_damaged", "store.db", "help"]);
        let found = fs::read(place.data().join("store.db")).unwrap();
        assert!(found == *bytes, "the file was touched");
    }
}

#[test]
fn a_server_that_is_away_is_exit_7_with_its_address_and_what_to_do() {
    let place = Place::new();
    let server = place.server();
    place.run("task list").exits(0);
    server.kill_9();
    for line in [
        "task list",
        "task submit --kind work",
        "dlq groups",
        "lane list",
        "agent list",
    ] {
        let words = ["server_unreachable", "has ended", "warrener server run"];
        place.run(line).fails(7, &words);
    }
    let nobody = format!("task list --server http://127.0.0.1:{}", port());
    place.run(&nobody).fails(7, &["--server", "refused"]);
    let ran = place.run("task list -o json").exits(7);
    let problem: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(problem["code"], "server_unreachable");
    // Once it is back, the same command finds it.
    let _server = place.server();
    place.run("task list").exits(0);
}

#[test]
fn the_data_folder_is_private_and_knows_where_its_server_is() {
    let place = Place::new();
    let server = place.server();
    let mode = |path: &str| fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".warrener"), 0o700);
    for file in ["token", "secret", "server.json"] {
        assert_eq!(mode(&format!(".warrener/{file}")), 0o600, "{file}");
    }
    assert_eq!(place.read(".warrener/.gitignore").trim(), "*");
    let token = place.http().token;
    assert!(!server.err().contains(&token), "the token is in the log");
    assert_eq!(
        place.http().with_token("wrong").get("/api/v1/tasks").status,
        401
    );
    assert_eq!(place.http().with_token("").get("/readyz").status, 200);
}
