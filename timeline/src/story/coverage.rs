//! How far each source reaches, so that a missing record is read for what it is.

use super::source::{Places, Source};
use crate::declared::Declared;
use crate::event::{Event, Glance};
use crate::host::Host;
use evidence::{
    Artifact, Citation, Clearing, Coverage, CoverageState, Filetime, ItemId, Items, Reads, Role, Tells, Told,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Reach {
    /// Whether the artifact is one that tells of the tools.
    is_declared: bool,
    records: u64,
    first: Option<Filetime>,
    last: Option<Filetime>,
    items: BTreeSet<ItemId>,
}

#[derive(Clone)]
struct Channel {
    name: String,
    item: ItemId,
    records: u64,
    first: Option<Filetime>,
    last: Option<Filetime>,
    gaps: Vec<String>,
    /// Whether the log is of a format that is not read.
    is_unread: bool,
}

impl Channel {
    /// What a record means that is missing from it.
    fn meaning(&self) -> String {
        match (self.records, self.first, self.last) {
            (0, ..) if self.is_unread => {
                "the log is there, in the format before Windows Vista, which is not read: a missing record means nothing"
                    .to_owned()
            }
            (0, ..) if !self.gaps.is_empty() => {
                "no record of the log could be read: nothing can be concluded from a missing record".to_owned()
            }
            (0, ..) => "the log is empty: nothing can be concluded from a missing record".to_owned(),
            (_, Some(first), Some(last)) if first == last => format!(
                "all that it holds is of {}: a missing record means nothing at any other time, and something then \
                 only if the provider recorded such events",
                first.in_words()
            ),
            (_, Some(first), Some(last)) => format!(
                "a missing record means something only from {} to {}, and only if the provider recorded such events then",
                first.in_words(),
                last.in_words()
            ),
            _ => "its times are not known, so a missing record means nothing".to_owned(),
        }
    }
}

/// Empty logs that have a row of their own.
const MOST_EMPTY: u64 = 1_000;
/// Other logs that have one.
const MOST_OTHERS: u64 = 10_000;

/// Takes so many and counts the rest.
#[derive(Default)]
struct Counted {
    taken: u64,
    more: u64,
}

impl Counted {
    fn take(&mut self, most: u64) -> bool {
        let is_taken = self.taken < most;
        *(if is_taken { &mut self.taken } else { &mut self.more }) += 1;
        is_taken
    }
}

/// A record that says that a log was cleared, and where it stands.
pub(super) struct Cleared {
    pub(super) at: Option<Filetime>,
    pub(super) by: Option<String>,
    pub(super) sources: Vec<Source>,
}

/// What such records say: every place, and each clearing once.
#[derive(Default)]
struct Said {
    cleared: Vec<Citation>,
    clearings: Vec<Clearing>,
}

impl Said {
    fn new<'a>(records: impl Iterator<Item = &'a Cleared>, places: &Places) -> Self {
        let mut said = Said::default();
        for record in records {
            let places: Vec<Citation> = record.sources.iter().map(|source| places.plain(source)).collect();
            let first = places.first().cloned();
            said.clearings.extend(first.map(|citation| Clearing { at: record.at, by: record.by.clone(), citation }));
            said.cleared.extend(places);
        }
        said
    }
}

/// What was seen of every source.
#[derive(Default)]
pub(super) struct Seen {
    declared: Declared,
    /// Artifacts that the collection looked for, where it says so.
    searched: Option<BTreeSet<String>>,
    channels: Vec<Channel>,
    empty: Counted,
    others: Counted,
    artifacts: BTreeMap<&'static str, Reach>,
    cleared: BTreeMap<String, Vec<Cleared>>,
    /// Where the registry keeps logs that are not in their usual place, by name.
    moved: BTreeMap<String, BTreeSet<String>>,
}

impl Seen {
    pub(super) fn new(declared: Declared) -> Self {
        Seen { declared, ..Seen::default() }
    }

    /// Forgets every event.
    pub(super) fn begin_again(&mut self) {
        let searched = self.searched.take();
        *self = Seen::new(self.declared);
        self.searched(searched);
    }

    /// Takes which artifacts the collection looked for.
    pub(super) fn searched(&mut self, artifacts: Option<BTreeSet<String>>) {
        self.searched = artifacts;
    }

    /// Counts a record.
    pub(super) fn count(&mut self, glance: &Glance) {
        let artifact = glance.artifact;
        let reach = self
            .artifacts
            .entry(artifact)
            .or_insert_with(|| Reach { is_declared: self.declared.is_artifact(artifact), ..Reach::default() });
        if glance.is_first {
            reach.records += 1;
            if reach.is_declared {
                reach.items.insert(glance.item);
            }
        }
        if let Some(time) = glance.happened {
            reach.first = min(reach.first, Some(time));
            reach.last = reach.last.max(Some(time));
        }
    }

    /// What one log file holds.
    pub(super) fn channel(&mut self, event: &Event) {
        let told = |role| event.record.role(role);
        if !event.is_first() {
            return;
        }
        let time = |role| told(role).and_then(|told| told.time().or_else(|| Filetime::parse_utc(told.text()?)));
        let count = |role| told(role).and_then(Told::number).filter(|count| *count > 0);
        let ranges = told(Role::MissingRecords).into_iter().flat_map(Told::items).filter_map(Told::text);
        let chunks = count(Role::MissingChunks);
        let channel = Channel {
            name: told(Role::Channel).and_then(Told::text).unwrap_or_default().to_owned(),
            item: event.item,
            // Of a log whose first chunks are lost all records are recovered ones.
            records: count(Role::Records).or_else(|| count(Role::Recovered)).unwrap_or(0),
            first: time(Role::FirstRecord),
            last: time(Role::LastRecord),
            is_unread: told(Role::UnreadFormat).is_some(),
            gaps: ranges
                .map(|range| format!("the records {range} are missing"))
                .chain(chunks.map(|count| format!("the log is cut off: {count} of its chunks are missing")))
                .collect(),
        };
        let (counted, most) = match self.says_nothing(&channel) {
            true => (&mut self.empty, MOST_EMPTY),
            false => (&mut self.others, MOST_OTHERS),
        };
        if counted.take(most) {
            self.channels.push(channel);
        }
    }

    /// Whether a log is empty and none of those that tell of the tools.
    fn says_nothing(&self, channel: &Channel) -> bool {
        let is_named = |name: &str| name.eq_ignore_ascii_case(&channel.name);
        channel.records == 0
            && !channel.is_unread
            && channel.gaps.is_empty()
            && self.declared.channel(&channel.name).is_none()
            && !self.cleared.keys().any(|name| is_named(name))
    }

    /// Logs of which no row tells, because there are too many others.
    pub(super) fn left_out(&self) -> u64 {
        self.others.more
    }

    /// A log that the registry keeps elsewhere.
    pub(super) fn moved(&mut self, event: &Event) {
        const MOST: usize = 1_000;
        if let (Some(log), Some(file)) = (event.record.text_of(Role::Name), event.record.text_of(Role::Value))
            && self.moved.len() < MOST
        {
            self.moved.entry(log.to_lowercase()).or_default().insert(file.to_owned());
        }
    }

    /// A record that says that a log was cleared.
    pub(super) fn cleared(&mut self, channel: String, record: Cleared) {
        let records = self.cleared.entry(channel).or_default();
        if records.len() < 100 {
            records.push(record);
        }
    }

    /// How far every channel and every artifact reaches.
    pub(super) fn finish(mut self, items: &dyn Items, host: &Host, places: &Places) -> Vec<Coverage> {
        self.channels.sort_by(|a, b| (&a.name, a.first, a.item).cmp(&(&b.name, b.first, b.item)));
        let mut found: Vec<Coverage> =
            self.channels.iter().map(|channel| self.channel_there(channel, places)).collect();
        found.extend(self.further_empty());
        self.channels_not_there(places, &mut found);
        let mut wanted = collected_for_artifacts(self.declared, items);
        for artifact in self.declared.without_logs() {
            let reach = self.artifacts.remove(artifact.id).unwrap_or_default();
            let collected = wanted.remove(artifact.id).unwrap_or_default();
            found.push(self.artifact(artifact, reach, collected, host, places));
        }
        found
    }

    /// How far a log reaches that was collected.
    fn channel_there(&self, channel: &Channel, places: &Places) -> Coverage {
        let cleared = self.cleared.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&channel.name));
        let said = Said::new(cleared.flat_map(|(_, records)| records), places);
        let mut meaning = channel.meaning();
        if !said.cleared.is_empty() {
            meaning.push_str("; the log was cleared, so what was in it before is gone");
        }
        if let Some(declared) = self.declared.channel(&channel.name) {
            meaning.push_str(&format!("; {}", declared.absence));
        }
        let state = match channel.is_unread || channel.records == 0 && !channel.gaps.is_empty() {
            true => CoverageState::NotRead,
            false => CoverageState::Read,
        };
        Coverage {
            source: channel.name.clone(),
            state,
            partly: channel.gaps.first().filter(|_| state == CoverageState::Read).cloned(),
            present: channel.records > 0 || channel.is_unread,
            item: Some(places.path(channel.item)),
            records: channel.records,
            first: channel.first,
            last: channel.last,
            gaps: channel.gaps.clone(),
            cleared: said.cleared,
            clearings: said.clearings,
            meaning,
        }
    }

    /// The empty logs that have no row of their own.
    fn further_empty(&self) -> Option<Coverage> {
        let count = Some(self.empty.more).filter(|count| *count > 0)?;
        Some(Coverage {
            state: CoverageState::Read,
            meaning: format!(
                "{count} more logs are empty and none of them is one that tells of the tools: nothing can be concluded \
                 from a missing record"
            ),
            ..Coverage::named("further event logs")
        })
    }

    /// The logs that were not collected: those that are declared, and those of which a record says that they were cleared.
    fn channels_not_there(&self, places: &Places, found: &mut Vec<Coverage>) {
        let known: BTreeSet<String> = self.channels.iter().map(|channel| channel.name.to_lowercase()).collect();
        let is_there = |name: &str| known.contains(&name.to_lowercase());
        for evidence::Channel { name, absence, .. } in
            self.declared.channels().filter(|channel| !is_there(channel.name))
        {
            let moved = self.moved.get(&name.to_lowercase()).into_iter().flatten().cloned().collect::<Vec<_>>();
            let more = match moved.is_empty() {
                true => (*absence).to_owned(),
                false => format!("the registry keeps it at {}; {absence}", moved.join(" or ")),
            };
            found.push(absent(name, &more, Said::new(self.cleared.get(*name).into_iter().flatten(), places)));
        }
        for (name, records) in &self.cleared {
            if self.declared.channel(name).is_none() && !is_there(name) {
                found.push(absent(name, "a record says that it was cleared", Said::new(records.iter(), places)));
            }
        }
    }

    /// How far an artifact reaches, of which so many objects were collected, the first of this path.
    fn artifact(
        &self,
        artifact: &Artifact,
        reach: Reach,
        (mut collected, mut first): (usize, String),
        host: &Host,
        places: &Places<'_>,
    ) -> Coverage {
        if collected == 0 {
            collected = reach.items.len();
            first = reach.items.first().map(|item| places.path(*item)).unwrap_or_default();
        }
        let absence = self.declared.absence(artifact.id).unwrap_or("its absence says nothing of the tools");
        let of_read = if self.declared.misses_runs(artifact.id) { "a missing record means nothing; " } else { "" };
        let is_there = collected > 0 || reach.records > 0;
        let (state, meaning) = match is_there {
            true if artifact.parse.is_none() => (
                CoverageState::NotRead,
                format!("collected, and not read by this version, so a missing record means nothing; {absence}"),
            ),
            true if collected == 1 => (CoverageState::Read, format!("{of_read}{absence}")),
            true => (CoverageState::Read, format!("{collected} objects; {of_read}{absence}")),
            false if artifact.reads.iter().all(|reads| matches!(reads, Reads::Volatile(_))) => (
                CoverageState::NotSearched,
                format!("only a running host has it, so a missing record means nothing; {absence}"),
            ),
            false if self.searched.as_ref().is_some_and(|searched| !searched.contains(artifact.id)) => (
                CoverageState::NotSearched,
                format!("the collection did not look for it, so a missing record means nothing; {absence}"),
            ),
            false => {
                let setting = match host.setting("EnablePrefetcher").filter(|_| artifact.tells(Tells::Prefetch)) {
                    Some("0") => "; it is switched off on this host (EnablePrefetcher is 0)",
                    Some(_) => "; it is switched on on this host (EnablePrefetcher), so files may have been deleted",
                    None => "",
                };
                let text = format!("not in the evidence, so a missing record means nothing; {absence}{setting}");
                (CoverageState::Absent, text)
            }
        };
        Coverage {
            state,
            present: is_there,
            item: Some(first).filter(|_| collected == 1),
            // What describes the host is no event, so it was not counted with the events.
            records: if artifact.tells(Tells::HostName) { host.records } else { reach.records },
            first: reach.first,
            last: reach.last,
            meaning,
            ..Coverage::named(artifact.id)
        }
    }
}

/// A log that was not collected, with what more is known of that.
fn absent(source: &str, more: &str, said: Said) -> Coverage {
    Coverage {
        state: CoverageState::Absent,
        cleared: said.cleared,
        clearings: said.clearings,
        meaning: format!("not in the evidence, so a missing record means nothing; {more}"),
        ..Coverage::named(source)
    }
}

/// How many objects were collected for each artifact, and the path of the first.
fn collected_for_artifacts(declared: Declared, items: &dyn Items) -> BTreeMap<&'static str, (usize, String)> {
    let mut found: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let artifacts: Vec<&str> = declared.without_logs().map(|artifact| artifact.id).collect();
    items.each(&mut |item| {
        for artifact in artifacts.iter().copied() {
            if item.bundle_path.is_some() && item.is_wanted_by(artifact) {
                let (count, first) = found.entry(artifact).or_default();
                if *count == 0 {
                    first.clone_from(&item.original_path);
                }
                *count += 1;
            }
        }
    });
    found
}

fn min(one: Option<Filetime>, other: Option<Filetime>) -> Option<Filetime> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
