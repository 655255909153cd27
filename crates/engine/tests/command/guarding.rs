//! The guard, with other processes of this test program in the parts of agent and guard.
#![cfg(target_os = "linux")]

use crate::support::{Place, is_alive, unique, until};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use warrener_engine::command::{Guard, INSTANCE, guard};

const BASE: &str = "TEST_GUARD_BASE";
const MARKER: &str = "TEST_GUARD_MARKER";

fn part(name: &str) -> [String; 3] {
    [
        "--exact".into(),
        format!("guarding::{name}"),
        "--nocapture".into(),
    ]
}

fn agent(place: &Place, marker: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(part("plays_the_agent"))
        .env(BASE, place.base())
        .env(MARKER, marker)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Whether a process has a handler for a signal.
fn catches(pid: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal.as_raw() - 1)) != 0
}

#[tokio::test]
async fn what_a_killed_agent_was_running_ends_with_it() {
    let (place, marker) = (Place::new(), unique());
    let mut bystander = Command::new("sleep")
        .arg("300")
        .env(INSTANCE, "other")
        .spawn()
        .unwrap();
    let mut agent = agent(&place, &marker);
    let (program, guard) = (place.pid("program").await, place.pid("guard").await);
    assert!(is_alive(program) && is_alive(guard));
    let signals = [Signal::TERM, Signal::INT, Signal::HUP];
    until(|| signals.iter().all(|signal| catches(guard, *signal))).await;
    for signal in signals {
        send(guard, signal);
    }
    send(agent.id(), Signal::KILL);
    agent.wait().unwrap();
    until(|| !is_alive(program)).await;
    until(|| !is_alive(guard)).await;
    assert!(
        bystander.try_wait().unwrap().is_none(),
        "somebody else's process was killed"
    );
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test]
async fn a_dropped_guard_ends() {
    let (place, marker) = (Place::new(), unique());
    let mut agent = agent(&place, &marker);
    let (program, guard) = (place.pid("program").await, place.pid("guard").await);
    // Our end of its stdin tells the agent to let go of its guard, and to live on until it is killed.
    drop(agent.stdin.take());
    until(|| !is_alive(guard) && !is_alive(program)).await;
    assert!(agent.try_wait().unwrap().is_none());
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn plays_the_agent() {
    let Some(base) = std::env::var_os(BASE).map(PathBuf::from) else {
        return;
    };
    let args = part("plays_the_guard");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let guard = Guard::spawn(&std::env::current_exe().unwrap(), &args).unwrap();
    until_blocking(|| base.join("guard").exists());
    let script = "setsid sh -c 'echo $$ > \"$0/program\"; exec sleep 300' \"$0\" & exec sleep 300";
    let mut program = Command::new("sh")
        .args(["-c", script])
        .arg(&base)
        .env(INSTANCE, std::env::var(MARKER).unwrap())
        .spawn()
        .unwrap();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    drop(guard);
    program.wait().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(300));
}

#[test]
fn plays_the_guard() {
    let Some(base) = std::env::var_os(BASE).map(PathBuf::from) else {
        return;
    };
    std::fs::write(base.join("guard"), std::process::id().to_string()).unwrap();
    guard(&std::env::var(MARKER).unwrap()).unwrap();
}

fn until_blocking(happened: impl Fn() -> bool) {
    while !happened() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
