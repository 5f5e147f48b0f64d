//! What `bag-info.txt` and the log say of a part of a collection.

/// The label of `bag-info.txt` that all parts of a collection share: the name of the first bag, which itself has no label.
pub(crate) const GROUP: &str = "Bag-Group-Identifier";
/// The label that says which part it is: `2 of ?`.
pub(crate) const COUNT: &str = "Bag-Count";

/// The label with the SHA-256 of the archive of the first part.
pub(crate) const FIRST_PART: &str = "Collector-First-Part-SHA256";

/// The member of the first action with the last hash of the action log of the first part.
pub(crate) const FIRST_PART_LOG: &str = "first_part_log_sha256";

/// The value of a line of `bag-info.txt`.
pub(crate) fn value<'a>(info: &'a str, label: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix(": "))
}
