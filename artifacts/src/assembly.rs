//! Suspicious assemblies.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// Suspicious assemblies.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "assembly",
    title: "Suspicious assemblies",
    data_types: &[],
    locations: &[Location::Lead],
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
