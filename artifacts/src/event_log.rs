//! Event logs.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// Event logs.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "event-log",
    title: "Event logs",
    data_types: &[],
    locations: &[Location::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx")],
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
