//! The two passes over the merged events: the correlator is shown what it asks for, and then the timeline's files are written.
//! The rows come second, since they say to which run of the report they belong.

use crate::merge::Sorted;
use crate::story::Correlator;
use crate::write::{Marks, Observed, Output, TimelineError, TimelineSummary, write_rows};
use evidence::Items;
use std::fs::File;
use std::io::Write;

/// Shows the correlator what it asks for of the events, in the order of time; `tick` is called for each.
pub fn show(
    sorted: &mut Sorted,
    items: &dyn Items,
    correlator: &mut Correlator<'_>,
    tick: &mut (dyn FnMut() + Send),
) -> Result<TimelineSummary, TimelineError> {
    let observed = Observed { by: Some(&mut *correlator), tick };
    let summary = write_rows::<File, _>(sorted, items, Marks::default(), &mut [], observed)?;
    correlator.in_order(sorted)?;
    sorted.rewind()?;
    Ok(summary)
}

/// Writes every event to every output in the order of time, with its marks on each row; `tick` is called for each row.
/// Rendering runs on all threads; the bytes do not depend on their number.
pub fn write_timeline<W: Write + Send>(
    mut sorted: Sorted,
    items: &dyn Items,
    marks: Marks<'_>,
    outputs: &mut [Output<W>],
    tick: &mut (dyn FnMut() + Send),
) -> Result<TimelineSummary, TimelineError> {
    let by: Option<&mut Correlator<'_>> = None;
    write_rows(&mut sorted, items, marks, outputs, Observed { by, tick })
}
