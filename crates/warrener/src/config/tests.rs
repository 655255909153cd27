//! The layers, the sample file of the documentation, and every sort of mistake with its place.

use super::layers::Flag;
use super::*;
use crate::error::CliError;
use warrener_model::life::Start;

const SAMPLE: &str = r#"
namespace = "agent"                  # prefix of every queue and exchange; one store per namespace and vhost

[broker]
url = "embedded"                     # or amqp:// amqps://
[store]
url = "sqlite"                       # or postgres://
[server]
listen = "127.0.0.1:7766"            # elsewhere only with TLS and a token, or --behind-proxy

[lane.bulk]
start = "fast"                       # default "claim": see section 5
window = 200
[kind.review]
input_schema = "review.schema.json"  # JSON Schema, checked at submit
[retry.network]
retries = 5                          # starts = retries + 1
backoff = "exponential"              # exponential | linear | fixed
base = "1s"
max = "5m"
jitter = "full"
[alert]
command = ["notify-send", "warrener"]   # gets the alert as JSON on stdin; or webhook = "https://…"
[dead]
keep = "30d"
auto_requeue = { class = "network", younger = "1h", times = 1 }

[[agent]]
name = "backend"
role = "worker"
lanes = ["default", "backend"]
concurrency = 4
run = ["python3", "agents/backend.py"]
"#;

fn load(
    file: &str,
    variables: &[(&str, &str)],
    flags: Vec<Flag>,
) -> Result<(Settings, Config), CliError> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let sources = Sources {
        flags,
        variables: variables.collect(),
        file: Some(("etc/warrener.toml".into(), file.into())),
    };
    sources.load()
}

/// Every mistake as `place: message`.
fn mistakes(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let error = load(file, variables, vec![]).expect_err("there are mistakes");
    let problem = error.problem.expect("a mistake is told");
    assert_eq!(problem.code, "config_invalid");
    match problem.errors.as_slice() {
        [] => vec![problem.detail.clone()],
        many => many
            .iter()
            .map(|e| format!("{}: {}", e.pointer, e.message))
            .collect(),
    }
}

fn origin(settings: &Settings, path: &[&str]) -> String {
    settings.get(path).expect("it is set").origin.to_string()
}

#[test]
fn the_sample_file_of_the_documentation_is_read_whole() {
    let (settings, config) = load(SAMPLE, &[], vec![]).unwrap();
    assert_eq!(config.broker, Broker::Embedded);
    let bulk = config.lanes[&Lane::new("bulk").unwrap()];
    assert_eq!((bulk.start, bulk.window), (Start::Fast, 200));
    let review = &config.kinds[&Kind::new("review").unwrap()];
    assert_eq!(
        review.input_schema.as_deref(),
        Some("etc/review.schema.json".as_ref())
    );
    let network = &config.retry[&Class::Network];
    assert_eq!((network.retries, network.max_ms), (Some(5), Some(300_000)));
    assert_eq!(config.dead.auto_requeue.as_ref().unwrap().times, 1);
    assert!(matches!(&config.alert, Some(Alert::Command(words)) if words.len() == 2));
    let agent = &config.agents[0];
    assert_eq!((agent.name.as_str(), agent.concurrency), ("backend", 4));
    assert_eq!(agent.run, ["python3", "agents/backend.py"]);
    assert_eq!(
        origin(&settings, &["server", "listen"]),
        "etc/warrener.toml:9:10"
    );
    assert_eq!(origin(&settings, &["timers", "lease"]), "default");
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_defaults() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n";
    let path = ["server", "listen"];
    let port = |variables: &[(&str, &str)], flags| {
        let (settings, config) = load(file, variables, flags).unwrap();
        (config.server.listen.port(), origin(&settings, &path))
    };
    let variable = [("WARRENER_SERVER__LISTEN", "127.0.0.1:2")];
    let flag = Flag {
        path: &["server", "listen"],
        name: "--listen",
        value: "127.0.0.1:3".into(),
    };
    assert_eq!(port(&[], vec![]), (1, "etc/warrener.toml:2:10".into()));
    assert_eq!(
        port(&variable, vec![]),
        (2, "WARRENER_SERVER__LISTEN".into())
    );
    assert_eq!(port(&variable, vec![flag]), (3, "--listen".into()));
    let (_, config) = load("", &[], vec![]).unwrap();
    assert_eq!(config.server.listen.port(), 7766);
    assert_eq!(config.timers.lease, Duration::from_secs(45));
    assert_eq!(config.retention.finished, Duration::from_secs(7 * 86_400));
    assert_eq!(config.retention.agents, Duration::from_secs(7 * 86_400));
    assert_eq!(config.patience.no_capable_agent, Duration::from_secs(45));
    assert_eq!(config.patience.broker_blocked, Duration::from_secs(30));
}

#[test]
fn names_of_rabbitmq_setups_are_taken() {
    let parts = [
        ("RABBITMQ_HOST", "rabbit"),
        ("RABBITMQ_PORT", "5673"),
        ("RABBITMQ_USER", "me"),
        ("RABBITMQ_PASSWORD", "p@ss/word"),
        ("RABBITMQ_VHOST", "/"),
    ];
    let broker = |variables: &[(&str, &str)]| load("", variables, vec![]).unwrap().1.broker;
    let made = "amqp://me:p%40ss%2Fword@rabbit:5673/%2F";
    assert_eq!(broker(&parts), Broker::Amqp(made.into()));
    let mut both = parts.to_vec();
    both.push(("RABBITMQ_URL", "amqp://other"));
    assert_eq!(broker(&both), Broker::Amqp("amqp://other".into()));
    both.push(("WARRENER_BROKER__URL", "embedded"));
    assert_eq!(broker(&both), Broker::Embedded);
    let (settings, config) =
        load("", &[("AGENT_ID", "be-1"), ("AGENT_NAME", "Ben")], vec![]).unwrap();
    assert_eq!(config.agent.id, Some(AgentId::new("be-1").unwrap()));
    assert_eq!(config.agent.name.as_deref(), Some("Ben"));
    assert_eq!(origin(&settings, &["agent_id"]), "AGENT_ID");
}

#[test]
fn a_secret_may_stand_in_a_file_and_is_masked() {
    let dir = std::env::temp_dir().join(format!("warrener-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let name = file.to_str().unwrap();
    let (settings, config) = load("", &[("WARRENER_TOKEN_FILE", name)], vec![]).unwrap();
    assert_eq!(config.token.as_deref(), Some("s3cret"));
    let url = ("WARRENER_BROKER__URL", "amqp://me:s3cret@h/v?x=s3cret");
    let (with_url, _) = load("", &[("WARRENER_TOKEN", "s3cret"), url], vec![]).unwrap();
    for settings in [settings, with_url] {
        let rows = serde_json::to_string(&show::rows(&settings)).unwrap();
        assert!(!rows.contains("s3cret"), "{rows}");
        assert!(rows.contains("WARRENER_TOKEN"), "{rows}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_known_one() {
    let cases = [
        (
            "[server]\nlsiten = \"a\"\n",
            "etc/warrener.toml:2:1: unknown key \"lsiten\" in [server]; did you mean \"listen\"?",
        ),
        (
            "[kind.a.breaker]\nfailure = 1\n",
            "etc/warrener.toml:2:1: unknown key \"failure\" in [kind.a.breaker]; did you mean \"failures\"?",
        ),
        (
            "[brokr]\n",
            "etc/warrener.toml:1:2: unknown key \"brokr\"; did you mean \"broker\"?",
        ),
        (
            "[lane.a]\nstrat = 1\n",
            "etc/warrener.toml:2:1: unknown key \"strat\" in [lane.a]; did you mean \"start\"?",
        ),
        (
            "[[agent]]\nname = \"a\"\nrun = [\"b\"]\nlane = 1\n",
            "etc/warrener.toml:4:1: unknown key \"lane\" in [agent.0]; did you mean \"lanes\"?",
        ),
        (
            "[retry.netwrk]\nretries = 1\n",
            "etc/warrener.toml:2:11: no class \"netwrk\" with a policy; did you mean \"network\"?",
        ),
    ];
    for (file, wanted) in cases {
        assert_eq!(mistakes(file, &[]), [wanted]);
    }
    let found = mistakes("", &[("WARRENER_BROKER__ULR", "x")]);
    assert_eq!(
        found,
        ["WARRENER_BROKER__ULR: no setting \"broker.ulr\"; did you mean WARRENER_BROKER__URL?"]
    );
    // What an agent's command is given is no setting.
    load(
        "",
        &[("WARRENER_TASK_ID", "x"), ("WARRENER_FD", "3")],
        vec![],
    )
    .unwrap();
}

#[test]
fn values_are_checked_where_they_stand() {
    let cases = [
        (
            "namespace = 3",
            ":1:13: namespace is a whole number, but must be a text in quotes",
        ),
        (
            "[timers]\nlease = 45",
            ":2:9: timers.lease is a whole number, but must be a duration in quotes",
        ),
        ("[timers]\nlease = \"45\"", "\"45\" is not a duration"),
        (
            "[timers]\nlease = \"5s\"",
            ":2:9: a lease must be at least two heartbeats long",
        ),
        ("[timers]\nsweep = \"1m\"", "must be at most 10s"),
        (
            "[timers]\nhandoff = \"2m\"",
            ":2:11: fast_overdue must be longer than handoff",
        ),
        ("[lane.a]\nwindow = 0", "window 0 is not 1 to 100000"),
        ("[lane.dead]\nstart = \"fast\"", "lane \"dead\" is reserved"),
        (
            "[lane.a]\nstart = \"fats\"",
            "\"fats\" is not known; did you mean \"fast\"?",
        ),
        (
            "[broker]\nurl = \"http://x\"",
            ":2:7: must be embedded, or a URL such as amqp://",
        ),
        (
            "[server]\nlisten = \"here\"",
            ":2:10: invalid socket address",
        ),
        (
            "[dead]\nauto_requeue = { class = \"network\" }",
            "needs class, younger and times",
        ),
        (
            "[alert]\ncommand = [\"a\"]\nwebhook = \"https://a\"",
            "not both",
        ),
        ("[[agent]]\nname = \"a\"", ":2:8: this agent has no run"),
        ("[[agent]]\n", "this agent has no name"),
        ("[agent]\nname = \"a\"", "write each agent as [[agent]]"),
        ("[retention]\nkeys = \"1d\"", "must be at least 7d"),
        ("[server]\ntls_cert = \"c\"", ":2:12: needs tls_key"),
        ("[server]\ntls_key = \"c\"", ":2:11: needs tls_cert"),
        ("[broker]\ncert = \"c\"", ":2:8: needs key"),
        ("[broker]\nkey = \"c\"", ":2:7: needs cert"),
        ("[broker]\nheartbeat = \"soon\"", ":2:13:"),
        (
            "[kind.a.breaker]\nopen = \"1m\"",
            ":2:8: needs failures, here or under [breaker]",
        ),
        (
            "[breaker]\nfailures = 5\nopen = \"0s\"\n[kind.a.breaker]\nprobes = 2",
            ":3:8: must be longer than 0",
        ),
        ("[breaker]\nprobes = 0", "probes 0 is not 1 to 1000"),
        ("[server\n", ":1:"),
    ];
    for (file, part) in cases {
        let found = mistakes(file, &[]);
        assert_eq!(found.len(), 1, "{file}: {found:?}");
        assert!(found[0].contains(part), "{file}: {found:?}");
    }
    let twice = "[[agent]]\nname = \"a\"\nrun = [\"x\"]\n".repeat(2);
    assert!(mistakes(&twice, &[])[0].contains("there is another agent \"a\""));
}

#[test]
fn a_kind_has_the_breaker_of_all_but_for_what_it_says_itself() {
    let of = |file: &str, kind: &str| {
        let (_, config) = load(file, &[], vec![]).unwrap();
        let rule = config.breakers.of(&Kind::new(kind).unwrap()).copied();
        rule.map(|rule| (rule.failures, rule.open.as_secs(), rule.probes))
    };
    assert_eq!(of("", "a"), None, "off unless it is wanted");
    let one = "[kind.a.breaker]\nfailures = 4";
    assert_eq!((of(one, "a"), of(one, "b")), (Some((4, 30, 1)), None));
    let all = "[breaker]\nfailures = 5\nopen = \"10s\"\n[kind.a.breaker]\nprobes = 2\n[kind.b.breaker]\nfailures = 0";
    assert_eq!(of(all, "a"), Some((5, 10, 2)));
    assert_eq!(of(all, "b"), None);
    assert_eq!(of(all, "c"), Some((5, 10, 1)));
}

#[test]
fn paths_start_at_the_file_that_names_them_or_where_the_command_runs() {
    let file = "ca = \"ca.pem\"\n[server]\ntls_cert = \"/abs/cert.pem\"\ntls_key = \"key.pem\"";
    let (_, config) = load(file, &[], vec![]).unwrap();
    assert_eq!(config.ca.as_deref(), Some("etc/ca.pem".as_ref()));
    let tls = config.server.tls.unwrap();
    assert_eq!(
        (tls.cert, tls.key),
        ("/abs/cert.pem".into(), "etc/key.pem".into())
    );
    let (_, config) = load(file, &[("WARRENER_CA", "my.pem")], vec![]).unwrap();
    assert_eq!(config.ca.as_deref(), Some("my.pem".as_ref()));
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = mistakes(
        "a = 1\n[server]\nlisten = 2\n",
        &[("WARRENER_TIMERS__LEASE", "x")],
    );
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn the_schema_takes_the_sample_and_refuses_unknown_keys() {
    let schema = schema::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let read = |text: &str| {
        let value: toml::Value = toml::from_str(text).unwrap();
        serde_json::to_value(value).unwrap()
    };
    assert!(validator.is_valid(&read(SAMPLE)));
    for bad in [
        "a = 1",
        "[server]\nlsiten = \"a\"",
        "[retry.nothing]\nretries = 1",
        "[[agent]]\nname = \"a\"",
    ] {
        assert!(!validator.is_valid(&read(bad)), "{bad}");
    }
}
