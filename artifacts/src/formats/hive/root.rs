//! How a state is opened: where its bins end, and where its root key is.

use super::base_block::{self, BASE_BLOCK_LENGTH, BaseBlock};
use super::cells::{Cells, KeyNode};
use super::state::{Block, State};
use super::{Note, deleted};
use crate::formats::pages::Pages;
use evidence::{ProblemKind, guarded};

impl<'a> State<'a> {
    /// A state with this base block. Where its root key is not where the block says, it is looked for.
    ///
    /// A hive of at most `small` bytes is held in memory, unless some of it cannot be read. A clean one that lies in
    /// memory is not copied.
    pub(super) fn new(pages: Pages<'a>, block: &Block, small: u64, notes: &mut Vec<Note>) -> Self {
        let Block { bytes: block, minor_version, has_base } = block;
        let (minor_version, has_base) = (*minor_version, *has_base);
        let stored = BaseBlock::fields(block);
        let mut state = State { root_cell: stored.root_cell, bins_end: BASE_BLOCK_LENGTH as u64, minor_version, pages };
        state.bins_end += base_block::bins_length(stored.bins_length, state.len());
        if state.bins_end == BASE_BLOCK_LENGTH as u64 {
            state.bins_end = state.len();
        }
        if state.len() <= small {
            state.hold(block);
        }
        state.find_root(notes);
        let root = state.root_cell;
        if let Some(bytes) = state.pages.memory_mut() {
            let strictly_clean = has_base
                && root == stored.root_cell
                && guarded(|| nt_hive::Hive::new(&**bytes).is_ok()).unwrap_or(false);
            if !strictly_clean {
                base_block::make_clean(bytes.to_mut(), root, minor_version);
            }
        }
        state
    }

    fn find_root(&mut self, notes: &mut Vec<Note>) {
        let cells = Cells { state: self };
        let root = self.root_cell;
        if cells.is_key_node(root) {
            return;
        }
        let found = deleted::cells_in_order(cells).find_map(|cell| {
            let is_root = cell.allocated && KeyNode::new(cell).is_some_and(|node| node.flags() & KeyNode::ROOT != 0);
            is_root.then(|| cell.number()).flatten()
        });
        notes.push(
            Note::new(
                ProblemKind::Inconsistent {
                    a: format!("the base block puts the root key at {:#x}", u64::from(root) + 4096),
                    b: match found {
                        Some(cell) => format!("a root key is at {:#x}", u64::from(cell) + 4096),
                        None => "there is no root key".to_owned(),
                    },
                },
                "the root key is not where it should be",
                match found {
                    Some(_) => "the hive was read from the root key that was found",
                    None => "live keys could not be read; deleted ones may still be found",
                },
            )
            .at(36),
        );
        self.root_cell = found.unwrap_or(root);
    }
}
