//! Archives and images that are members of archives: how they are read, and what the checksum over them says.

use super::Opening;
use crate::source::OpenedVolume;
use crate::source::container::{self, Candidate};
use crate::source::tree::{Child, Store};
use evidence::{Bytes, Problem, ProblemKind, Stage, name};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, OnceLock};

/// Where a checksum over much does not say.
const WHERE: &str = "where the wrong bytes are is not known";

/// What the archive around a container, and around the neighbours that belong to it, has against their bytes. It is read
/// to its end for that, unless it has checksums of its own, which say more exactly what is wrong.
pub(super) fn flaw(candidate: &Candidate<'_>, neighbours: &BTreeSet<String>) -> Option<String> {
    if container::checks_itself(candidate) {
        return None;
    }
    let of_neighbour = |key: &String| match candidate.store.open(key) {
        Ok(bytes) => bytes.check(),
        Err(error) => Some(error.to_string()),
    };
    candidate.bytes.check().or_else(|| neighbours.iter().find_map(of_neighbour))
}

/// What a compressor's checksum has against what it packed.
pub(super) fn of_packed(problems: &[Problem]) -> Option<String> {
    let wrong = problems.iter().find(|problem| matches!(problem.kind, ProblemKind::BadChecksum { .. }))?;
    Some(format!("{}; {WHERE}", wrong.what))
}

impl Opening<'_> {
    /// Looks at something against which this speaks.
    pub(super) fn doubting(&mut self, doubt: Option<String>, look: impl FnOnce(&mut Self)) {
        let before = self.doubts.len();
        self.doubts.extend(doubt);
        look(self);
        self.doubts.truncate(before);
    }

    /// Says on volumes that were opened what speaks against their bytes.
    pub(super) fn doubt(&self, volumes: &mut [OpenedVolume]) {
        if !self.doubts.is_empty() {
            volumes.iter_mut().for_each(|(volume, _)| volume.doubt = Some(self.doubts.join("; ")));
        }
    }

    /// A flaw of a member that has not been told yet, as what speaks against all that is in it.
    pub(super) fn newly_doubted(&mut self, place: &str, flaw: Option<String>) -> Option<String> {
        let flaw = flaw.filter(|flaw| !self.doubts.iter().any(|doubt| doubt.contains(flaw)))?;
        let what = format!("the checksum of the archive over it does not match: {flaw}");
        let effect = format!("{WHERE}, so no file that is read from it is taken for whole");
        let kind = ProblemKind::BadChecksum { offset: 0 };
        self.problems.push(Problem::new(Stage::Source, kind, name::shown(place), what, effect));
        Some(format!("the archive's own checksum over {} does not match: {flaw}; {WHERE}", name::shown(place)))
    }
}

/// A member of an archive that is opened when more of it is asked for than its first bytes.
pub(super) struct Deferred {
    store: Arc<dyn Store>,
    key: String,
    size: u64,
    opened: OnceLock<Result<Arc<dyn Bytes>, (io::ErrorKind, String)>>,
}

impl Deferred {
    /// Not opened yet.
    pub(super) fn new(store: &Arc<dyn Store>, child: &Child) -> Self {
        Deferred { store: store.clone(), key: child.key.clone(), size: child.size, opened: OnceLock::new() }
    }

    fn bytes(&self) -> io::Result<&Arc<dyn Bytes>> {
        let open = || self.store.open(&self.key).map_err(|error| (error.kind(), error.to_string()));
        self.opened.get_or_init(open).as_ref().map_err(|(kind, what)| io::Error::new(*kind, what.clone()))
    }
}

impl Bytes for Deferred {
    fn len(&self) -> u64 {
        // What the archive states can be wrong, which is known once it is opened.
        self.opened.get().and_then(|opened| opened.as_ref().ok()).map_or(self.size, |bytes| bytes.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes()?.read_at(offset, buffer)
    }

    fn flaw(&self) -> Option<String> {
        self.opened.get().and_then(|opened| opened.as_ref().ok()).and_then(|bytes| bytes.flaw())
    }

    fn check(&self) -> Option<String> {
        self.bytes().map_or_else(|error| Some(error.to_string()), |bytes| bytes.check())
    }
}
