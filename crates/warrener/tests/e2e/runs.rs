//! Runs of workflows, from outside: order, fan-out and join, what failed tried again, processes that are killed.

use crate::harness::{PATIENCE, Place, Process, port, until, until_within};
use crate::http::Http;
use serde_json::{Value, json};

/// Notes which step it is of, then does what the steps below want; `broken` makes `build` fail.
const WORK: &str = r#"
    IN=$(cat)
    STEP=$(printf %s "$IN" | sed 's/.*"step":"\([a-z_]*\)".*/\1/')
    echo "$STEP" >> "$WARRENER_AGENT_DIR/starts"
    [ "$STEP" = build ] && [ -e "$WARRENER_AGENT_DIR/broken" ] && { echo 'no compiler' >&2; exit 1; }
    [ "$STEP" = slow ] && { [ -e "$WARRENER_AGENT_DIR/hurry" ] || sleep 1; }
    echo "$STEP" >> "$WARRENER_AGENT_DIR/ends"
    printf %s "$IN" | sed 's/.*"input":\({[^}]*}\).*/\1/'"#;

const DELIVER: &str = r#"
name: deliver
inputs: { version: { type: string, required: true } }
steps:
  - { id: test, kind: shell, input: { version: "{{ inputs.version }}" } }
  - { id: build, kind: shell, needs: [test], input: { of: "{{ steps.test.output.version }}" }, retry: { business: { retries: 0 } } }
  - { id: deploy, kind: shell, needs: [build], input: { of: "{{ steps.build.output.of }}" } }
output: { deployed: "{{ steps.deploy.output.of }}" }
"#;

fn count(place: &Place, file: &str, step: &str) -> usize {
    place
        .lines(file)
        .iter()
        .filter(|line| *line == step)
        .count()
}

fn run(http: &Http, id: &str) -> Value {
    http.get(&format!("/api/v1/runs/{id}")).json()
}

/// Waits until it is over.
#[track_caller]
fn ends(http: &Http, id: &str, state: &str) -> Value {
    let over = || {
        let run = http.try_get(&format!("/api/v1/runs/{id}")).ok()?;
        let run = run.json();
        (run["final"] == true).then_some(run)
    };
    let run = until_within("the end of the run", PATIENCE * 3, over);
    assert_eq!(run["state"], state, "{run:#}");
    run
}

#[test]
fn scenario_p_a_failed_step_blocks_what_needs_it_and_what_succeeded_is_not_repeated() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 2", WORK);
    place.write("deliver.yaml", DELIVER);
    place.write("broken", "");
    let ran = place.run("workflow run deliver.yaml --set version=v7 --wait");
    let ran = ran.exits(10);
    for words in [
        "build failed",
        "deploy blocked",
        "step \"build\" did not succeed",
        "no compiler",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    let id = place.run("workflow list -f state:failed -q").word();
    let failed = run(&http, &id);
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["steps"]["build"]["state"], "failed");
    assert_eq!(failed["steps"]["deploy"]["state"], "blocked");
    assert_eq!(place.lines("starts"), ["test", "build"]);

    std::fs::remove_file(place.path("broken")).unwrap();
    place.run(&format!("workflow retry-failed {id}")).exits(0);
    let over = ends(&http, &id, "succeeded");
    assert_eq!(over["output"], json!({ "deployed": "v7" }));
    assert_eq!(place.lines("starts"), ["test", "build", "build", "deploy"]);
    let shown = place.run(&format!("workflow get {id}")).fine();
    assert!(shown.contains("deploy succeeded"), "{shown}");
    let books = http.settled();
    assert_eq!((&books["accepted"], &books["open"]), (&json!(3), &json!(0)));
}

const REVIEW: &str = r#"
name: review
steps:
  - { id: slow, kind: shell, for_each: [11, 12, 13], input: { pr: "{{ item }}" } }
  - { id: all, aggregate: { of: slow, how: collect } }
"#;

#[test]
fn scenario_q_three_reviews_by_three_agents_become_one_aggregate() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let team = ["ann", "bob", "cid"];
    let _agents: Vec<Process> = team
        .iter()
        .map(|name| place.agent(name, "--concurrency 1", WORK))
        .collect();
    place.write("review.yaml", REVIEW);
    let ran = place.run("workflow run review.yaml --wait -o json");
    let over = ran.json();
    let all = json!([{ "pr": 11 }, { "pr": 12 }, { "pr": 13 }]);
    assert_eq!(over["output"], json!({ "all": all }), "{over:#}");
    let id = over["id"].as_str().unwrap();
    let tasks = http.get(&format!("/api/v1/tasks?filter=run:{id}")).json();
    let mut agents: Vec<&str> = tasks["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["agent"].as_str().unwrap())
        .collect();
    agents.sort_unstable();
    assert_eq!(agents, team, "each did one");
}

const WIDE: &str = r#"
name: wide
steps:
  - { id: first, kind: shell, input: { n: 0 } }
  - { id: slow, kind: shell, needs: [first], for_each: "{{ range(12) }}", input: { n: "{{ item }}" } }
  - { id: join, kind: shell, needs: [slow], input: { n: "{{ steps.slow.outputs | length }}" } }
"#;

#[test]
fn a_run_survives_the_death_of_server_and_agent_and_repeats_nothing_that_is_over() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let ann = place.agent("ann", "--concurrency 2", WORK);
    place.write("wide.yaml", WIDE);
    let id = place.run("workflow run wide.yaml").word();
    until("a fan-out under way", || {
        (count(&place, "ends", "slow") >= 2).then_some(())
    });
    ann.kill_9();
    let _bob = place.agent("bob", "--concurrency 2", WORK);
    until("more of it", || {
        (count(&place, "ends", "slow") >= 4).then_some(())
    });
    server.kill_9();
    let _server = place.server_on(port);
    place.write("hurry", "");
    let http = place.http();
    let over = ends(&http, &id, "succeeded");
    assert_eq!(over["output"], json!({ "join": { "n": 12 } }));
    assert_eq!(over["steps"]["slow"]["done"], 12);
    assert_eq!(
        count(&place, "starts", "first"),
        1,
        "what is over is not repeated"
    );
    assert_eq!(count(&place, "starts", "join"), 1, "a join fires once");
    let books = http.settled();
    assert_eq!(
        (&books["accepted"], &books["states"]["succeeded"]),
        (&json!(14), &json!(14))
    );
}

#[test]
fn a_cancelled_run_stops_and_its_exit_code_says_so() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 2", "sleep 7711");
    place.write("wide.yaml", WIDE);
    let id = place.run("workflow run wide.yaml").word();
    place.until_runs("sleep 7711");
    let follower = place.start("follower", &["workflow", "run", "wide.yaml", "--wait"]);
    let other = until("the second run", || {
        let runs = http.get("/api/v1/runs").json();
        let other = runs["items"]
            .as_array()?
            .iter()
            .find(|run| run["id"] != *id)?;
        Some(other["id"].as_str()?.to_owned())
    });
    place
        .run(&format!("workflow cancel {other} --reason wrong"))
        .exits(0);
    let mut follower = follower;
    assert_eq!(follower.ends(), Some(11), "{}", follower.err());
    place.run(&format!("workflow cancel {id}")).exits(0);
    ends(&http, &id, "cancelled");
    place.until_gone("sleep 7711");
    place
        .run(&format!("workflow cancel {id}"))
        .fails(5, &["is cancelled"]);
}

#[test]
fn a_request_for_a_run_that_is_wrong_is_told_everything_that_is() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let wrong = "name: n\nsteps:\n  - { id: a, kind: k, priorty: high }\n  - { id: b, needs: [x], kind: k }\n";
    let reply = http
        .post("/api/v1/runs", &json!({ "workflow": wrong }))
        .problem(422);
    let pointers: Vec<&str> = reply["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["/workflow:3:23", "/workflow:4:22"], "{reply:#}");
    let missing = http
        .post("/api/v1/runs", &json!({ "workflow": DELIVER }))
        .problem(422);
    assert_eq!(missing["errors"][0]["pointer"], "/inputs/version");
    http.post("/api/v1/runs", &json!({ "workflo": "" }))
        .problem(422);
    http.get("/api/v1/runs/0189d53c-0000-7000-8000-000000000000")
        .problem(404);
    http.get("/api/v1/runs?filter=colour:red").problem(400);
    assert_eq!(http.books()["accepted"], 0, "nothing was accepted");
    place.write("deliver.yaml", DELIVER);
    place
        .run("workflow run deliver.yaml --set version")
        .fails(2, &["NAME=VALUE"]);
    place
        .run("workflow run nowhere.yaml")
        .fails(2, &["nowhere.yaml"]);
}
