//! What a collection tells while it runs. It prints nothing itself.

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading a whole image to compare the digests that it stores.
    CheckImage,
    /// Looking for the declared locations.
    Locate,
    /// Reading, hashing and writing objects.
    Acquire,
    /// Asking what the acquired objects name.
    Leads,
    /// Writing manifests and metadata.
    Seal,
    /// Reading back and checking what was written.
    Verify,
}

/// One moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is being done.
    pub step: Step,
    /// Original path of the object concerned, or an empty text.
    pub path: &'a str,
    /// Bytes done in this step.
    pub bytes_done: u64,
    /// Bytes of this step as far as they are known; a lead can add to them.
    pub bytes_total: u64,
    /// Objects done in this step.
    pub items_done: u64,
    /// Objects of this step as far as they are known.
    pub items_total: u64,
}

/// Gets told what happens. Called from several threads, often; it should return at once.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, progress: Progress<'_>);
}

/// For runs that nobody watches.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Progress<'_>) {}
}
