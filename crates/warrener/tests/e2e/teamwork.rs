//! Teams that talk before they work: the scenarios of five terminals, of a vote by five ways and of a brainstorm.

use crate::harness::{Place, Process, port, until};
use crate::http::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a worker does: the design leaves what was decided, the migration fails once.
const WORK: &str = r#"
    IN=$(cat)
    case $IN in
        *'"kind":"migrate"'*)
            [ "$WARRENER_ATTEMPT" -gt 1 ] || { echo 'Connection timeout - database unreachable' >&2; exit 75; }
            echo '{"migrated":true}' ;;
        *) printf %s "$IN" ;;
    esac"#;

/// An agent that says these answers, each for the first of these words that its invitation has.
fn adviser(place: &Place, name: &str, capabilities: &str, answers: &[(&str, Value)]) -> Process {
    let cases: String = answers
        .iter()
        .map(|(word, answer)| format!("*'{word}'*) echo '{answer}' ;;\n"))
        .collect();
    let script = format!(
        r#"IN=$(cat); printf '%s\n' "$IN" >> "$WARRENER_AGENT_DIR/said/{name}"; case $IN in {cases} esac"#
    );
    let flags = format!("--role collaborator --kind advice {capabilities}");
    place.agent_alone(name, &flags, &script)
}

/// Every invitation that an agent was given, as its program got it.
fn heard(place: &Place, name: &str) -> Vec<Value> {
    let lines = place.lines(&format!("said/{name}"));
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn scenario_a_five_terminals_in_any_order_decide_design_and_survive_a_failed_migration() {
    let place = Place::with("[retry.network]\nbase = \"100ms\"");
    let port = port();
    // The folder and its token are there; nobody is, when the agents come, the last terminal first.
    place.server_on(port).kill_9();
    let say = |suggestion: &str, why: &str| {
        let answer = json!({ "suggestion": suggestion, "rationale": why, "confidence": 0.8 });
        vec![("which API", answer)]
    };
    let _team = [
        place.agent_alone("t5-worker", "--kind design --kind migrate", WORK),
        adviser(
            &place,
            "t4-collab",
            "--capability api=0.4",
            &say("gRPC+REST", "typed between services"),
        ),
        adviser(
            &place,
            "t3-collab",
            "--capability api=0.9",
            &say("GraphQL", "one query a page"),
        ),
        place.agent_alone("t2-worker", "--kind design --kind migrate", WORK),
        place.agent_alone("t1-leader", "--role leader --kind lead", "true"),
    ];
    let _server = place.server_on(port);
    let http = place.http();
    for name in [
        "t1-leader",
        "t2-worker",
        "t3-collab",
        "t4-collab",
        "t5-worker",
    ] {
        http.until_presence(name, "up");
    }

    let question = json!({
        "question": "which API?", "method": "expertise", "expertise": "api",
        "required": ["agent:t3-collab", "agent:t4-collab"], "deadline_ms": 3_600_000,
    });
    let design = http.submit(&json!({
        "kind": "design", "title": "Design microservices architecture", "priority": "high", "collaboration": question,
    }));
    let migrate = http.submit(&json!({ "kind": "migrate", "title": "Migrate database" }));
    let task = http.ends(&design, "succeeded");
    let decision = &task["output"]["input"]["decision"];
    assert_eq!(decision["decision"], "GraphQL", "{task:#}");
    assert_eq!(decision["participants"], json!(["t3-collab", "t4-collab"]));
    assert_eq!(decision["dissent"][0]["agent"], "t4-collab");
    let history = http.history(&design).join(" ");
    assert_eq!(history, "submitted ready started succeeded");
    let worker = text(&task, "agent");
    assert!(worker.ends_with("-worker"), "{worker}");
    for name in ["t3-collab", "t4-collab"] {
        let asked = heard(&place, name).len();
        assert_eq!(asked, 1, "{name} is asked once");
    }

    let task = http.ends(&migrate, "succeeded");
    assert_eq!(task["attempt"], 2);
    let events = http.lived(&migrate);
    let of = |kind: &str| -> Vec<&Value> {
        let events = events.iter().filter(|event| event["kind"] == kind);
        events.collect()
    };
    let failed = &of("retrying")[0]["detail"];
    assert_eq!(
        failed["message"],
        "Connection timeout - database unreachable"
    );
    let starts = of("started");
    assert_eq!((starts[0]["attempt"].as_u64(), starts.len()), (Some(1), 2));
    assert_ne!(starts[0]["agent"], starts[1]["agent"]);
    let books = http.books();
    assert_eq!((&books["open"], &books["lost"]), (&json!(0), &json!(0)));
    http.settled();
}

#[test]
fn scenario_n_five_departments_vote_on_a_launch_in_every_way_there_is() {
    let place = Place::new();
    let _server = place.server();
    // Each ranks three options; nine credits buy three votes for one option, four two.
    let votes = [
        (
            "finance",
            "0.5",
            "delay",
            "delay pilot launch",
            json!({ "delay": 9 }),
            0.9,
        ),
        (
            "compliance",
            "0.6",
            "delay",
            "delay launch pilot",
            json!({ "delay": 4, "launch": 4 }),
            0.0,
        ),
        (
            "growth",
            "0.9",
            "launch",
            "launch pilot delay",
            json!({ "launch": 9 }),
            1.0,
        ),
        (
            "engineering",
            "0.8",
            "pilot",
            "pilot launch delay",
            json!({ "pilot": 4, "launch": 4 }),
            0.7,
        ),
        (
            "product",
            "0.9",
            "launch",
            "launch pilot delay",
            json!({ "launch": 4, "pilot": 4 }),
            0.8,
        ),
    ];
    let _team: Vec<Process> = votes
        .iter()
        .map(|(name, level, choice, ranking, credits, confidence)| {
            let ranking: Vec<&str> = ranking.split(' ').collect();
            let sure = |fields: Value| {
                let mut answer = fields;
                answer["confidence"] = json!(confidence);
                answer
            };
            let answers = [
                ("by ranking", sure(json!({ "ranking": ranking }))),
                ("by credits", sure(json!({ "credits": credits }))),
                ("which one", sure(json!({ "choice": choice }))),
            ];
            let agent = adviser(
                &place,
                name,
                &format!("--capability launch={level}"),
                &answers,
            );
            place.http().until_presence(name, "up");
            agent
        })
        .collect();
    let vote = |question: &str, more: &[&str]| {
        let mut words = vec![
            "session",
            "open",
            "--question",
            question,
            "--required",
            "cap:launch",
        ];
        for option in ["launch", "delay", "pilot"] {
            words.extend(["--option", option]);
        }
        words.extend(more);
        words.extend(["--wait", "-o", "json"]);
        place.call(&words).json()
    };
    let scores = |session: &Value| session["tally"]["counts"][0]["scores"].clone();

    // Two of five are no majority; with confidence for weight, and 0 for nothing, 1.8 of 3.4 are one.
    let session = vote("which one?", &["--method", "majority"]);
    assert_eq!(
        (&session["state"], &session["reason"]),
        (&json!("no_decision"), &json!("no_majority")),
        "{session:#}"
    );
    assert_eq!(
        scores(&session),
        json!({ "launch": 2.0, "delay": 2.0, "pilot": 1.0 })
    );
    let session = vote(
        "which one?",
        &["--method", "majority", "--weigh-confidence"],
    );
    assert_eq!(session["decision"], "launch", "{session:#}");

    let session = vote(
        "which one?",
        &["--method", "expertise", "--expertise", "launch"],
    );
    assert_eq!(session["decision"], "launch");
    let session = vote("by credits?", &["--method", "quadratic", "--budget", "9"]);
    assert_eq!(session["decision"], "launch", "{session:#}");
    assert_eq!(
        scores(&session),
        json!({ "launch": 9.0, "delay": 5.0, "pilot": 4.0 })
    );
    // Engineering's first choice goes out first, and its vote to its second.
    let session = vote("by ranking?", &["--method", "ranked"]);
    assert_eq!(session["decision"], "launch", "{session:#}");
    assert!(session["tally"]["counts"].as_array().unwrap().len() > 1);
    let session = vote(
        "which one?",
        &["--method", "unanimity", "--threshold", "0.6"],
    );
    assert_eq!(session["reason"], "below_threshold", "{session:#}");

    // Whoever adds up what was kept comes to the same counts.
    let session = vote("which one?", &["--method", "majority"]);
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for one in session["contributions"].as_array().unwrap() {
        *counts.entry(text(one, "choice")).or_default() += 1.0;
    }
    assert_eq!(json!(counts), scores(&session));
    assert_eq!(session["tally"]["counted"], 5);

    // With a sixth who never answers and a quorum of all, nothing is decided.
    let _legal = place.agent(
        "legal",
        "--role collaborator --kind advice --capability launch=0.5",
        "sleep 7777",
    );
    let session = vote("which one?", &["--quorum", "1", "--deadline", "1s"]);
    assert_eq!(session["reason"], "no_quorum", "{session:#}");
    assert_eq!(session["missing"], json!(["legal"]));
}

#[test]
fn scenario_o_three_agents_brainstorm_refine_and_vote_and_all_see_the_same_ranking() {
    let place = Place::new();
    let _server = place.server();
    let idea = |suggestion: &str, why: &str| json!({ "suggestion": suggestion, "rationale": why, "confidence": 0.7 });
    let vote = |choice: &str| json!({ "choice": choice, "confidence": 0.9 });
    let team = [
        (
            "ann",
            "cache the results",
            "cache results for a day",
            "cache results for a day",
        ),
        (
            "bob",
            "buy a server",
            "rent a bigger server",
            "cache results for a day",
        ),
        (
            "cleo",
            "answer less",
            "answer less, page by page",
            "answer less, page by page",
        ),
    ];
    let _team = team.map(|(name, first, refined, choice)| {
        let answers = [
            (r#""phase":"propose""#, idea(first, "to begin with")),
            (
                r#""phase":"critique""#,
                idea(refined, "after what the others said"),
            ),
            (r#""phase":"vote""#, vote(choice)),
        ];
        let agent = adviser(&place, name, "--capability speed=0.5", &answers);
        place.http().until_presence(name, "up");
        agent
    });
    let words = [
        "session",
        "open",
        "--question",
        "How do we get faster?",
        "--rounds",
        "3",
        "--required",
        "cap:speed",
        "--wait",
        "-o",
        "json",
    ];
    let session = place.call(&words).json();
    assert_eq!(
        session["decision"], "cache results for a day",
        "{session:#}"
    );
    let options = &session["options"];
    let mut found: Vec<&str> = options
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    found.sort_unstable();
    let mut refined = team.map(|(_, _, refined, _)| refined);
    refined.sort_unstable();
    assert_eq!(found, refined);
    assert_eq!(session["contributions"].as_array().unwrap().len(), 9);
    let ranked: Vec<String> = session["alternatives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "suggestion"))
        .collect();
    assert_eq!(ranked[0], "answer less, page by page", "{session:#}");
    for (name, ..) in team {
        let rounds = until("three rounds", || {
            let heard = heard(&place, name);
            (heard.len() >= 3).then_some(heard)
        });
        let phases: Vec<&Value> = rounds.iter().map(|round| &round["phase"]).collect();
        assert_eq!(
            phases,
            ["propose", "critique", "vote"],
            "{name} is asked once a round"
        );
        // The ideas of the others come without their names, and what can be chosen is the same for all, in the same order.
        assert!(rounds[1]["previous"].to_string().contains("buy a server"));
        assert!(!rounds[1]["previous"].to_string().contains("bob"));
        assert_eq!(&rounds[2]["options"], options);
    }
    // Whoever reads it sees the same ranking.
    let id = text(&session, "id");
    let again = place.call(&["session", "get", &id, "-o", "json"]).json();
    assert_eq!(again["alternatives"], session["alternatives"]);
}
