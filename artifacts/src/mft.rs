//! File records of the $MFT.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// File records of the $MFT.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "mft",
    title: "File records of the $MFT",
    data_types: &[],
    locations: &[Location::EveryVolume(r"\$MFT")],
    claims: &[],
    supports: "",
    does_not_support: "",
    windows: "",
    references: &[],
    phase: Phase::Focused,
    parse,
    leads: no_leads,
};

fn parse(_input: &Input<'_>, _sink: &mut Sink<'_>) {}
