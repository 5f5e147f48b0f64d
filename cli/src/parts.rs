//! The bundles of an analysis: one, or the parts of one collection that was interrupted and gone on with.

use crate::args::Common;
use crate::collect::Shown;
use crate::progress::{Progress, Style};
use crate::signals;
use collector::{BundleReader, OpenBundle, Spill, Structure, VerifyReport, shown};
use evidence::{Problem, ProblemKind, Stage};
use std::path::{Path, PathBuf};
use timeline::PartName;

/// Missing parts that are named one by one.
const MOST_NAMED: usize = 20;

/// A bundle that was opened and verified, in this order and through one handle.
pub(crate) struct Given {
    pub(crate) path: PathBuf,
    pub(crate) opened: OpenBundle,
    /// What the verification gave: of all, or of all but the objects where these are `still_to_read`.
    pub(crate) verified: VerifyReport,
    still_to_read: Option<Structure>,
}

impl Given {
    /// A bundle of which all is known.
    pub(crate) fn verified(path: &Path, opened: OpenBundle, verified: VerifyReport) -> Self {
        Given { path: path.to_owned(), opened, verified, still_to_read: None }
    }

    /// Verifies an open bundle.
    pub(crate) fn verify(path: &Path, opened: OpenBundle, common: &Common) -> anyhow::Result<Self> {
        let verified = shown_verifying(common, |shown| opened.verify(signals::cancel(), shown))?;
        Ok(Given::verified(path, opened, verified))
    }

    /// Verifies all of it but the objects, which are verified when they are read. Where something is wrong already, the
    /// objects are read as well, so that all that is wrong is known.
    pub(crate) fn begin(path: &Path, opened: OpenBundle, common: &Common) -> anyhow::Result<Self> {
        let mut structure = None;
        let verified = shown_verifying(common, |shown| {
            let begun = opened.structure(signals::cancel(), shown)?;
            if !begun.so_far().wrong.is_empty() {
                return opened.contents(begun, signals::cancel(), shown);
            }
            let so_far = begun.so_far().clone();
            structure = Some(begun);
            Ok(so_far)
        })?;
        Ok(Given { path: path.to_owned(), opened, verified, still_to_read: structure })
    }

    /// Its file name, for messages.
    pub(crate) fn name(&self) -> String {
        shown(self.path.file_name().unwrap_or(self.path.as_os_str()))
    }
}

/// Verifies and shows how far that is. An interruption is an error.
fn shown_verifying(
    common: &Common,
    verify: impl FnOnce(&Shown) -> Result<VerifyReport, collector::Error>,
) -> anyhow::Result<VerifyReport> {
    let shown = Shown::new(Progress::new(Style::choose(common.quiet, common.json)));
    let verified = verify(&shown);
    shown.progress.finish();
    let verified = verified?;
    anyhow::ensure!(!verified.interrupted, "interrupted before the bundle was verified; nothing was analysed");
    Ok(verified)
}

/// Refuses a bundle that is not the one that was sealed.
pub(crate) fn refuse_changed(path: &Path, verified: &VerifyReport) -> anyhow::Result<()> {
    const MOST: usize = 5;
    if verified.is_valid() {
        return Ok(());
    }
    let mut wrong: Vec<String> = verified.wrong.iter().take(MOST).map(ToString::to_string).collect();
    let more = verified.wrong.len().saturating_sub(MOST) as u64 + verified.more_wrong;
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    anyhow::bail!(
        "{} was changed after it was sealed, and nothing of it was analysed: {}. `comtrail verify` lists all that is \
         wrong with it; --accept-changed analyses it all the same and marks what rests on what was changed",
        shown(path),
        wrong.join("; ")
    )
}

/// Bundles that are read as one.
pub(crate) struct Collection {
    pub(crate) reader: BundleReader,
    /// What the verification of each part gave, in the order of their numbers.
    pub(crate) verified: Vec<VerifyReport>,
    /// What of them is known by name: none where one bundle is the whole collection, or its first part.
    pub(crate) names: Vec<PartName>,
    /// The parts that are missing, each as what was not examined.
    pub(crate) missing: Vec<Problem>,
}

impl Collection {
    /// Reads the bundles, of which each was verified. `accept_changed` says that those that were changed are read as well.
    pub(crate) fn read(given: Vec<Given>, accept_changed: bool, spill: &Spill) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let is_alone = given.len() == 1;
        for Given { path, opened, verified, still_to_read } in given {
            let mut reader = match still_to_read {
                Some(structure) => opened.read_verifying(structure, spill, signals::cancel())?,
                None => opened.read(spill)?,
            };
            if verified.is_valid() {
                let what = shown(&path);
                anyhow::ensure!(reader.rely_on(&verified)?, "{what} was changed while it was being verified");
            }
            let (group, number) = match reader.part() {
                // Where that was changed as well, and it was accepted, one bundle is read as it is.
                Err(_) if is_alone && !verified.is_valid() => {
                    let (names, missing) = (Vec::new(), Vec::new());
                    return Ok(Collection { reader, verified: vec![verified], names, missing });
                }
                part => part?,
            };
            parts.push((number, group, reader, verified, path));
        }
        // As the reader orders them.
        parts.sort_by_key(|(number, ..)| *number);
        let all: Vec<(usize, &VerifyReport, &Path)> =
            parts.iter().map(|(number, _, _, verified, path)| (*number, verified, path.as_path())).collect();
        refuse_other_first(&all, accept_changed)?;
        let (mut readers, mut verified, mut names, mut collection) =
            (Vec::new(), Vec::new(), Vec::new(), String::new());
        for (number, group, reader, report, _) in parts {
            names.push(PartName {
                part: number as u64,
                bag: reader.bag().to_owned(),
                archive_sha256: report.archive_sha256.clone(),
                tag_manifest_sha256: reader.tag_manifest_sha256()?,
            });
            readers.push(reader);
            verified.push(report);
            collection = group;
        }
        if let [PartName { part: 1, .. }] = names.as_slice() {
            names.clear();
        }
        let (reader, missing) = BundleReader::join(readers, spill)?;
        Ok(Collection { reader, verified, names, missing: not_examined(&collection, &missing) })
    }

    /// Verifies the objects that no parser read, where the others were verified while they were read, and refuses what
    /// was changed.
    pub(crate) fn end_verifying(&self, common: &Common) -> anyhow::Result<()> {
        for part in self.reader.each_part().filter(|part| part.is_verifying()) {
            let verified = shown_verifying(common, |shown| part.end_verifying(signals::cancel(), shown))?;
            refuse_changed(part.path(), &verified)?;
        }
        Ok(())
    }

    /// Whether nothing is wrong with any part.
    pub(crate) fn is_valid(&self) -> bool {
        self.verified.iter().all(VerifyReport::is_valid)
    }

    /// Which parts of the collection something is wrong with: their numbers and their bags. None where one bundle is all.
    pub(crate) fn changed_parts(&self) -> Vec<(u64, String)> {
        let named = self.names.iter().zip(&self.verified).filter(|_| self.verified.len() > 1);
        let changed = named.filter(|(_, verified)| !verified.is_valid());
        changed.map(|(name, _)| (name.part, name.bag.clone())).collect()
    }

    /// What is wrong, with the part that it is wrong with.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (index, report) in self.verified.iter().enumerate() {
            let part = match self.names.get(index).filter(|_| self.verified.len() > 1) {
                Some(name) => format!("part {}: ", name.part),
                None => String::new(),
            };
            wrong.extend(report.wrong.iter().map(|one| format!("{part}{one}")));
        }
        wrong
    }
}

/// Refuses further parts that name another first part than the one that is there. Where the first part was changed, and
/// that was accepted, its hash is another one for this reason, which is said among what is wrong with it.
fn refuse_other_first(parts: &[(usize, &VerifyReport, &Path)], accept_changed: bool) -> anyhow::Result<()> {
    let Some(((1, first, first_path), further)) = parts.split_first() else { return Ok(()) };
    if accept_changed && !first.is_valid() {
        return Ok(());
    }
    for (_, part, path) in further {
        // A bundle that goes on with none is a first part itself, and refused as such.
        anyhow::ensure!(
            part.goes_on_with(first),
            "{} goes on with another first part than {}: it names {}, and this one has {}",
            shown(path),
            shown(first_path),
            hashes(part.part.first_sha256.as_deref(), part.part.first_log.as_deref()),
            hashes(first.archive_sha256.as_deref(), first.log_head.as_deref()),
        );
    }
    Ok(())
}

/// Both hashes that name a bundle.
fn hashes(archive: Option<&str>, log: Option<&str>) -> String {
    let [archive, log] = [archive, log].map(|hash| hash.unwrap_or("not known"));
    format!("the bundle's SHA-256 {archive} and the action log's last hash {log}")
}

/// That these parts of a collection were not examined.
fn not_examined(collection: &str, missing: &[usize]) -> Vec<Problem> {
    let effect = "what only this part holds was not examined";
    let what = "it is not among the bundles that were given";
    let problem =
        |item: String, effect: &str| Problem::new(Stage::Bundle, ProblemKind::Interrupted, item, what, effect);
    let named = missing.iter().take(MOST_NAMED);
    let mut all: Vec<Problem> =
        named.map(|number| problem(format!("part {number} of the collection {collection}"), effect)).collect();
    if let Some(more @ 1..) = missing.len().checked_sub(MOST_NAMED) {
        let item = format!("{more} further parts of the collection {collection}");
        all.push(problem(item, "what only these parts hold was not examined"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use collector::Part;

    fn report(number: u64, archive: &str, first: Option<&str>) -> VerifyReport {
        let mut report = VerifyReport::default();
        report.archive_sha256 = Some(archive.to_owned());
        report.part = Part { of: "A".to_owned(), number, first_sha256: first.map(str::to_owned), first_log: None };
        report
    }

    #[test]
    fn an_unpacked_first_part_is_told_by_its_action_log() {
        let mut first = report(1, "a", None);
        first.log_head = Some("log".to_owned());
        first.archive_sha256 = None;
        let mut second = report(2, "b", Some("a"));
        assert!(refused(&[(1, first.clone()), (2, second.clone())], false), "it names no log");
        second.part.first_log = Some("another".to_owned());
        assert!(refused(&[(1, first.clone()), (2, second.clone())], false));
        second.part.first_log = Some("log".to_owned());
        assert!(!refused(&[(1, first), (2, second)], false));
    }

    fn refused(parts: &[(usize, VerifyReport)], accept_changed: bool) -> bool {
        let parts: Vec<_> = parts.iter().map(|(number, report)| (*number, report, Path::new("x.zip"))).collect();
        refuse_other_first(&parts, accept_changed).is_err()
    }

    #[test]
    fn a_part_belongs_to_the_first_one_that_it_names() {
        let (first, second) = ((1, report(1, "a", None)), (2, report(2, "b", Some("a"))));
        assert!(!refused(&[first.clone(), second.clone()], false));
        let mut other = (1, report(1, "other", None));
        assert!(refused(&[other.clone(), second.clone()], false));
        assert!(refused(&[other.clone(), second.clone()], true), "it is another one, and nothing is wrong with it");
        other.1.expect(Some("a"), None);
        assert!(!other.1.is_valid());
        assert!(refused(&[other.clone(), second.clone()], false));
        assert!(!refused(&[other, second.clone()], true), "that it was changed was accepted");
        assert!(!refused(&[second, (3, report(3, "c", Some("a")))], false), "the first one is not there");
    }

    #[test]
    fn many_missing_parts_are_counted() {
        let missing: Vec<usize> = (1..=22).collect();
        let said = not_examined("A", &missing);
        assert_eq!(said.len(), 21);
        assert_eq!(said[1].item, "part 2 of the collection A");
        assert_eq!(said[20].item, "2 further parts of the collection A");
        assert!(not_examined("A", &[]).is_empty());
    }
}
