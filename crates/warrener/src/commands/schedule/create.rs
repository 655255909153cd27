//! `warrener schedule create`.

use crate::args::schedule::Create;
use crate::commands::{input, workflow};
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SCHEDULE;
use std::process::ExitCode;
use std::time::Duration;
use warrener_api::SubmitRequest;
use warrener_api::schedule::ScheduleRequest;

pub(crate) fn run(args: Create, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&SCHEDULE)?;
    let request = request(args)?;
    let server = globals.server()?;
    let schedule = server.ask(|client| client.create_schedule(&request))?;
    globals.output.row(&SCHEDULE, &schedule)?;
    Ok(ExitCode::SUCCESS)
}

fn request(args: Create) -> Result<ScheduleRequest, CliError> {
    let input = args.input.as_ref().map(input::json).transpose()?;
    let workflow = args.workflow.as_deref().map(workflow::text).transpose()?;
    let task = args.kind.map(|kind| SubmitRequest {
        kind: kind.to_string(),
        lane: args.lane.map(|lane| lane.to_string()),
        title: args.title,
        description: args.description,
        input,
        priority: args.priority,
        deadline_ms: args.deadline.map(millis),
        timeout_ms: args.timeout.map(millis),
        max_attempts: args.max_attempts,
        labels: args.labels.into_iter().collect(),
        ..SubmitRequest::default()
    });
    Ok(ScheduleRequest {
        name: args.one.name.to_string(),
        cron: args.cron,
        time_zone: args.time_zone,
        every_ms: args.every.map(millis),
        from: args.from,
        at: args.at,
        overlap: args.overlap,
        catch_up: args.catch_up,
        catch_up_max: args.catch_up_max,
        late_ms: args.late.map(millis),
        paused: args.paused,
        task,
        inputs: workflow.as_ref().map(|_| args.set.into_iter().collect()),
        workflow,
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
