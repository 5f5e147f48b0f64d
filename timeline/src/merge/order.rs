//! The order of encoded records that have the same time.

use super::codec::{RecordView, place_of};
use super::shapes::Shapes;
use std::cmp::Ordering;

/// Which of two encoded records of one time comes first: by item and place, then by what they say.
pub(super) fn order(shapes: &Shapes, a: &[u8], b: &[u8]) -> Ordering {
    let places = place_of(a).cmp(&place_of(b));
    if places.is_ne() || a == b {
        return places;
    }
    shapes.with_names(|names| {
        let view = |bytes| RecordView::new(bytes, names);
        let plain = |view: &RecordView<'_>| (view.shape.of.name, view.subject.to_owned());
        let (a, b) = (view(a), view(b));
        let plainly = a.as_ref().map(plain).cmp(&b.as_ref().map(plain));
        let whole = |view: Option<RecordView<'_>>| view.map(|view| format!("{:?}", view.to_record()));
        plainly.then_with(|| whole(a).cmp(&whole(b)))
    })
}
