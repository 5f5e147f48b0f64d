//! `comtrail recover`: a bundle of what an unfinished collection left.

use crate::Outcome;
use crate::args::Common;
use crate::collect::{self, Shown};
use crate::progress::{Progress, Style};
use crate::say;
use anyhow::Context;
use collector::RecoverRequest;
use std::io::Write;
use std::path::Path;

/// Recovers into a new bundle.
pub(crate) fn recover(partial: &Path, output: &Path, common: &Common, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let shown = Shown::new(Progress::new(Style::choose(common.quiet, common.json)));
    let recovered = collector::recover(&RecoverRequest {
        partial,
        destination: output,
        artifacts: artifacts::ALL,
        tool: &collect::this_program(),
        now: &collect::now,
        threads: collect::threads(common),
        observer: &shown,
    });
    shown.progress.finish();
    let recovered = recovered.with_context(|| format!("cannot recover {}", collector::shown(partial)))?;
    say::recovered(&recovered, common, out)
}
