//! The host itself.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// The host itself.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "host",
    title: "The host itself",
    data_types: &[],
    locations: &[Location::Key { hive: evidence::Hive::System, key: "" }],
    claims: &[],
    supports: "",
    does_not_support: "",
    windows: "",
    references: &[],
    phase: Phase::Independent,
    parse,
    leads: no_leads,
};

fn parse(_input: &Input<'_>, _sink: &mut Sink<'_>) {}
