//! Event logs as the service itself reads them, beside the raw copies: with the records that it has not written to the
//! file yet, and without slack. The copies are made on the medium of the bundle and vanish when it is done.

use super::sys;
use crate::source::tree::{self, Child, Folder, Store};
use crate::source::{OpenedVolume, Volume, VolumeKind};
use evidence::{Bytes, Method, Problem, ProblemKind, Stage};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The channels that the technique needs. Names of files have `%4` for the slash, as Windows has it.
const CHANNELS: [&str; 12] = [
    "Security",
    "System",
    "Application",
    "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-TaskScheduler/Operational",
    "Microsoft-Windows-PowerShell/Operational",
    "Windows PowerShell",
    "Microsoft-Windows-WMI-Activity/Operational",
    "Microsoft-Windows-Windows Defender/Operational",
    "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",
    "Microsoft-Windows-DNS-Client/Operational",
    "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
];

/// Asks for every channel; a volume of the copies, where there are any.
pub(super) fn take(destination: &Path, problems: &mut Vec<Problem>) -> Option<OpenedVolume> {
    // The folder of a case need not be there yet, but one above it is.
    let absolute = std::path::absolute(destination).ok()?;
    let beside = absolute.ancestors().find(|folder| folder.is_dir())?;
    let folder = match tempfile::Builder::new().prefix(".comtrail-logs-").tempdir_in(beside) {
        Ok(folder) => folder,
        Err(error) => {
            let what = format!("no folder for copies of the event logs could be made: {error}");
            problems.push(problem(ProblemKind::ReadFailed, what));
            return None;
        }
    };
    let (mut copied, mut refused) = (0, Vec::new());
    for channel in CHANNELS {
        let file = folder.path().join(format!("{}.evtx", channel.replace('/', "%4")));
        let answer = sys::export_log(channel, &file.to_string_lossy());
        // Some systems answer success and write nothing, so the file is believed and not the answer.
        let is_there = std::fs::metadata(&file).is_ok_and(|facts| facts.len() > 0);
        match answer {
            Ok(()) if is_there => copied += 1,
            Ok(()) => refused.push(format!("{channel}: nothing was written")),
            Err(error) => refused.push(format!("{channel}: {error}")),
        }
    }
    if !refused.is_empty() {
        let what = format!("the event log service copied {copied} channels and not: {}", refused.join("; "));
        problems.push(problem(ProblemKind::ReadFailed, what));
    }
    let volume = Volume::new(super::SERVICE, VolumeKind::Live);
    let tree = tree::of_volume(Exported { files: Folder::new(folder.path()), _folder: folder });
    (copied > 0).then_some((volume, Some(tree)))
}

fn problem(kind: ProblemKind, what: String) -> Problem {
    let effect = "records that the service had not written to the file yet are missing; the raw copies are collected";
    Problem::new(Stage::Source, kind, "event log service", what, effect)
}

/// The copies; the folder is removed when they are no longer needed.
struct Exported {
    files: Folder,
    _folder: tempfile::TempDir,
}

impl Store for Exported {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Live
    }

    fn method(&self) -> Method {
        Method::SystemCall
    }

    fn each(&self, folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        self.files.each(folder, take)
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        self.files.open(file)
    }
}
