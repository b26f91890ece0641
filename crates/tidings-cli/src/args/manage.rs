//! Options of the verbs that speak the management API.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{JsonArgs, number};

/// Options of `describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The object, as Tracer; all of them without it
    #[arg(value_name = "OBJECT")]
    pub(crate) object: Option<String>,
}

/// Which properties are shown.
#[derive(Debug, Args)]
pub(crate) struct FieldsArgs {
    /// Show these properties only
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) fields: Option<Vec<String>>,
}

/// Options of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The kind of object, as Tracer
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,

    /// Its id; not for objects of which there is one, as Metrics
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,

    #[command(flatten)]
    pub(crate) fields: FieldsArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The kind of object, as Tracer or Message
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,

    /// Only those for which this holds, as name=main or timestamp>=2026-11-22T00:00:00Z; may be repeated,
    /// all must hold
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) conditions: Vec<String>,

    /// Only those that pass this filter of the management API, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "conditions")]
    pub(crate) filter: Option<String>,

    /// In the order of this property; with :desc the largest first
    #[arg(long, value_name = "NAME[:desc]")]
    pub(crate) sort: Option<String>,

    /// Show at most this many; 0 is all [default: 50, with --json all]
    #[arg(short = 'n', long, value_name = "N", value_parser = number)]
    pub(crate) limit: Option<u64>,

    #[command(flatten)]
    pub(crate) fields: FieldsArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// What an object is to be.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// A property and its value, as name=main, keep=90d, events=auth.failed,delivery.* or
    /// httpHeaders/X-Tenant=mail; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub(crate) fields: Vec<String>,

    /// All of it as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "file")]
    pub(crate) value: Option<String>,

    /// All of it from a JSON file; - is the standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
}

/// Options of `create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The kind of object, with its variant where it has several: Tracer/Log
    #[arg(value_name = "OBJECT[/VARIANT]")]
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The kind of object, as Tracer
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,

    /// Its id; not for objects of which there is one, as Metrics
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The kind of object, as Tracer
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,

    /// The ids of those that are to go
    #[arg(
        long,
        value_name = "IDS",
        value_delimiter = ',',
        required = true,
        num_args = 1..
    )]
    pub(crate) ids: Vec<String>,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The plan, a JSON object a line; - is the standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Change nothing, and say what would be
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Go on with the others where an object is refused
    #[arg(long)]
    pub(crate) continue_on_error: bool,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// The kinds of objects, as Tracer and Metrics
    #[arg(value_name = "OBJECTS", required = true)]
    pub(crate) objects: Vec<String>,
}
