//! `warrener workflow template`.

use crate::args::GlobalArgs;
use crate::args::workflow::Name;
use crate::error::CliError;
use crate::output::Output;
use std::process::ExitCode;
use warrener_workflow::builtin;

pub(super) fn run(name: &Name, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    let output = Output::new(args.form()?, None, args.quiet, args.no_color);
    let names = || builtin::TEMPLATES.map(|(name, _)| name);
    match &name.name {
        None => names().iter().try_for_each(|name| output.line(name))?,
        Some(name) => {
            let file = builtin::template(name).ok_or_else(|| {
                let detail = format!("no template \"{name}\" comes with warrener");
                let hint = format!("one of {}", names().join(", "));
                CliError::new("not_found", detail).hint(hint)
            })?;
            output.line(file.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
