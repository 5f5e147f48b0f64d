//! What the tools and the CLR do of themselves, whatever the assembly: no effect of a method. The tables are data of the rules.

use crate::paths::PathKey;
use evidence::name::{folded, is_like};
use serde::Deserialize;
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;

/// The tables of what the tools and the CLR do of themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnActs {
    child: Vec<Children>,
    connection: Connections,
}

/// Programs that the tools, the CLR or Windows start for a process of a tool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Children {
    /// File names.
    names: Vec<Spanned<String>>,
    /// The folders in which they are what they are called, without the volume; `*` stands for one folder or a part of its name.
    folders: Vec<Spanned<String>>,
}

/// The checks of certificates: lists of revoked ones and questions about one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Connections {
    /// Port to which they go.
    port: u64,
    /// Names of the authorities' hosts.
    hosts: Vec<Spanned<String>>,
    /// Names of networks that serve the authorities' hosts and those of others.
    shared: Vec<Spanned<String>>,
}

/// Who made something that a process of the tool did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// The tool, the CLR or Windows.
    Itself,
    /// Code that is none of these.
    Other,
    /// What is recorded does not tell, and why.
    NotKnown(&'static str),
}

impl OwnActs {
    /// What is wrong in the tables, and where: a list that is empty, a program with a path for its name, a folder that is not
    /// named from its root, a name of hosts that would fit any.
    pub(crate) fn wrong(&self) -> Option<(Option<Range<usize>>, String)> {
        let mut lists = vec![&self.connection.hosts, &self.connection.shared];
        lists.extend(self.child.iter().flat_map(|child| [&child.names, &child.folders]));
        if self.child.is_empty() || lists.iter().any(|list| list.is_empty()) {
            return Some((None, "a list of what the tool does itself is empty".to_owned()));
        }
        let odd = |list: &[Spanned<String>], is_odd: &dyn Fn(&str) -> bool, what: &str| {
            let found = list.iter().find(|one| is_odd(one.get_ref()))?;
            Some((Some(found.span()), format!("{} {what}", found.get_ref())))
        };
        let is_fixed = |label: &&str| !label.is_empty() && !label.contains(['*', '?']);
        let any_host = |host: &str| host.rsplit('.').take(2).filter(is_fixed).count() < 2;
        self.child
            .iter()
            .find_map(|child| {
                odd(&child.names, &|name| name.is_empty() || name.contains(['\\', '*', '?']), "is no name of a program")
                    .or_else(|| odd(&child.folders, &|folder| !folder.starts_with('\\'), "is no folder from a root on"))
            })
            .or_else(|| {
                let connection = &self.connection;
                let hosts = connection.hosts.iter().chain(&connection.shared).cloned().collect::<Vec<_>>();
                odd(&hosts, &any_host, "would fit any host")
            })
    }

    /// Who started a program; `tool` is the image of the process, by which the volume of Windows is known.
    pub(super) fn of_child(&self, image: &str, tool: &PathKey) -> Maker {
        let key = PathKey::new(image);
        let mut parts: Vec<&str> = key.rest.split('\\').filter(|part| !part.is_empty()).collect();
        let Some(name) = parts.pop() else { return Maker::NotKnown("no record names the program") };
        let named: Vec<_> =
            self.child.iter().filter(|child| child.names.iter().any(|own| folded(own.get_ref()) == name)).collect();
        if named.is_empty() {
            return Maker::Other;
        }
        if parts.is_empty() && key.volume.is_empty() {
            return Maker::NotKnown("the record has the name of the program and not its folder");
        }
        let fits = |folder: &Spanned<String>| {
            let own: Vec<&str> = folder.get_ref().split('\\').filter(|part| !part.is_empty()).collect();
            own.len() == parts.len() && own.iter().zip(&parts).all(|(own, part)| is_like(own, part))
        };
        if key.volume.starts_with(r"\\") || !named.iter().any(|child| child.folders.iter().any(fits)) {
            return Maker::Other;
        }
        // The folders count on the volume of Windows only, which the tool's own folder tells.
        let beside = PathKey { volume: tool.volume.clone(), rest: key.rest.clone() };
        let is_letter = key.volume.ends_with(':');
        match (super::in_framework(tool), is_letter) {
            (true, _) if !key.same_file(&beside) => Maker::Other,
            (false, true) if key.volume != "C:" => {
                Maker::NotKnown("whether the program lies on the volume of Windows is not recorded")
            }
            _ => Maker::Itself,
        }
    }

    /// Who opened a connection to a host of this name, if one is recorded, and this port.
    pub(super) fn of_connection(&self, name: Option<&str>, port: Option<u64>) -> Maker {
        let own = &self.connection;
        if port.is_some_and(|port| port != own.port) {
            return Maker::Other;
        }
        // An address in the place of a name is none.
        let is_name = |name: &&str| !name.is_empty() && name.parse::<IpAddr>().is_err();
        let Some(name) = name.map(|name| name.trim().trim_end_matches('.')).filter(is_name) else {
            return Maker::NotKnown("the host is not named, and the CLR checks certificates at some hosts in this way");
        };
        let is_among = |hosts: &[Spanned<String>]| hosts.iter().any(|host| is_like(host.get_ref(), name));
        if is_among(&own.hosts) {
            match port {
                Some(_) => Maker::Itself,
                None => Maker::NotKnown("the host answers checks of certificates, and the port is not recorded"),
            }
        } else if is_among(&own.shared) {
            Maker::NotKnown("the CLR checks certificates at hosts that this network serves, and it serves others too")
        } else {
            Maker::Other
        }
    }
}
