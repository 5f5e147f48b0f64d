//! Folders whose index or whose own record is damaged: their files are found by the parent references of $MFT.

use super::NtfsTree;
use super::file::File;
use super::folder::Entry;
use super::parents::is_parent;
use crate::source::Found;
use evidence::{Problem, ProblemKind};
use ntfs_layout::{FileReference, RecordFault};
use std::collections::HashSet;

impl NtfsTree {
    /// The numbers of the records that name this folder.
    fn children_of(&self, folder: FileReference) -> Vec<u64> {
        self.parents.lock().children(&self.volume, folder.entry)
    }

    /// The names that files in use have in this folder, by their own records.
    fn names_by_parents(&self, folder: FileReference) -> Vec<Entry> {
        let files = self.children_of(folder).into_iter().filter_map(|number| self.volume.file(number).ok());
        let in_folder = |file: File| {
            let names = if file.in_use { file.names() } else { Vec::new() };
            let entry = move |name: super::FileNameOwned| Entry {
                name: name.name,
                file: file.reference,
                namespace: name.namespace,
            };
            names.into_iter().filter(move |name| is_parent(name.parent, folder)).map(entry)
        };
        files.flat_map(in_folder).collect()
    }

    /// Completes the names of a damaged index, and leaves out those that their files do not bear.
    pub(super) fn add_by_parents(&self, path: &str, folder: &File, entries: &mut Vec<Entry>, faults: &[String]) {
        let by_parents = self.names_by_parents(folder.reference);
        for fault in faults {
            self.volume.problem(
                ProblemKind::ReadFailed,
                if path.is_empty() { "\\" } else { path },
                format!("the folder's index is damaged: {fault}; its files were found by their own records in $MFT"),
                "files in it whose records cannot be read may be missing here, and names that only the index kept, as of \
                 deleted files, are not considered",
            );
        }
        let known: HashSet<(&str, FileReference)> =
            by_parents.iter().map(|entry| (entry.name.as_str(), entry.file)).collect();
        entries.retain(|entry| {
            known.contains(&(entry.name.as_str(), entry.file)) || {
                // A sound record knows its names better than a damaged index does.
                let file = self.volume.file(entry.file.entry);
                let knows = |file: &File| file.in_use && file.reference == entry.file && file.faults.is_empty();
                !file.is_ok_and(|file| knows(&file))
            }
        });
        entries.extend(by_parents);
    }

    /// The file that a folder's entry means, if the record still belongs to it. Of a folder whose record is lost, what is
    /// left: its files name it.
    pub(super) fn file_or_lost_folder(&self, reference: FileReference) -> Option<File> {
        match self.volume.file(reference.entry) {
            Ok(file) => {
                let is_same = reference.sequence == 0 || file.reference.sequence == reference.sequence;
                (file.in_use && is_same).then_some(file)
            }
            Err(fault) => self.lost_folder(reference, &fault),
        }
    }

    /// A folder whose record cannot be read, if any file in use names it as its folder.
    pub(super) fn lost_folder(&self, reference: FileReference, fault: &RecordFault) -> Option<File> {
        (!self.names_by_parents(reference).is_empty()).then(|| File {
            reference,
            in_use: true,
            is_folder: true,
            values: Vec::new(),
            faults: vec![fault.to_string()],
        })
    }

    /// The root folder.
    pub(super) fn root(&self) -> Result<File, RecordFault> {
        let entry = FileReference::ROOT_ENTRY;
        match self.volume.file(entry) {
            Ok(file) => Ok(file),
            Err(fault) => self.lost_folder(FileReference { entry, sequence: 0 }, &fault).ok_or(fault),
        }
    }

    /// The folder that a found object is.
    pub(super) fn folder_of(&self, found: &Found) -> Result<File, Problem> {
        self.file_of(found).or_else(|problem| {
            let (entry, sequence) = found.mft.ok_or_else(|| problem.clone())?;
            match self.volume.file(entry) {
                Err(fault) if found.is_folder => {
                    self.lost_folder(FileReference { entry, sequence }, &fault).ok_or(problem)
                }
                _ => Err(problem),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::tests::fixture_volume;
    use super::*;
    use crate::source::Tree;
    use std::sync::Arc;

    /// Everything that can be walked to, each file as it is found, in order.
    fn walk(tree: &NtfsTree) -> Vec<String> {
        let mut all = Vec::new();
        let mut stack = vec![tree.lookup("\\").unwrap().unwrap()];
        while let Some(folder) = stack.pop() {
            let children = tree.list(&folder).unwrap();
            for child in &children {
                // A lookup finds the same as the listing.
                let found = tree.lookup(&child.full_path()).unwrap().unwrap();
                assert_eq!(format!("{found:?}"), format!("{child:?}"));
            }
            all.extend(children.iter().map(|child| format!("{child:?}")));
            stack.extend(children.into_iter().filter(|child| child.is_folder && child.stream.is_none()));
        }
        all.sort();
        all
    }

    fn said(tree: &NtfsTree) -> String {
        tree.take_problems().iter().map(|problem| format!("{} {}\n", problem.item, problem.what)).collect()
    }

    /// Where the index records of the volume stand.
    fn index_records(volume: &[u8]) -> Vec<usize> {
        (0..volume.len() - 4096).step_by(4096).filter(|at| volume[*at..].starts_with(b"INDX")).collect()
    }

    #[test]
    fn without_any_index_record_the_volume_is_the_same() {
        let whole = fixture_volume();
        let sound = walk(&NtfsTree::open(Arc::new(whole.clone())).unwrap());
        let records = index_records(&whole);
        assert!(sound.len() > 50 && records.len() >= 3, "{} files, {} index records", sound.len(), records.len());
        let fill = |at: &[usize], value: u8| {
            let mut damaged = whole.clone();
            at.iter().for_each(|at| damaged[*at..*at + 4096].fill(value));
            let tree = NtfsTree::open(Arc::new(damaged)).unwrap();
            assert_eq!(walk(&tree), sound, "index records at {at:?} hold {value:#x}");
            said(&tree)
        };
        for record in &records {
            let said = fill(&[*record], 0);
            assert!(said.is_empty() || said.contains("index is damaged"), "{said}");
        }
        // One sector of each, as a bad one of the disk reads.
        for (index, sector) in records.iter().flat_map(|record| (0..8).map(move |sector| (*record, sector))) {
            let mut damaged = whole.clone();
            damaged[index + 512 * sector..][..512].fill(0);
            let tree = NtfsTree::open(Arc::new(damaged)).unwrap();
            assert_eq!(walk(&tree), sound, "sector {sector} of the index record at {index}");
        }
        let said = fill(&records, 0xEE);
        assert!(said.contains(r"\ the folder's index is damaged: index record 0 does not begin with INDX"), "{said}");
        // The root of each folder's index: what is indexed, and by which rule names are ordered.
        let root: Vec<u8> = [utf16("$I30"), vec![0x30, 0, 0, 0, 1, 0, 0, 0]].concat();
        let mut damaged = whole.clone();
        let roots: Vec<usize> = (0..whole.len() - root.len()).filter(|at| whole[*at..].starts_with(&root)).collect();
        assert!(roots.len() > 20, "{} folders", roots.len());
        roots.iter().for_each(|at| damaged[at + 8] = 0x31);
        let tree = NtfsTree::open(Arc::new(damaged)).unwrap();
        assert_eq!(walk(&tree), sound);
        assert!(
            self::said(&tree).contains(r"\Windows\System32 the folder's index is damaged: the root of its index is")
        );
    }

    #[test]
    fn a_lost_record_of_a_folder_costs_its_own_times_only() {
        let mut image = Image::new(64, 40);
        let (root, data) = (at(5, 5), at(20, 3));
        let inside = [(at(21, 1), "a.txt"), (at(22, 1), "Below")];
        image
            .root(&[(data, "Data"), (at(23, 1), "file")])
            .put(20, record(3, 3, None, &[named(root, "Data"), index_root(data, &inside, None)]))
            .put(21, record(1, 1, None, &[named(data, "a.txt"), resident(0x80, "", b"content")]))
            .put(22, record(1, 3, None, &[named(data, "Below"), index_root(at(22, 1), &[], None)]))
            .put(23, record(1, 1, None, &[named(root, "file"), resident(0x80, "", b"x")]))
            // Of an earlier owner of the record, and deleted.
            .put(24, record(1, 1, None, &[named(at(20, 2), "stale"), resident(0x80, "", b"x")]))
            .put(25, record(1, 0, None, &[named(data, "gone"), resident(0x80, "", b"x")]));
        let whole = image.build();
        for lost in [vec![20], vec![5, 20], vec![5]] {
            let mut damaged = whole.clone();
            lost.iter().for_each(|entry| damaged[4 * CLUSTER + entry * 1024..][..1024].fill(0));
            let tree = NtfsTree::open(Arc::new(damaged)).unwrap();
            let listed = |path: &str| -> Vec<String> {
                let folder = tree.lookup(path).unwrap();
                folder.map_or(Vec::new(), |folder| tree.list(&folder).unwrap().into_iter().map(|f| f.path).collect())
            };
            match lost.as_slice() {
                // The name of the folder stood in the root's index and in its own record.
                [5, 20] => assert_eq!(listed("\\"), [r"\file"]),
                _ => {
                    assert_eq!(listed("\\"), [r"\Data", r"\file"], "{lost:?}");
                    assert_eq!(listed(r"\data"), [r"\Data\a.txt", r"\Data\Below"]);
                    let found = tree.lookup(r"\DATA\A.TXT").unwrap().unwrap();
                    assert_eq!(tree.open(&found).unwrap().read_all(9).unwrap().unwrap(), b"content");
                    assert!(tree.lookup(r"\Data\stale").unwrap().is_none());
                    assert!(tree.lookup(r"\Data\gone").unwrap().is_none());
                }
            }
            assert!(said(&tree).contains("holds only zeros"));
        }
        // The record of a file is no folder, and the listing says that it is lost.
        let mut damaged = whole.clone();
        damaged[4 * CLUSTER + 23 * 1024..][..1024].fill(0);
        let tree = NtfsTree::open(Arc::new(damaged)).unwrap();
        assert_eq!(tree.list(&tree.lookup("\\").unwrap().unwrap()).unwrap().len(), 1);
        assert!(said(&tree).contains(r"\file its file record 23-1: the file record holds only zeros"));
    }

    #[test]
    fn a_large_index_without_its_records_is_damaged() {
        let folder = at(20, 2);
        let runs = [(Some(30), 1)];
        let allocation = Clusters { kind: 0xA0, name: "$I30", size: 4096, runs: &runs, ..Clusters::default() }.build();
        let unused = resident(0xB0, "$I30", &[0; 8]);
        let root = index_root(folder, &[], Some(0));
        for (attributes, words) in [
            (vec![named(at(5, 5), "d"), root.clone()], "its index records are not to be found"),
            (vec![named(at(5, 5), "d"), root, allocation, unused], "none of its index records is marked as in use"),
        ] {
            let mut image = Image::new(64, 40);
            image
                .root(&[(folder, "d")])
                .put(20, record(2, 3, None, &attributes))
                .put(21, record(1, 1, None, &[named(folder, "m.txt"), resident(0x80, "", b"found")]))
                .write(30, &index_record(0, folder, &[(at(21, 1), "m.txt")], None));
            let tree = NtfsTree::open(Arc::new(image.build())).unwrap();
            let found = tree.lookup(r"\d\M.TXT").unwrap().unwrap();
            assert_eq!((found.path.as_str(), found.mft), (r"\d\m.txt", Some((21, 1))));
            assert!(said(&tree).contains(words));
        }
    }

    /// Two names that differ in an unpaired surrogate, and one that spells U+FFFD.
    #[test]
    fn names_that_are_no_text_stay_apart() {
        let root = at(5, 5);
        let units: [&[u16]; 3] = [&[0x61, 0xD800], &[0x61, 0xDC00], &[0x61, 0xFFFD]];
        let names = units.map(|units| evidence::name::from_utf16(units.iter().copied()));
        let files = [at(20, 1), at(21, 1), at(22, 1)];
        let mut image = Image::new(64, 40);
        let listed: Vec<_> = files.iter().copied().zip(names.iter().map(String::as_str)).collect();
        image.root(&listed);
        for (file, name) in files.iter().zip(&names) {
            let stream = resident(0x80, name, name.as_bytes());
            image.put(file.entry, record(1, 1, None, &[named(root, name), resident(0x80, "", b"x"), stream]));
            let gone = [named(root, &format!("{name}gone")), resident(0x80, "", b"x")];
            image.put(file.entry + 10, record(1, 0, None, &gone));
        }
        let bytes = image.build();
        let stored: Vec<u8> = [0x61, 0xD800].iter().flat_map(|unit: &u16| unit.to_le_bytes()).collect();
        assert!(bytes.windows(4).any(|part| part == stored), "the volume has the unit itself");
        let tree = NtfsTree::open(Arc::new(bytes)).unwrap();
        assert_eq!(tree.list(&tree.lookup("\\").unwrap().unwrap()).unwrap().len(), 6);
        for (file, name) in files.iter().zip(&names) {
            let found = tree.lookup(&format!("\\{name}:{name}")).unwrap().unwrap();
            assert_eq!((found.path, found.mft), (format!("\\{name}"), Some((file.entry, 1))));
            let deleted = tree.lookup_deleted(&format!("\\{name}GONE"));
            assert_eq!(deleted.iter().map(|found| found.mft.unwrap().0).collect::<Vec<_>>(), [file.entry + 10]);
        }
    }
}
