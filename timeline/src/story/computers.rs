//! Which computers the records are of. Logs of another computer come onto a host as forwarded events, as copies and with a
//! second Windows on the disk; no file, prefetch file or time zone of this host is evidence of what ran there.

use crate::declared::Declared;
use evidence::{Answer, Filetime, ItemId, Items};
use std::collections::{BTreeMap, BTreeSet};

/// Logs and names in one log that are told apart; of a log with more names it is certain that it is of several computers.
const MOST_LOGS: usize = 4096;
const MOST_NAMES: usize = 64;
/// Characters of a NetBIOS name, which is what the registry has.
const NETBIOS: usize = 15;

/// The computers that records name, by log.
#[derive(Default)]
pub(super) struct Computers {
    logs: BTreeMap<ItemId, BTreeMap<String, Option<(Filetime, Filetime)>>>,
    /// What the host called itself while it was collected from.
    live: BTreeSet<String>,
    /// The names as a record spells them, by how they are compared.
    spelled: BTreeMap<String, String>,
}

/// The names that this host had.
pub(super) struct Own(BTreeSet<String>);

/// The names in the records of the host's own logs.
pub(super) struct Named {
    /// Those that are of this host.
    pub(super) this: Vec<String>,
    /// Those of other computers.
    pub(super) others: Vec<String>,
}

/// A name as it is compared: its first label, as far as NetBIOS keeps it.
fn label(computer: &str) -> String {
    computer.split('.').next().unwrap_or_default().chars().take(NETBIOS).flat_map(char::to_lowercase).collect()
}

impl Computers {
    /// Takes a record of a log.
    pub(super) fn see(&mut self, log: ItemId, computer: &str, at: Option<Filetime>) {
        if computer.is_empty() || self.logs.len() >= MOST_LOGS && !self.logs.contains_key(&log) {
            return;
        }
        let names = self.logs.entry(log).or_default();
        let name = label(computer);
        if names.len() >= MOST_NAMES && !names.contains_key(&name) {
            return;
        }
        if !self.spelled.contains_key(&name) && self.spelled.len() < MOST_LOGS {
            self.spelled.insert(name.clone(), computer.to_owned());
        }
        let reach = names.entry(name).or_default();
        if let Some(at) = at {
            let (first, last) = reach.unwrap_or((at, at));
            *reach = Some((first.min(at), last.max(at)));
        }
    }

    /// Takes the name by which a live host calls itself: what it tells is its own, whatever its hives say.
    pub(super) fn is_this(&mut self, computer: &str) {
        if self.live.len() < MOST_NAMES {
            self.live.insert(label(computer));
        }
    }

    /// What the records of the host's own logs say of its name.
    pub(super) fn named(&self, own: &Own, items: &dyn Items, declared: Declared) -> Named {
        let is_forwarded =
            |log: &ItemId| items.by_id(*log).is_some_and(|log| declared.is_forwarded(&log.original_path));
        let own_logs = self.logs.iter().filter(|(log, _)| !is_forwarded(log));
        // The one that was seen last comes last.
        let mut seen: BTreeMap<&String, Option<Filetime>> = BTreeMap::new();
        for (name, reach) in own_logs.flat_map(|(_, names)| names) {
            let last = seen.entry(name).or_default();
            *last = (*last).max(reach.map(|(_, last)| last));
        }
        let mut names: Vec<(Option<Filetime>, &String)> = seen.into_iter().map(|(name, last)| (last, name)).collect();
        names.sort();
        let (this, others): (Vec<&String>, Vec<&String>) =
            names.into_iter().map(|(_, name)| name).partition(|name| own.0.contains(*name));
        let spelled =
            |names: Vec<&String>| names.into_iter().filter_map(|name| self.spelled.get(name).cloned()).collect();
        Named { this: spelled(this), others: spelled(others) }
    }

    /// The names of this host. A log that one computer wrote has its names one after the other, where it was renamed;
    /// one into which others forward has them mixed, and the log that Windows has for that says nothing of this host.
    pub(super) fn own(&self, host: Option<&str>, items: &dyn Items, declared: Declared) -> Own {
        let is_forwarded =
            |log: &ItemId| items.by_id(*log).is_some_and(|log| declared.is_forwarded(&log.original_path));
        let mut groups: Vec<BTreeSet<String>> = Vec::new();
        for (_, names) in self.logs.iter().filter(|(log, _)| !is_forwarded(log)) {
            let mut reaches: Vec<_> = names.values().copied().collect();
            reaches.sort();
            let is_one = names.len() < MOST_NAMES
                && reaches.windows(2).all(|pair| match pair {
                    [Some((_, before)), Some((after, _))] => before <= after,
                    _ => false,
                });
            let new: Vec<BTreeSet<String>> = match is_one {
                true => vec![names.keys().cloned().collect()],
                false => names.keys().map(|name| BTreeSet::from([name.clone()])).collect(),
            };
            for mut new in new {
                let (same, others): (Vec<_>, Vec<_>) =
                    groups.into_iter().partition(|group: &BTreeSet<String>| !group.is_disjoint(&new));
                groups = others;
                new.extend(same.into_iter().flatten());
                groups.push(new);
            }
        }
        let known: BTreeSet<String> =
            host.map(label).filter(|name| !name.is_empty()).into_iter().chain(self.live.iter().cloned()).collect();
        match (known.is_empty(), groups.len()) {
            (false, _) => {
                let own = groups.into_iter().filter(|group| !group.is_disjoint(&known)).flatten();
                Own(own.chain(known.iter().cloned()).collect())
            }
            (true, 1) => Own(groups.remove(0)),
            // Which of several computers this host is, nothing says.
            (true, _) => Own(BTreeSet::new()),
        }
    }
}

impl Own {
    /// The names, without a domain.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a record that names this computer is of another one, as far as is known.
    pub(super) fn is_other(&self, computer: &str) -> bool {
        !computer.is_empty() && !self.0.contains(&label(computer))
    }

    /// The same as an answer: where nothing says which of several computers this host is, it is not known.
    pub(super) fn is_another(&self, computer: &str) -> Answer {
        match (computer.is_empty() || self.0.is_empty(), self.is_other(computer)) {
            (true, _) => Answer::Unknown,
            (false, true) => Answer::Yes,
            (false, false) => Answer::No,
        }
    }

    /// What the report says beside a run on another computer.
    pub(super) fn warning(&self, computer: &str, host: Option<&str>) -> String {
        let this = match host {
            Some(host) => format!("this host is called {host}"),
            None => "which of several computers this host is, is not known".to_owned(),
        };
        format!(
            "other_computer: the record names the computer {computer}, and {this}; no file, prefetch file or time zone of \
             this host is taken as evidence of that run"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(host: Option<&str>, records: &[(u32, &str, u64)]) -> impl Fn(&str) -> bool {
        let mut computers = Computers::default();
        for (log, computer, at) in records {
            computers.see(ItemId(*log), computer, Some(Filetime(*at)));
        }
        let forwarded = crate::testing::item(9, r"C:\Windows\System32\winevt\Logs\ForwardedEvents.evtx");
        let own = computers.own(host, &vec![forwarded], Declared::new(artifacts::ALL));
        move |computer| own.is_other(computer)
    }

    #[test]
    fn a_host_that_was_renamed_is_one_and_forwarded_events_are_of_others() {
        let other =
            own(Some("NEW-1"), &[(1, "OLD-1.corp.example", 10), (1, "old-1", 20), (1, "New-1.corp.example", 30)]);
        assert!(!other("OLD-1") && !other("NEW-1.elsewhere") && !other("") && other("PC-9"));
        let other = own(Some("WEC"), &[(1, "WEC", 10), (1, "PC-9", 20), (1, "WEC", 30), (2, "WEC", 5)]);
        assert!(other("PC-9") && !other("wec.corp.example"));
        // One after the other in the log for what is forwarded is no renaming.
        assert!(own(Some("WEC"), &[(9, "WEC", 10), (9, "PC-9", 20)])("PC-9"));
        assert!(own(None, &[(9, "PC-9", 20)])("PC-9"));
        // NetBIOS keeps fifteen characters.
        assert!(!own(Some("ACCOUNTING-FRON"), &[])("accounting-front-7.corp.example"));
    }

    #[test]
    fn without_the_hosts_own_name_one_computer_is_it_and_of_several_none() {
        assert!(!own(None, &[(1, "PC-9", 1), (2, "PC-9", 1)])("PC-9"));
        let other = own(None, &[(1, "PC-9", 1), (2, "PC-8", 1)]);
        assert!(other("PC-9") && other("PC-8"));
        assert!(own(Some("HOST"), &[(1, "PC-9", 1)])("PC-9"));
    }
}
