//! Prefetch.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// Prefetch.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "prefetch",
    title: "Prefetch",
    data_types: &[],
    locations: &[Location::File(r"%SystemRoot%\Prefetch\*.pf")],
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
