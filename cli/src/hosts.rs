//! The hosts of a source: what each is called, which folder it gets, and which of them are meant.

use crate::args::{CollectLimits, Common, WhichHost};
use crate::collect::{self, Opened};
use std::collections::BTreeSet;
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
}
