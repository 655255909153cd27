//! Taste made executable: what a reviewer should never have to say twice.
//!
//! Each test reads the tree as it lies in the clone and names every place that breaks its rule.
//! The rules themselves stand in CONTRIBUTING.md. Words a rule forbids are put together from
//! halves here, so that this file passes its own checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The arrows between crates: who may name whom outside of tests. `xtask` may use anything and is
/// published nowhere; testkit is only ever a dev-dependency.
const EDGES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("backend", &["model"]),
    ("sqlite", &["model", "backend"]),
    ("link", &["model", "backend", "api"]),
    ("rabbitmq", &["model", "backend"]),
    ("workflow", &["model"]),
    ("engine", &["model", "backend", "workflow"]),
    ("api", &["model"]),
    ("server", &["model", "backend", "engine", "api"]),
    (
        "warrener",
        &[
            "model", "workflow", "backend", "sqlite", "link", "rabbitmq", "engine", "api", "server",
        ],
    ),
    ("testkit", &["model", "backend"]),
];

/// How long a file may be before it holds two subjects.
const LINES_MAX: usize = 400;

/// Files that may be longer: path, lines allowed, reason.
const LONGER: &[(&str, usize, &str)] = &[];

/// File and folder names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "misc", "common", "helper", "helpers", "mod",
];

/// What no crate contains.
const FORBIDDEN: &[&str] = &[
    concat!("#[ign", "ore"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

#[test]
fn crate_edges_are_those_of_the_architecture() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages is a list");
    let mut found = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().expect("a package has a name");
        if name == "xtask" {
            assert_eq!(
                package["publish"],
                serde_json::json!([]),
                "xtask must not be published"
            );
            continue;
        }
        let edges: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .expect("dependencies is a list")
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| dependency["name"].as_str())
            .filter_map(|name| name.strip_prefix("warrener-"))
            .collect();
        found.insert(name.strip_prefix("warrener-").unwrap_or(name), edges);
    }
    let table: BTreeMap<&str, BTreeSet<&str>> = EDGES
        .iter()
        .map(|(name, edges)| (*name, edges.iter().copied().collect()))
        .collect();
    assert_eq!(
        found, table,
        "left: the manifests; right: the table of arrows"
    );
}

#[test]
fn every_source_file_starts_by_saying_what_it_holds() {
    let sources = sources().into_iter();
    let silent = sources.filter(|source| !source.text.starts_with("//!"));
    none(silent.map(|source| source.name));
}

#[test]
fn no_file_outgrows_its_subject() {
    none(sources().into_iter().filter_map(|Source { name, text }| {
        let lines = text.lines().count();
        let exception = LONGER.iter().find(|longer| longer.0 == name);
        let allowed = exception.map_or(LINES_MAX, |longer| longer.1);
        (lines > allowed).then(|| format!("{name}: {lines} lines, allowed {allowed}"))
    }));
}

#[test]
fn every_exception_of_length_is_still_needed() {
    let mut long = sources();
    long.retain(|source| source.text.lines().count() > LINES_MAX);
    let needed = |name: &str| long.iter().any(|source| source.name == name);
    let idle = LONGER.iter().filter(|longer| !needed(longer.0));
    none(idle.map(|(name, _, reason)| format!("{name} ({reason})")));
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let names = sources().into_iter().map(|source| source.name);
    none(names.filter(|name| {
        let (_, inside) = name.split_once("/src/").unwrap_or_default();
        let mut parts = inside.trim_end_matches(".rs").split('/');
        parts.any(|part| EMPTY_NAMES.contains(&part))
    }));
}

#[test]
fn no_test_is_switched_off_and_nothing_is_left_unwritten() {
    none(sources().into_iter().flat_map(|Source { name, text }| {
        let found = FORBIDDEN.iter().filter(move |word| text.contains(**word));
        found.map(move |word| format!("{name}: {word}"))
    }));
}

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    let codes = codes_in(&text(&root().join("crates/api/src/problem.rs")));
    assert!(
        !codes.is_empty(),
        "no `code: \"…\"` in crates/api/src/problem.rs"
    );
    let pages: BTreeSet<String> = listed(&root().join("docs/errors"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|stem| stem != "README")
        .collect();
    let no_page = codes.difference(&pages);
    let no_code = pages.difference(&codes);
    none(
        no_page
            .map(|code| format!("docs/errors/{code}.md is missing"))
            .chain(no_code.map(|page| format!("no error has the code {page}"))),
    );
}

#[test]
fn every_word_of_the_glossary_is_used_in_the_code() {
    let words = glossary(&text(&root().join("ARCHITECTURE.md")));
    assert!(
        !words.is_empty(),
        "ARCHITECTURE.md has no rows under `## Glossary`"
    );
    let mut code = sources();
    code.retain(|source| source.name.contains("/src/"));
    let code: String = code
        .iter()
        .map(|source| source.text.to_lowercase() + "\n")
        .collect();
    let idle = words
        .into_iter()
        .filter(|word| !has_word(&code, &word.to_lowercase()));
    none(idle);
}

#[test]
fn every_changelog_has_a_place_for_what_comes_next() {
    let changelogs = in_each_package("CHANGELOG.md");
    assert!(!changelogs.is_empty(), "there is no CHANGELOG.md");
    none(changelogs.into_iter().filter_map(|path| {
        let headed = text(&path)
            .lines()
            .any(|line| line.trim_end() == "## [Unreleased]");
        (!headed).then(|| shown(&path))
    }));
}

#[test]
fn no_tracked_file_names_a_path_of_one_machine() {
    none(tracked().into_iter().flat_map(|path| {
        let bytes = fs::read(&path).unwrap_or_default();
        let name = shown(&path);
        String::from_utf8_lossy(&bytes)
            .lines()
            .enumerate()
            .filter(|(_, line)| MACHINE_PATHS.iter().any(|start| line.contains(start)))
            .map(|(index, _)| format!("{name}:{}", index + 1))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn the_readers_of_this_file_read_well() {
    let source =
        "Row { code: \"a_b\" }\n// code: \"not_this\"\nRow { code:\n  \"c\", status: 1 }\n";
    assert_eq!(codes_in(source), ["a_b", "c"].map(str::to_owned).into());

    let page = "# A\n| no | x |\n## Glossary\n\n| word | meaning |\n|---|---|\n| **Lane** | b |\n| `Task` | c |\n\n## Z\n| not | x |\n";
    assert_eq!(glossary(page), ["Lane", "Task"]);

    assert!(has_word("let lane_name = 1;", "lane"));
    assert!(!has_word("planes", "lane"));
    assert!(has_word("planes lane", "lane"));
}

/// Fails with all offenders, one a line.
#[track_caller]
fn none(offenders: impl Iterator<Item = String>) {
    let offenders: Vec<String> = offenders.collect();
    assert!(offenders.is_empty(), "\n  {}\n", offenders.join("\n  "));
}

/// Every literal after `code:` that is no comment.
fn codes_in(source: &str) -> BTreeSet<String> {
    let lines = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let literal = |rest: &str| {
        let (code, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        Some(code.to_owned())
    };
    code.split("code:").skip(1).filter_map(literal).collect()
}

/// The first cells of the table under `## Glossary`, without its head and without mark-up.
fn glossary(page: &str) -> Vec<String> {
    let first_cell = |row: &str| {
        let cell = row.split('|').nth(1)?;
        Some(cell.trim().trim_matches(['*', '`']).to_owned())
    };
    page.lines()
        .skip_while(|line| line.trim_end() != "## Glossary")
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .filter_map(first_cell)
        .collect()
}

/// Both in lower case. `_` ends a word, so that a name made of words has each of them.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        ![before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
    })
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON")
}

/// What git tracks and is still there.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git must be installed: it knows which files are tracked");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git ls-files failed: {errors}");
    let names = String::from_utf8_lossy(&output.stdout);
    let paths = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| root().join(name));
    paths.filter(|path| path.is_file()).collect()
}

/// A file of this name at the root and in each crate, where there is one.
fn in_each_package(name: &str) -> Vec<PathBuf> {
    let mut folders = vec![root()];
    folders.extend(listed(&root().join("crates")));
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .filter(|path| path.is_file())
        .collect()
}

/// A Rust file of ours.
struct Source {
    name: String,
    text: String,
}

/// Every Rust file of the workspace, in a fixed order.
fn sources() -> Vec<Source> {
    let mut packages = listed(&root().join("crates"));
    packages.push(root().join("xtask"));
    let mut found = Vec::new();
    for package in packages {
        for part in ["src", "tests", "examples", "benches"] {
            collect(&package.join(part), &mut found);
        }
    }
    assert!(
        !found.is_empty(),
        "no source file below {}",
        root().display()
    );
    let read = |path: &PathBuf| Source {
        name: shown(path),
        text: text(path),
    };
    found.iter().map(read).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    if !folder.is_dir() {
        return;
    }
    for path in listed(folder) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    paths
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The path as people say it: from the root, with `/`.
fn shown(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    inside.to_string_lossy().replace('\\', "/")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the root exists")
}
