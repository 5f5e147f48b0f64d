//! Declared places behind junctions and links.

use super::*;
use crate::source::faulty::{Faulty, FaultyTree};
use crate::source::volume::ntfs::NtfsTree;
use crate::source::volume::ntfs::tests::volume_with_links;
use std::sync::Arc;

/// Volume C with links, and where asked for the same again as D.
fn source(with_second: bool) -> Source {
    let mut source = FaultyTree::new(vec![("a", Faulty::new(vec![7; 100]))]).source();
    source.volumes.clear();
    for letter in ['C', 'D'].into_iter().filter(|letter| *letter == 'C' || with_second) {
        let tree = NtfsTree::open(Arc::new(volume_with_links())).unwrap();
        let volume = Volume {
            letter: Some(letter),
            is_system: letter == 'C',
            ..Volume::new(letter.to_string(), VolumeKind::Ntfs)
        };
        source.volumes.push((volume, Some(Arc::new(tree))));
    }
    source
}

fn found(source: &Source, pattern: &'static str) -> (Vec<String>, Vec<String>) {
    let (located, problems) = locate(source, &Reads::File(pattern));
    let paths = located.iter().map(|one| one.original_path(&source.volumes[one.volume].0)).collect();
    (paths, problems.iter().map(|problem| problem.kind.particulars()).collect())
}

#[test]
fn s11_declared_places_are_reached_through_junctions_and_links() {
    let source = source(false);
    for pattern in [
        r"\Data\*.dll",
        r"\Old\*.dll",
        r"\Old\a long name.dll",
        r"\Rel\*",
        r"\Data\Again\Again\*.dll",
        r"\old\again\A LONG*.dll",
    ] {
        assert_eq!(found(&source, pattern), (vec![r"C:\Data\a long name.dll".to_owned()], Vec::new()), "{pattern}");
    }
    assert_eq!(found(&source, r"\Nothing\*.dll"), (Vec::new(), Vec::new()));
}

#[test]
fn s11_a_junction_to_another_volume_is_followed_or_names_where_it_leads() {
    assert_eq!(found(&source(true), r"\Away\*.dll"), (vec![r"D:\Data\a long name.dll".to_owned()], Vec::new()));
    let (paths, said) = found(&source(false), r"\Away\*.dll");
    assert_eq!(paths, [""; 0]);
    let [said] = &said[..] else { panic!("{said:?}") };
    assert!(said.contains(r"C:\Away leads to D:\Data"), "{said}");
    let (paths, said) = found(&source(false), r"\One\x\*.dll");
    assert_eq!((paths.len(), said.len()), (0, 1));
    assert!(said[0].contains("circle"), "{said:?}");
}
