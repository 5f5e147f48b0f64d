//! What the artifacts declare of the sources that tell of the tools: the channels of the event logs, and the artifacts whose
//! absence means something.

use evidence::name::is_like;
use evidence::{Artifact, Channel, Item, Locator, Reads, Role, Tells};

/// The declared artifacts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Declared(&'static [&'static Artifact]);

impl Declared {
    pub(crate) fn new(artifacts: &'static [&'static Artifact]) -> Declared {
        Declared(artifacts)
    }

    fn all_channels(self) -> impl Iterator<Item = &'static Channel> {
        self.0.iter().flat_map(|artifact| artifact.records).flat_map(|of| of.channels)
    }

    /// Channels that tell of the tools, the most important first.
    pub(crate) fn channels(self) -> impl Iterator<Item = &'static Channel> {
        self.all_channels().filter(|channel| !channel.absence.is_empty())
    }

    /// Other artifacts that tell of the tools, and what the absence of a record in them means.
    pub(crate) fn artifacts(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let absence = |artifact: &Artifact| artifact.records.iter().map(|of| of.absence).find(|text| !text.is_empty());
        self.0.iter().filter_map(move |artifact| Some((artifact.id, absence(artifact)?)))
    }

    /// Every artifact but the event logs, whose parts are their channels.
    pub(crate) fn without_logs(self) -> impl Iterator<Item = &'static Artifact> {
        self.0.iter().copied().filter(|artifact| artifact.records.iter().all(|of| of.channels.is_empty()))
    }

    /// The event logs.
    fn logs(self) -> impl Iterator<Item = &'static Artifact> {
        self.0.iter().copied().filter(|artifact| artifact.records.iter().any(|of| !of.channels.is_empty()))
    }

    /// Other artifacts whose records show that a program ran. A list of what is running on a live host is none of them: it
    /// is of one moment.
    pub(crate) fn witnesses(self) -> impl Iterator<Item = &'static Artifact> {
        let is_live = |artifact: &Artifact| artifact.reads.iter().all(|reads| matches!(reads, Reads::Volatile(_)));
        self.without_logs()
            .filter(move |artifact| artifact.records.iter().any(|of| of.shows_runs()) && !is_live(artifact))
    }

    /// Those of them that Windows keeps of each run unless it is set otherwise.
    pub(crate) fn witnesses_of_each_run(self) -> impl Iterator<Item = &'static Artifact> {
        self.witnesses().filter(|artifact| artifact.records.iter().any(|of| of.of_each_run))
    }

    /// Whether an artifact shows runs, and need not have one that took place.
    pub(crate) fn misses_runs(self, id: &str) -> bool {
        self.witness(id).is_some_and(|artifact| !artifact.records.iter().any(|of| of.of_each_run))
    }

    /// What a source is called for people: the title of an artifact, the name of a channel.
    pub(crate) fn title(self, source: &str) -> &str {
        self.0.iter().find(|artifact| artifact.id == source).map_or(source, |artifact| artifact.title)
    }

    /// The same within a sentence: the first letter of a title is small, unless it begins with an abbreviation.
    pub(crate) fn in_sentence(self, source: &str) -> String {
        let Some(artifact) = self.0.iter().find(|artifact| artifact.id == source) else { return source.to_owned() };
        let (title, mut characters) = (artifact.title, artifact.title.chars());
        match (characters.next(), characters.clone().next()) {
            (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(characters).collect(),
            _ => title.to_owned(),
        }
    }

    /// The artifact of this id among those.
    pub(crate) fn witness(self, id: &str) -> Option<&'static Artifact> {
        self.witnesses().find(|artifact| artifact.id == id)
    }

    /// Whether an object is an event log.
    pub(crate) fn is_log(self, item: &str) -> bool {
        self.logs().any(|artifact| keeps(artifact, item))
    }

    /// Whether an object is one whose records show that a program ran.
    pub(crate) fn is_witness(self, item: &str) -> bool {
        self.is_log(item) || self.witnesses().any(|artifact| keeps(artifact, item))
    }

    /// Whether a place is in a key of a hive whose records show that a program ran.
    pub(crate) fn is_in_witness(self, place: &Locator) -> bool {
        let Locator::RegistryKey { key, .. } = place else { return false };
        let mut reads = self.witnesses().flat_map(|artifact| artifact.reads);
        reads.any(|reads| matches!(reads, Reads::Key { key: pattern, .. } if is_key_below(pattern, key)))
    }

    /// Whether event logs can lie in a folder, or below it.
    pub(crate) fn logs_may_lie_below(self, folder: &str) -> bool {
        self.logs().any(|artifact| may_lie_below(artifact, folder))
    }

    /// Whether event logs are looked for at a place, as a note names it.
    pub(crate) fn is_place_of_logs(self, place: &str) -> bool {
        self.logs().any(|artifact| is_place_of(artifact, place))
    }

    /// What the absence of a record of an artifact means, where it is one that tells of the tools.
    pub(crate) fn absence(self, id: &str) -> Option<&'static str> {
        self.artifacts().find(|(artifact, _)| *artifact == id).map(|(_, absence)| absence)
    }

    /// Whether an artifact is one of these.
    pub(crate) fn is_artifact(self, id: &str) -> bool {
        self.absence(id).is_some()
    }

    /// Whether a source is an artifact whose absence says nothing of the tools.
    pub(crate) fn is_quiet(self, source: &str) -> bool {
        self.without_logs().any(|artifact| artifact.id == source) && !self.is_artifact(source)
    }

    /// The artifact whose records tell this.
    pub(crate) fn id_telling(self, what: Tells) -> Option<&'static str> {
        self.without_logs().find(|artifact| artifact.tells(what)).map(|artifact| artifact.id)
    }

    /// Name of the member in a role, of the field in a role that records have which tell this.
    pub(crate) fn member(self, what: Tells, field: Role, member: Role) -> Option<&'static str> {
        let types = self.0.iter().flat_map(|artifact| artifact.records).filter(|of| of.tells == what);
        let mut members = types.flat_map(|of| of.in_role(field)).flat_map(|field| field.members());
        members.find(|one| one.role == Some(member)).map(|one| one.name)
    }

    /// Whether an object is one that a record named, or one that was asked for as a program file.
    pub(crate) fn is_program(self) -> impl Fn(&Item) -> bool {
        let ids: Vec<&str> =
            self.0.iter().filter(|artifact| artifact.tells(Tells::ProgramFile)).map(|artifact| artifact.id).collect();
        move |item| item.is_lead() || item.is_wanted_by(Item::RAN) || ids.iter().any(|id| item.is_wanted_by(id))
    }

    /// Whether an object is one in which an artifact is kept, by its declared places; `None` where the source is none.
    pub(crate) fn keeps(self, source: &str, item: &str) -> Option<bool> {
        self.without_logs().find(|artifact| artifact.id == source).map(|artifact| keeps(artifact, item))
    }

    /// The channel of this name, if it tells of the tools.
    pub(crate) fn channel(self, name: &str) -> Option<&'static Channel> {
        self.channels().find(|channel| channel.is(name))
    }

    /// The place of a channel among those that tell of the tools, the most important first.
    pub(crate) fn rank_of_channel(self, name: &str) -> Option<usize> {
        let alike = |channel: &Channel| channel.also.iter().any(|other| other.eq_ignore_ascii_case(name));
        self.channels().position(|channel| channel.is(name) || alike(channel))
    }

    /// Whether a source is one of those that tell of the tools.
    pub(crate) fn matters(self, source: &str) -> bool {
        self.channel(source).is_some() || self.artifacts().any(|(id, _)| id.eq_ignore_ascii_case(source))
    }

    /// Whether a log holds what other computers forwarded.
    pub(crate) fn is_forwarded(self, path: &str) -> bool {
        self.all_channels().any(|channel| channel.is_forwarded && channel.is_file(path))
    }
}

/// Whether an object is one in which an artifact is kept, by its declared places.
pub(crate) fn keeps(artifact: &Artifact, item: &str) -> bool {
    let anywhere = artifact.reads.iter().any(|reads| matches!(reads, Reads::Loose(_)));
    artifact.reads.iter().any(|reads| is_kept(reads, anywhere, item))
}

/// Whether a key is one that a declared one stands for, or below it.
fn is_key_below(pattern: &str, key: &str) -> bool {
    let pattern = pattern.replace("CurrentControlSet", "ControlSet*");
    let mut names = key.split('\\');
    pattern.split('\\').all(|pattern| names.next().is_some_and(|name| is_like(pattern, name)))
}

/// Whether a place, as a note names it, is one of those that an artifact declares.
pub(crate) fn is_place_of(artifact: &Artifact, place: &str) -> bool {
    artifact.reads.iter().any(|reads| match reads {
        Reads::File(there) => *there == place,
        Reads::EveryVolume(there) => place.strip_suffix(" on every volume") == Some(there),
        Reads::Key { hive, .. } => hive.globs().contains(&place),
        Reads::Volatile(_) | Reads::Loose(_) | Reads::Lead => false,
    })
}

/// Whether an artifact can be kept in a folder, or below it.
pub(crate) fn may_lie_below(artifact: &Artifact, folder: &str) -> bool {
    artifact.reads.iter().any(|reads| reads.may_lie_below(folder))
}

/// Whether an object has the name of a file of a place. `anywhere` is whether the artifact is known by its content as well,
/// so that it need not be in its folder; what has a name of its own is known without its folder, since a copy has lost that.
fn is_kept(reads: &Reads, anywhere: bool, item: &str) -> bool {
    let split = |path: &str| {
        let (folder, name) = path.rsplit_once(['\\', '/']).unwrap_or(("", path));
        (folder.rsplit(['\\', '/']).next().unwrap_or(folder).to_owned(), name.to_owned())
    };
    let (folder, name) = split(item);
    let fits = |pattern: &str| {
        let (its_folder, pattern) = split(pattern);
        let is_there = anywhere || !pattern.starts_with('*') || is_like(&its_folder, &folder);
        // Of a stream that was copied to a file, its own name may be all that is left.
        let of_stream = || pattern.split_once(':').is_some_and(|(_, stream)| is_like(stream, &name));
        is_there && (is_like(&pattern, &name) || of_stream())
    };
    match reads {
        Reads::File(pattern) | Reads::EveryVolume(pattern) | Reads::Volatile(pattern) => fits(pattern),
        Reads::Key { hive, .. } => hive.globs().iter().any(|pattern| fits(pattern)),
        Reads::Loose(_) | Reads::Lead => false,
    }
}

/// Artifacts are told apart by their ids.
impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|artifact| artifact.id).eq(other.0.iter().map(|artifact| artifact.id))
    }
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|artifact| artifact.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_of_the_artifacts_that_declare_its_place() {
        let declared = Declared::new(artifacts::ALL);
        for (source, item, is_kept) in [
            ("prefetch", r"C:\Windows\Prefetch\REGASM.EXE-1A2B3C4D.pf", true),
            ("prefetch", r"C:\Windows\System32\config\SYSTEM", false),
            ("com-registration", r"C:\Users\jdoe\ntuser.dat", true),
            ("com-registration", r"C:\Windows\System32\config\SYSTEM", false),
            ("host", r"C:\Windows\System32\config\SYSTEM", true),
            ("mft", r"{volume-9A3C11F2}\$MFT", true),
            ("usn-journal", r"{volume-9A3C11F2}\$Extend\$UsnJrnl:$J", true),
            ("usn-journal", r"D:\case\$J", true),
            ("usn-journal", r"D:\case\$JX", false),
            ("prefetch", r"D:\case\REGASM.EXE-1A2B3C4D.pf", true),
            ("usage-log", r"C:\Users\jdoe\AppData\Local\Microsoft\CLR_v4.0\UsageLogs\RegAsm.exe.log", true),
            ("usage-log", r"C:\Users\jdoe\ntuser.dat.LOG", false),
            ("usage-log", r"C:\Windows\INF\setupapi.dev.log", false),
        ] {
            assert_eq!(declared.keeps(source, item), Some(is_kept), "{source} {item}");
        }
        assert_eq!(declared.keeps("Security", r"C:\x\Security.evtx"), None, "a channel is no artifact");
    }

    #[test]
    fn a_place_is_in_the_keys_that_are_declared() {
        let is_in = |key: &str| {
            let place = Locator::RegistryKey { key: key.to_owned(), value: None, offset: 0 };
            Declared::new(artifacts::ALL).is_in_witness(&place)
        };
        assert!(is_in(r"ControlSet002\Services\BAM\State\UserSettings\S-1-5-18"));
        assert!(is_in(r"ControlSet001\Services\bam\UserSettings\S-1-5-18\below"));
        assert!(!is_in(r"ControlSet001\Services\bam\State") && !is_in(r"ControlSet001\Control\TimeZoneInformation"));
        assert!(is_key_below(r"CurrentControlSet\A\*", r"ControlSet001\A\b"));
    }
}
