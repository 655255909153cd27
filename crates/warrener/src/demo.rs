//! The demo: the main job on real input, with nothing configured. A server in this process, five agents as child
//! processes, the text files of the current folder through a workflow with a fan-out, a join and a brainstorm; one agent is
//! killed in the middle of a step, one task fails twice, one dies and is tried again. What is printed comes from events, what is counted from the store.

mod files;
mod opinion;
mod report;
mod step;
mod story;
mod team;

pub(crate) use opinion::Eye;
pub(crate) use step::run as step;

use crate::compose::{self, Running, ServerSetup};
use crate::config::{self, Config};
use crate::data_dir::DataDir;
use crate::error::CliError;
use crate::output::Output;
use crate::{rabbit, shutdown};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use story::Story;
use team::Team;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_engine::Orchestrator;
use warrener_engine::orchestrator::{Requeue, Which};
use warrener_model::id::RunId;
use warrener_model::name::Namespace;
use warrener_model::run::RunState;
use warrener_model::session::{Origin, Session};
use warrener_model::{Submission, TaskId};

/// Everything must have ended by then: the demo is about half a minute, not about hope.
const PATIENCE: Duration = Duration::from_secs(60);
/// A broker that does not answer for this long will not be there for the demo.
const BROKER: Duration = Duration::from_secs(8);
/// How long the task lingers whose agent is killed.
const LINGER_MS: u64 = 2_500;
/// The work on the folder.
const SURVEY: &str = include_str!("demo/survey.yaml");
/// How much of a file's name a title takes.
const NAME: usize = 120;

/// Runs the demo; says whether the books balance. However it ends, nothing of it is left: no process, folder or queue.
pub(crate) async fn run(output: &Output, config: Option<&Config>) -> Result<bool, CliError> {
    let stop = shutdown::on_signal().map_err(internal)?;
    let folder = Folder::new()?;
    let data = DataDir::prepare(&folder.0.join("data"))?;
    let setup = ServerSetup::embedded(data, "127.0.0.1:0".parse().expect("an address"));
    let broker = config.map(Broker::of).transpose()?.flatten();
    let setup = match &broker {
        Some(broker) => setup.on(broker.way.clone(), broker.namespace.clone()),
        None => setup,
    };
    let server = compose::start(setup).await?;
    let ready = tokio::select! {
        biased;
        () = stop.cancelled() => Err(interrupted()),
        ready = server.with_broker(BROKER) => ready.map_err(CliError::from),
    };
    let result = match ready {
        Ok(()) => act(&server, broker.as_ref(), &folder.0, output, &stop).await,
        Err(error) => Err(error),
    };
    server.stop_for_good().await;
    result
}

/// The RabbitMQ it was told to use, in a namespace of its own: the store is new each time.
pub(super) struct Broker {
    way: rabbit::Way,
    namespace: Namespace,
    /// For people: no user, no password.
    place: String,
    /// For the agents.
    environment: Vec<(&'static str, OsString)>,
}

impl Broker {
    fn of(config: &Config) -> Result<Option<Broker>, CliError> {
        let url = match &config.broker {
            config::Broker::Embedded => return Ok(None),
            config::Broker::Amqp(url) => url,
        };
        let name = format!("demo-{:08x}", fastrand::u32(..));
        let namespace = Namespace::new(&name).map_err(internal)?;
        let confirm = config.timers.confirm;
        let mut environment = vec![
            ("WARRENER_BROKER__URL", url.into()),
            ("WARRENER_NAMESPACE", name.into()),
        ];
        let rabbit = &config.rabbit;
        for (name, file) in [
            ("WARRENER_BROKER__CA", &rabbit.ca),
            ("WARRENER_BROKER__CERT", &rabbit.cert),
            ("WARRENER_BROKER__KEY", &rabbit.key),
        ] {
            environment.extend(file.as_ref().map(|file| (name, file.into())));
        }
        Ok(Some(Broker {
            way: rabbit::Way::to(url, rabbit, &namespace, confirm),
            namespace,
            place: crate::address::host(url).to_owned(),
            environment,
        }))
    }
}

async fn act(
    server: &Running,
    broker: Option<&Broker>,
    folder: &Path,
    output: &Output,
    stop: &CancellationToken,
) -> Result<bool, CliError> {
    let orchestrator = server.orchestrator.clone();
    let files = files::find(Path::new("."), folder).map_err(internal)?;
    let mut story = Story::new(orchestrator.clone(), output);
    let place = broker.map_or("an embedded broker and store".into(), |broker| {
        format!("RabbitMQ ({}) and an embedded store", broker.place)
    });
    story.say(&format!(
        "A server with {place} at {}; five agents; {} text files in {}.",
        server.url,
        files.names.len(),
        files.place
    ))?;
    let mut team = Team::start(server, broker, folder)?;
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => Err(interrupted()),
        played = play(&orchestrator, &mut story, &mut team, &files, folder) => played,
    };
    team.stop().await;
    let (accepted, result) = result?;
    let left = team.left();
    report::print(output, &orchestrator, accepted, &result, &left).await
}

/// The plot. Gives back how many tasks were accepted, and what the run left.
async fn play(
    orchestrator: &Orchestrator,
    story: &mut Story<'_>,
    team: &mut Team,
    files: &files::Files,
    folder: &Path,
) -> Result<(usize, Value), CliError> {
    let missing = folder.join("permission.txt");
    let (items, first) = items(files);
    let tasks = items.len() + 1;
    let inputs = json!({ "files": items }).as_object().cloned();
    let run = orchestrator.start_run(SURVEY.into(), inputs.unwrap_or_default(), None);
    let run = run.await.map_err(|e| internal(format!("{e:?}")))?.view;
    let run = run.run.spec.id;
    story.say(&format!(
        "Workflow survey: {} scans side by side, a task that adds them up, three opinions, a decision. Beside it two tasks.",
        tasks - 1
    ))?;
    let [flaky, check] = submit(orchestrator, &missing).await?;

    // The first file takes its time; its agent is killed in the middle of it.
    let agent = story.until_started(&first, PATIENCE).await?;
    tokio::time::sleep(Duration::from_millis(LINGER_MS / 4)).await;
    let pid = team.kill(&agent)?;
    story.say(&format!(
        "kill -9 {pid}: {agent} is gone, in the middle of its work"
    ))?;

    // One task dies because a file is missing; a person provides it and tries again.
    story.until_final(&[check], PATIENCE).await?;
    std::fs::write(&missing, "granted\n").map_err(internal)?;
    let requeue = Requeue {
        which: Which::Ids(vec![check]),
        limit: 1,
        rate: None,
        anew: true,
        dry_run: false,
        reason: Some("the missing file is there now".into()),
    };
    let replayed = orchestrator
        .requeue(requeue, "user:demo")
        .await
        .map_err(internal)?;
    story.say(&format!(
        "the missing file is there now; {} dead letter tried again",
        replayed.tasks.len()
    ))?;
    story.until_final(&[flaky, check], PATIENCE).await?;

    let output = follow(orchestrator, story, run).await?;
    Ok((tasks + 2, output))
}

/// Tells what becomes of the run, to its end; gives back its output.
async fn follow(
    orchestrator: &Orchestrator,
    story: &mut Story<'_>,
    run: RunId,
) -> Result<Value, CliError> {
    let until = Instant::now() + PATIENCE;
    loop {
        story.catch_up().await?;
        let second = Duration::from_secs(1);
        let view = orchestrator.wait_run(run, None, second).await;
        let head = view.map_err(internal)?.run.head;
        if head.state.is_final() {
            story.catch_up().await?;
            let of_run = |session: &Session| matches!(&session.origin, Some(Origin::Step { run: of, .. }) if *of == run);
            let sessions = orchestrator.sessions(None, None, 10).await;
            for session in sessions.map_err(internal)?.iter().filter(|s| of_run(s)) {
                story.tell_session(session)?;
            }
            return match (head.state, head.output) {
                (RunState::Succeeded, Some(output)) => Ok(output.value()),
                (state, _) => Err(internal(format!(
                    "the run is {state}: {}",
                    head.error.unwrap_or_default()
                ))),
            };
        }
        if Instant::now() >= until {
            return Err(internal("the run did not end within its time"));
        }
    }
}

/// What the run is given, and the title of the task that takes its time: that of the first file.
fn items(files: &files::Files) -> (Vec<Value>, String) {
    let names: Vec<String> = (files.names.iter())
        .map(|name| {
            let over = name.chars().count().saturating_sub(NAME);
            name.chars().skip(over).collect()
        })
        .collect();
    let first = format!("scan {}", names.first().map_or("", String::as_str));
    let item = |(n, (name, path)): (usize, (&String, &PathBuf))| {
        let linger = (n == 0).then_some(LINGER_MS);
        json!({ "name": name, "path": path, "linger_ms": linger })
    };
    let items = names.iter().zip(&files.paths).enumerate();
    (items.map(item).collect(), first)
}

/// Submits the two tasks with a story of their own.
async fn submit(orchestrator: &Orchestrator, missing: &Path) -> Result<[TaskId; 2], CliError> {
    let flaky = json!({ "kind": "demo.flaky", "lane": "errands", "title": "ask a service that is down",
        "input": { "failures": 2 }, "retry": { "network": { "base_ms": 400, "jitter": "none" } } });
    let check = json!({ "kind": "demo.check", "lane": "errands", "title": "check a permission",
        "input": { "needs": missing } });
    let flaky = one(orchestrator, &flaky).await?;
    let check = one(orchestrator, &check).await?;
    Ok([flaky, check])
}

fn read(request: &Value) -> Result<Submission, CliError> {
    Submission::read(&request.to_string()).map_err(|m| internal(format!("{m:?}")))
}

async fn one(orchestrator: &Orchestrator, request: &Value) -> Result<TaskId, CliError> {
    let submitted = orchestrator.submit(read(request)?, None, "user:demo").await;
    Ok(submitted.map_err(internal)?.view.task.id)
}

fn interrupted() -> CliError {
    CliError::new("interrupted", "interrupted; nothing of the demo is left")
        .hint("start it again with `warrener demo`")
}

fn internal(error: impl ToString) -> CliError {
    CliError::new("internal", error.to_string())
}

/// A folder of the demo's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, CliError> {
        let name = format!("warrener-demo-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        // Made by us and nobody else, or not at all.
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(internal)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is a nuisance, not a failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
