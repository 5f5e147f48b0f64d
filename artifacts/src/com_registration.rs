//! COM registrations of managed classes.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// COM registrations of managed classes.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "com-registration",
    title: "COM registrations of managed classes",
    data_types: &[],
    locations: &[Location::Key { hive: evidence::Hive::Software, key: r"Classes\CLSID" }],
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
