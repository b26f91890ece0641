//! Options of the views that change while one looks.

use clap::Args;

use super::{JsonArgs, ZoneArgs};

/// Options of `live`.
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// What to watch: field:value terms and words, as `type:delivery.* to:*@gmail.com`; all events
    /// without it
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,

    /// Begin with what happened since this time: 15m (ago), 2026-11-22T13:00; as far as the spool
    /// still has it
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,

    /// Show the log line beneath each event
    #[arg(long)]
    pub(crate) raw: bool,

    #[command(flatten)]
    pub(crate) form: WatchArgs,
}

/// Options of `top`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) form: WatchArgs,
}

/// How that is shown which changes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WatchArgs {
    /// Print lines, also on a terminal
    #[arg(long)]
    pub(crate) plain: bool,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}
