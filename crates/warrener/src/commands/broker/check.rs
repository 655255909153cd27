//! `warrener broker check`: what is wrong with RabbitMQ before anything relies on it, and what to do about it.

mod management;

use crate::args::broker::Check;
use crate::commands::server::runtime;
use crate::config::{self, Config};
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::output::Form;
use crate::rabbit::Way;
use crate::report::plain;
use crate::view::FINDING;
use serde::Serialize;
use std::collections::BTreeSet;
use warrener_model::agent::Who;
use warrener_model::id::StoreId;
use warrener_model::{InstanceId, Lane};
use warrener_rabbitmq::Role;
use warrener_rabbitmq::check::{Finding, Purpose, Severity};
use warrener_sqlite::SqliteStore;

/// One finding, as it is printed.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    severity: &'a str,
    what: &'a str,
    remedy: Option<&'a str>,
}

pub(crate) fn run(args: &Check, globals: &Globals) -> Result<Exit, CliError> {
    let config = &globals.config;
    globals.output.check_fields(&FINDING)?;
    let Some(way) = Way::of(config) else {
        let note = "the broker is embedded: there is nothing to check; name a broker with --broker URL, or url under [broker]";
        globals.output.note(note);
        return print(&[], globals).map(|()| Exit::Ok);
    };
    let role = args.agent.clone().map_or(Role::Server, |agent| {
        let instance = InstanceId::random(fastrand::u32(..));
        Role::Agent(Who { agent, instance })
    });
    let purpose = Purpose {
        lanes: lanes(args, config),
        store: store(config)?,
        handoff: config.timers.handoff,
        // A URL that is none is a finding of its own.
        policed: args.management.as_ref().and_then(|url| {
            let login = way.login().ok()?;
            Some(management::queues(url, &login, config, globals.timeout))
        }),
    };
    let findings = runtime()?.block_on(way.check(role, globals.timeout, &purpose));
    if let Some(error) = findings.iter().find_map(hopeless) {
        return Err(error);
    }
    print(&findings, globals)?;
    let wrong = findings.iter().any(is_wrong);
    Ok(if wrong { Exit::Findings } else { Exit::Ok })
}

fn is_wrong(finding: &Finding) -> bool {
    finding.severity >= Severity::Warning
}

/// What is no finding about the broker, for there was no broker to look at.
fn hopeless(finding: &Finding) -> Option<CliError> {
    let code = match finding.id {
        "url" => "config_invalid",
        "greeting" => "broker_unreachable",
        "certificate" => "broker_untrusted",
        _ => return None,
    };
    Some(CliError::new(code, finding.what.clone()).hint(finding.remedy.clone()))
}

/// Those that were named; else the agent's, else all of the configuration.
fn lanes(args: &Check, config: &Config) -> Vec<Lane> {
    if !args.lanes.is_empty() {
        return args.lanes.clone();
    }
    let members = config.agents.iter();
    let members = members.filter(|member| args.agent.as_ref().is_none_or(|id| *id == member.name));
    let mut lanes: BTreeSet<Lane> = members.flat_map(|member| member.lanes.clone()).collect();
    if args.agent.is_none() {
        lanes.extend(config.lanes.keys().cloned());
        lanes.insert(Lane::default());
    } else if lanes.is_empty() {
        lanes.insert(Lane::default());
    }
    lanes.into_iter().collect()
}

/// The store of the data folder here, if there is one.
fn store(config: &Config) -> Result<Option<StoreId>, CliError> {
    match config.store {
        config::Store::Sqlite => {
            let dir = config.data_dir.display();
            SqliteStore::id_in(&config.data_dir).map_err(|error| {
                CliError::new("data_dir_unusable", format!("the store in {dir}: {error}"))
            })
        }
        config::Store::Postgres(_) => Ok(None),
    }
}

fn print(findings: &[Finding], globals: &Globals) -> Result<(), CliError> {
    let output = &globals.output;
    if output.form == Form::Table && output.fields.is_none() && !output.quiet {
        return output.write(&lines(findings));
    }
    // Ids alone are for scripts, which want to know what is wrong.
    let shown = findings.iter().filter(|f| !output.quiet || is_wrong(f));
    let rows: Vec<Row<'_>> = shown
        .map(|finding| Row {
            id: finding.id,
            severity: finding.severity.word(),
            what: &finding.what,
            remedy: Some(&*finding.remedy).filter(|remedy| !remedy.is_empty()),
        })
        .collect();
    output.list(&FINDING, &rows, None)
}

/// A line for each finding, and one below it for what to do.
fn lines(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding {
            id, severity, what, ..
        } = finding;
        let mut text = format!("{:8}  {id:16}  {}\n", severity.word(), plain(what));
        if !finding.remedy.is_empty() {
            text += &format!("{:8}  {:16}  -> {}\n", "", "", plain(&finding.remedy));
        }
        text
    };
    findings.iter().map(line).collect()
}
