//! Flags of `warrener workflow …`.

use clap::{Args, Subcommand};

/// Check and draw workflow files
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say every mistake of workflow files, each with its line and column
    ///
    /// Exit code 6 if there is one. Nothing is sent anywhere.
    ///
    /// Examples:
    ///   warrener workflow validate feature.yaml
    ///   warrener workflow validate flows/*.yaml -o json
    #[command(verbatim_doc_comment)]
    Validate(Files),
    /// Draw a workflow file: Mermaid unless said, or Graphviz (-o dot), or its steps and stages as JSON (-o json)
    ///
    /// Examples:
    ///   warrener workflow graph feature.yaml
    ///   warrener workflow graph feature.yaml -o dot | dot -Tsvg > feature.svg
    #[command(verbatim_doc_comment)]
    Graph(File),
    /// Print the JSON Schema of workflow files, for editors
    ///
    /// Example:
    ///   warrener workflow schema > workflow.schema.json
    #[command(verbatim_doc_comment)]
    Schema,
}

/// Some files
#[derive(Args, Clone, Debug)]
pub(crate) struct Files {
    /// The files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
}

/// One file
#[derive(Args, Clone, Debug)]
pub(crate) struct File {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
}
