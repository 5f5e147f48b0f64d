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
    let mut left = output.as_os_str().to_owned();
    left.push(".partial");
    let left = Path::new(&left);
    let failed = || {
        let (from, is_there) = (collector::shown(partial), left != partial && left.symlink_metadata().is_ok());
        match is_there {
            true => format!(
                "cannot recover {from}, which is as it was. {} is there and is never overwritten; before you run this \
                 again, remove it or give another name",
                collector::shown(left)
            ),
            false => format!("cannot recover {from}"),
        }
    };
    if output.symlink_metadata().is_ok() {
        return Err(collector::Error::DestinationExists { path: output.to_owned() }.into());
    }
    anyhow::ensure!(left == partial || left.symlink_metadata().is_err(), failed());
    let shown = Shown::new(Progress::new(Style::choose(common.quiet, common.json)));
    let recovered = collector::recover(&RecoverRequest {
        partial,
        destination: output,
        artifacts: artifacts::ALL,
        tool: &collect::this_program(),
        now: &collect::now,
        threads: common.worker_threads(),
        observer: &shown,
    });
    shown.progress.finish();
    let recovered = recovered.with_context(failed)?;
    say::recovered(&recovered, common, out)
}
