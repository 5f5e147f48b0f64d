//! The hosts of a source: what each is called, which folder it gets, and which of them are meant.

use crate::args::{CollectLimits, Common, WhichHost};
use crate::collect::{self, Opened};
use collector::source::Source;
use collector::{Located, first_located};
use evidence::{Bytes, Input, Role, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names that stand beside the hosts' folders.
const TAKEN: [&str; 2] = ["index.html", "index.json"];

/// One host, and the folder that it gets where there are several.
pub(crate) struct Host {
    pub(crate) opened: Opened,
    pub(crate) folder: String,
}

/// Opens the source; gives its hosts, or the one that is asked for.
pub(crate) fn open(
    source: &Path,
    destination: &Path,
    which: &WhichHost,
    limits: &CollectLimits,
    common: &Common,
) -> anyhow::Result<Vec<Host>> {
    let opened = collect::open(source, destination, limits, common)?;
    let names: Vec<(&str, bool)> = opened.iter().map(|one| (one.name.as_str(), one.is_older())).collect();
    let folders = folders(&names);
    let mut hosts: Vec<Host> =
        opened.into_iter().zip(folders).map(|(opened, folder)| Host { opened, folder }).collect();
    if let Some(wanted) = &which.host {
        let of = |host: &Host| host.folder.eq_ignore_ascii_case(wanted);
        anyhow::ensure!(
            hosts.iter().any(of),
            "{} holds no host `{wanted}`; give --host one of these names: {}",
            collector::shown(source),
            listed(&hosts)
        );
        hosts.retain(of);
    }
    Ok(hosts)
}

/// The names that `--host` takes.
pub(crate) fn listed(hosts: &[Host]) -> String {
    hosts.iter().map(|host| host.folder.as_str()).collect::<Vec<_>>().join(", ")
}

/// A folder name for each host, by name and whether a newer installation replaced it. No two are equal, also where case
/// does not count.
pub(crate) fn folders(hosts: &[(&str, bool)]) -> Vec<String> {
    let mut taken: BTreeSet<String> = TAKEN.map(str::to_owned).into();
    let mut one = |name: &str, is_older: bool| {
        let name = collector::encoded_name(name);
        let wanted = if is_older { format!("{name}-windows-old") } else { name };
        let mut folder = wanted.clone();
        for number in 2u32.. {
            if taken.insert(folder.to_ascii_lowercase()) {
                break;
            }
            folder = format!("{wanted}-{number}");
        }
        folder
    };
    // A host that stands first keeps its plain name, also where an older one was found before it.
    let mut folders = vec![String::new(); hosts.len()];
    for older in [false, true] {
        for (index, (name, _)) in hosts.iter().enumerate().filter(|(_, (_, is_older))| *is_older == older) {
            folders[index] = one(name, older);
        }
    }
    folders
}

/// The beginning of a file.
struct Head<'a> {
    whole: &'a dyn Bytes,
    length: u64,
}

impl Bytes for Head<'_> {
    fn len(&self) -> u64 {
        self.whole.len().min(self.length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        self.whole.read_at(offset, &mut buffer[..wanted])
    }
}

/// The computer that most records at the beginnings of the logs name. Problems of this reading are not lost: the
/// analysis reads the logs again.
pub(crate) fn named_by_records(source: &Source) -> Option<String> {
    /// Logs that are looked into, and how far: the header and the first two chunks.
    const MOST_LOGS: usize = 16;
    const LENGTH: u64 = 4096 + 2 * 65_536;
    let artifact = artifacts::ALL.iter().find(|artifact| artifact.records.iter().any(|of| of.is_event()))?;
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    // What other computers forwarded does not name this one.
    let channels = artifact.records.iter().flat_map(|of| of.channels);
    let forwarded = |path: &str| channels.clone().any(|channel| channel.is_forwarded && channel.is_file(path));
    let is_own = |one: &Located| !one.found.is_folder && !forwarded(&one.found.path);
    let located = artifact.reads.iter().flat_map(|location| first_located(source, location, MOST_LOGS, &is_own).0);
    for one in located.take(MOST_LOGS) {
        let Some(tree) = source.volumes.get(one.volume).and_then(|(_, tree)| tree.as_deref()) else { continue };
        let Ok(content) = tree.open(&one.found) else { continue };
        let head = Head { whole: &*content, length: LENGTH };
        artifact.parse_alone(&Input::new(&one.found.path, &head), &mut |record| {
            if let Some(computer) =
                record.role(Role::Computer).and_then(Told::text).filter(|computer| !computer.is_empty())
            {
                *votes.entry(computer.to_owned()).or_default() += 1;
            }
        });
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(computer, _)| computer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_gets_its_own_folder() {
        let names = [
            ("WS-1", true),
            ("WS-1", false),
            ("ws-1", false),
            ("WS-1-2", false),
            ("WS-1", true),
            ("..", false),
            ("a/b\u{fc}", false),
            ("INDEX.HTML", false),
            ("", false),
        ];
        assert_eq!(
            folders(&names),
            [
                "WS-1-windows-old",
                "WS-1",
                "ws-1-2",
                "WS-1-2-2",
                "WS-1-windows-old-2",
                ".=2E",
                "a=2Fb=C3=BC",
                "INDEX.HTML-2",
                "=~",
            ]
        );
    }

    #[test]
    fn only_the_beginning_is_read() {
        let bytes: Vec<u8> = (0..100).collect();
        let head = Head { whole: &bytes, length: 10 };
        assert_eq!(head.read_all(1000).unwrap(), Some((0..10).collect()));
        assert_eq!(head.read_at(20, &mut [0; 4]).unwrap(), 0);
    }
}
