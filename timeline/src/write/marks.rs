//! What rows are marked with, and how they show paths.

use crate::cited::Cited;
use crate::host::Host;
use crate::paths;
use evidence::ItemId;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What rows are marked with.
#[derive(Clone, Copy, Default)]
pub struct Marks<'a> {
    /// The objects that are not what was sealed.
    pub changed: Option<&'a BTreeSet<ItemId>>,
    /// The places that the report cites.
    pub cited: Option<&'a Cited>,
    /// The host, whose volumes have letters.
    pub host: Option<&'a Host>,
}

impl Marks<'_> {
    /// A path with the letter of its volume in place of what else it is called, where the volume is known.
    pub(super) fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_of_volume = [r"\VOLUME{", r"\Device\", r"\??\", r"\\?\", "{volume-"];
        if !text.starts_with(['\\', '{'])
            || !is_of_volume.iter().any(|start| paths::strip_prefix_any_case(text, start).is_some())
        {
            return Cow::Borrowed(text);
        }
        match self.host.and_then(|host| host.with_letter(text)) {
            Some((path, true)) => Cow::Owned(path),
            _ => Cow::Borrowed(text),
        }
    }
}
