//! Change journal.

use evidence::{Artifact, Input, Location, Phase, Sink, no_leads};

/// Change journal.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "usn-journal",
    title: "Change journal",
    data_types: &[],
    locations: &[Location::EveryVolume(r"\$Extend\$UsnJrnl:$J")],
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
