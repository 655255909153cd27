//! Everything that goes to stdout: data, in the form that was asked for. Nothing else prints there.
//!
//! Objects are kept as the text they serialise to, so that the order of fields, numbers and untouched JSON stay as the
//! server sent them. A table row is always one line; without a terminal there is no colour.

use crate::error::CliError;
use crate::report;
use crate::view::View;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

mod raw;
mod table;
pub(crate) use raw::pick;

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Columns for people; not a contract.
    #[default]
    Table,
    /// One JSON object; of lists {"items":[…],"next":…}.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// How this command prints.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The form.
    pub(crate) form: Form,
    /// Only these fields, in this order.
    pub(crate) fields: Option<Vec<String>>,
    /// Only ids, and no notes.
    pub(crate) quiet: bool,
    /// Bold and indented.
    pub(crate) styled: bool,
}

impl Output {
    /// Output in this form; style only on a terminal that wants it.
    pub(crate) fn new(
        form: Form,
        fields: Option<Vec<String>>,
        quiet: bool,
        no_color: bool,
    ) -> Self {
        Output {
            form,
            fields,
            quiet,
            styled: !no_color && report::wants_colour() && io::stdout().is_terminal(),
        }
    }

    /// Prints one object: in a table as lines of `field  value`.
    pub(crate) fn object<T: Serialize>(&self, view: &View, object: &T) -> Result<(), CliError> {
        let text = serialised(object)?;
        self.check_fields(view)?;
        if self.quiet {
            return self.line(&id_of(view, &text));
        }
        match (self.form, &self.fields) {
            (Form::Table, Some(_)) => self.rows(view, &[text], &mut vec![], true),
            (Form::Table, None) => self.write(&table::details(view, &text)),
            (Form::Json, _) => self.json(&self.chosen(&text)),
            (Form::Jsonl, _) => self.line(&self.chosen(&text)),
        }
    }

    /// Prints one object after an act on it: in a table as a row.
    pub(crate) fn row<T: Serialize>(&self, view: &View, object: &T) -> Result<(), CliError> {
        if self.form == Form::Table && !self.quiet {
            self.check_fields(view)?;
            return self.rows(view, &[serialised(object)?], &mut vec![], true);
        }
        self.object(view, object)
    }

    /// Prints a list that is at hand.
    pub(crate) fn list<T: Serialize>(
        &self,
        view: &View,
        items: &[T],
        next: Option<&str>,
    ) -> Result<(), CliError> {
        let mut listing = self.listing(view)?;
        listing.push(items)?;
        listing.finish(next)
    }

    /// Starts a list whose items come one after the other.
    pub(crate) fn listing<'a>(&'a self, view: &'a View) -> Result<Listing<'a>, CliError> {
        self.check_fields(view)?;
        Ok(Listing {
            output: self,
            view,
            started: false,
            widths: vec![],
            kept: vec![],
        })
    }

    /// Prints a line as it is.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        self.write(&format!("{text}\n"))
    }

    /// Prints JSON text: indented on a terminal, on one line elsewhere.
    pub(crate) fn json(&self, text: &str) -> Result<(), CliError> {
        if self.styled {
            self.line(&raw::indented(text))
        } else {
            self.line(text)
        }
    }

    /// Prints text as it is. A reader that went away is no error.
    pub(crate) fn write(&self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let result = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::silent(),
            _ => CliError::new("output_failed", format!("cannot write to stdout: {error}")),
        })
    }

    /// Says something that is not data, unless it should be quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            report::note(text);
        }
    }

    fn rows(
        &self,
        view: &View,
        items: &[String],
        widths: &mut Vec<u16>,
        header: bool,
    ) -> Result<(), CliError> {
        let columns = table::columns(view, self.fields.as_deref());
        self.write(&table::rows(&columns, items, widths, header, self.styled))
    }

    /// The object, or the fields of it that were asked for.
    fn chosen(&self, text: &str) -> String {
        match &self.fields {
            None => text.to_owned(),
            Some(fields) => raw::project(text, fields),
        }
    }

    /// A field that does not exist is told before anything is printed.
    pub(crate) fn check_fields(&self, view: &View) -> Result<(), CliError> {
        for field in self.fields.iter().flatten() {
            let first = field.split('.').next().unwrap_or_default();
            if !view.fields.contains(&first) {
                let instead = crate::config::keys::instead(first, view.fields);
                let detail = format!("--fields: a {} has no \"{first}\"; {instead}", view.noun);
                return Err(CliError::new("usage", detail));
            }
        }
        Ok(())
    }
}

/// A list that is being printed.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    output: &'a Output,
    view: &'a View,
    started: bool,
    widths: Vec<u16>,
    kept: Vec<String>,
}

impl Listing<'_> {
    /// Prints some more items, or keeps them for the one object at the end.
    pub(crate) fn push<T: Serialize>(&mut self, items: &[T]) -> Result<(), CliError> {
        let texts = items
            .iter()
            .map(serialised)
            .collect::<Result<Vec<String>, _>>()?;
        let Output { form, quiet, .. } = *self.output;
        if quiet {
            let ids = texts.iter().map(|text| id_of(self.view, text) + "\n");
            return self.output.write(&ids.collect::<String>());
        }
        match form {
            Form::Table => {
                if texts.is_empty() {
                    return Ok(());
                }
                let header = !std::mem::replace(&mut self.started, true);
                self.output
                    .rows(self.view, &texts, &mut self.widths, header)
            }
            Form::Json => {
                self.kept
                    .extend(texts.iter().map(|text| self.output.chosen(text)));
                Ok(())
            }
            Form::Jsonl => {
                let lines = texts.iter().map(|text| self.output.chosen(text) + "\n");
                self.output.write(&lines.collect::<String>())
            }
        }
    }

    /// Ends the list; `next` is where the next page starts.
    pub(crate) fn finish(self, next: Option<&str>) -> Result<(), CliError> {
        if self.output.form == Form::Json && !self.output.quiet {
            let next = serialised(&next)?;
            let items = self.kept.join(",");
            return self
                .output
                .json(&format!("{{\"items\":[{items}],\"next\":{next}}}"));
        }
        if !self.started && self.output.form == Form::Table {
            self.output.note(&format!("no {}s", self.view.noun));
        }
        if let Some(next) = next {
            self.output
                .note(&format!("there is more: --cursor {next}, or --all"));
        }
        Ok(())
    }
}

fn id_of(view: &View, text: &str) -> String {
    pick(text, view.id).map_or_else(String::new, |id| table::cell(&id))
}

/// An object as JSON text on one line, untouched JSON within it, too.
pub(crate) fn serialised<T: Serialize + ?Sized>(object: &T) -> Result<String, CliError> {
    let text = serde_json::to_string(object);
    text.map(|text| raw::minified(&text))
        .map_err(|e| CliError::new("internal", format!("cannot write JSON: {e}")))
}
