//! What the artifacts declare of the sources that tell of the tools: the channels of the event logs, and the artifacts whose
//! absence means something.

use evidence::{Artifact, Channel};

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

    /// Whether an artifact is one of these.
    pub(crate) fn is_artifact(self, id: &str) -> bool {
        self.artifacts().any(|(artifact, _)| artifact == id)
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
