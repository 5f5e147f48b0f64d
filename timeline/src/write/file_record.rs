//! What rows show of file records, which are by far the most.

use crate::merge::{RecordView, Shape, ValueView};
use evidence::{Role, Tells};
use std::ops::ControlFlow;

/// Whether a record is a file record, of which the body file needs no sentence.
pub(super) fn is_file(shape: &Shape) -> bool {
    shape.of.tells == Tells::File
}

/// What a file record says of its file in the fields that rows show in words.
pub(super) struct FileFacts {
    pub(super) directory: bool,
    pub(super) in_use: bool,
    pub(super) path_certain: bool,
    pub(super) size: Option<u64>,
}

impl FileFacts {
    pub(super) fn of(record: &RecordView<'_>) -> Self {
        let mut facts = FileFacts { directory: false, in_use: true, path_certain: true, size: None };
        let mut left = 4;
        // They stand among the first, and file records are by far the most; their fields come in the declared order.
        let declared = record.shape.of.fields;
        let mut next = 0;
        record.each_field(|name, value| {
            let name = name.as_str();
            let Some(at) = (next..declared.len()).chain(0..next).find(|at| declared[*at].name == name) else {
                return ControlFlow::Continue(());
            };
            next = at + 1;
            match (declared[at].role, value) {
                (Some(Role::Directory), ValueView::Bool(flag)) => facts.directory = flag,
                (Some(Role::InUse), ValueView::Bool(flag)) => facts.in_use = flag,
                (Some(Role::PathCertain), ValueView::Bool(flag)) => facts.path_certain = flag,
                (Some(Role::Size), ValueView::Unsigned(bytes)) => facts.size = Some(bytes),
                _ => return ControlFlow::Continue(()),
            }
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        facts
    }
}
