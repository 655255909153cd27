//! A test that is killed with -9 leaves no process and no folder. The victim is this program itself.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use warrener_testkit::rabbit::{Node, Options};

/// Makes the test below the victim.
const VICTIM: &str = "WARRENER_TEST_VICTIM";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_killed_test_leaves_nothing() {
    if std::env::var_os(VICTIM).is_some() {
        let node = Node::start(&Options::default());
        println!("\nfolder {}", node.folder().display());
        std::thread::sleep(PATIENCE);
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "abandoned::a_killed_test_leaves_nothing",
            "--exact",
            "--nocapture",
        ])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(victim.stdout.take().unwrap());
    let folder = said
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.strip_prefix("folder ")?.to_owned()))
        .expect("the victim starts a node");
    // Broker, its port mapper, and what starts programs for it.
    assert!(processes_of(&folder) >= 3);

    victim.kill().unwrap();
    victim.wait().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while processes_of(&folder) > 0 || Path::new(&folder).exists() {
        assert!(Instant::now() < deadline, "{folder} is not cleared");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Those that have it in their environment, as all of a node have.
fn processes_of(folder: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap();
    let environments =
        entries.filter_map(|entry| std::fs::read(entry.ok()?.path().join("environ")).ok());
    environments
        .filter(|environment| String::from_utf8_lossy(environment).contains(folder))
        .count()
}
