//! Opens a bundle and verifies it at once.

use super::reader::OpenBundle;
use super::verify::VerifyReport;
use crate::Error;
use crate::progress::Observer;
use evidence::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Verifies a bundle: an archive, or the folder that it was unpacked to. An error says that it cannot even be listed.
pub fn verify(
    path: &Path,
    threads: usize,
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> Result<VerifyReport, Error> {
    let count = threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build()
        .map_err(|error| Error::Threads { count, why: error.to_string() })?;
    let opened = OpenBundle::open(path)?;
    pool.install(|| opened.verify(cancel, observer))
}

/// Verifies any bytes, for fuzzing: whether they are a bundle of which nothing is wrong.
#[doc(hidden)]
pub fn examine_bundle(bytes: Vec<u8>) -> bool {
    let report = verify_bytes(Arc::new(bytes), Path::new("bundle"), &AtomicBool::new(false), &crate::Silent);
    report.is_ok_and(|report| report.is_valid())
}

/// Verifies an archive that is open, on the threads of the pool that this runs in.
pub(crate) fn verify_bytes(
    bytes: Arc<dyn Bytes>,
    path: &Path,
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> Result<VerifyReport, Error> {
    OpenBundle::of(bytes, path)?.verify(cancel, observer)
}

/// Reads an archive back that was written a moment ago, on the threads of the pool that this runs in.
pub(crate) fn read_back_bytes(
    bytes: Arc<dyn Bytes>,
    path: &Path,
    observer: &dyn Observer,
) -> Result<VerifyReport, Error> {
    // It is not interrupted: a bundle that nobody checked would be worth less than the wait.
    OpenBundle::of(bytes, path)?.written(&AtomicBool::new(false), observer)
}
