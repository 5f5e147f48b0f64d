//! The pass over the merged events: the timeline's files are written, and the correlator is shown what it asks for.

use crate::merge::Sorted;
use crate::story::Correlator;
use crate::write::{Observed, Output, TimelineError, TimelineSummary, write_rows};
use evidence::{ItemId, Items};
use std::collections::BTreeSet;
use std::io::Write;

/// Writes every event to every output in the order of time, with a mark on every row that rests on one of the `changed`
/// objects, and shows the correlator what it asks for; `tick` is called for each row. Rendering runs on all threads; the
/// bytes do not depend on their number.
pub fn write_timeline<W: Write + Send>(
    mut sorted: Sorted,
    items: &dyn Items,
    changed: &BTreeSet<ItemId>,
    outputs: &mut [Output<W>],
    mut correlator: Option<&mut Correlator<'_>>,
    tick: &mut (dyn FnMut() + Send),
) -> Result<TimelineSummary, TimelineError> {
    let observed = Observed { by: correlator.as_deref_mut(), tick };
    let summary = write_rows(&mut sorted, items, changed, outputs, observed)?;
    if let Some(correlator) = correlator {
        correlator.in_order(sorted)?;
    }
    Ok(summary)
}
