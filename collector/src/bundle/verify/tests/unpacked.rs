//! A bundle that was unpacked.

use super::*;

fn unpack(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut root = folder.path().to_owned();
    for (name, content) in files(bytes) {
        let path = folder.path().join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        root = folder.path().join(name.split_once('/').unwrap().0);
    }
    (folder, root)
}

fn said(path: &Path) -> Vec<String> {
    let report = crate::verify(path, 2, &NEVER, &crate::Silent).unwrap();
    assert_eq!(report.archive_sha256, None);
    report.wrong.iter().map(ToString::to_string).collect()
}

#[test]
fn an_unpacked_bundle_is_checked_like_the_archive() {
    let bytes = small();
    let (folder, root) = unpack(&bytes);
    let report = crate::verify(&root, 2, &NEVER, &crate::Silent).unwrap();
    assert!(report.is_complete(), "{report:#?}");
    let packed = said_of(&bytes).unwrap();
    assert_eq!((report.log_head, report.tag_manifest_sha256), (packed.log_head, packed.tag_manifest_sha256));
    assert_eq!((report.files, report.bytes, report.tag_files), (packed.files, packed.bytes, packed.tag_files));
    assert_eq!(said(folder.path()), [] as [&str; 0], "the folder around it");
    let file = std::fs::read_dir(root.join("data/raw/volume-at-0")).unwrap().next().unwrap().unwrap().path();
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&content[..], b"!"].concat()).unwrap();
    assert!(said(&root).iter().any(|what| what.contains("its SHA-256 is")), "{:?}", said(&root));
    std::fs::remove_file(&file).unwrap();
    assert!(said(&root).iter().any(|what| what.contains("is listed in the manifests and missing")));
    std::fs::write(&file, &content).unwrap();
    assert_eq!(said(&root), [] as [&str; 0]);
    std::fs::write(root.join("metadata/new.json"), b"{}").unwrap();
    std::fs::create_dir(root.join("data/raw/nothing")).unwrap();
    let what = said(&root);
    assert!(what.iter().any(|what| what.contains("metadata/new.json: was added")), "{what:?}");
    assert!(what.iter().any(|what| what.contains("data/raw/nothing/: is a folder without any file")), "{what:?}");
    assert!(crate::verify(&root.join("data"), 2, &NEVER, &crate::Silent).is_err());
}

#[cfg(unix)]
#[test]
fn links_and_pipes_in_an_unpacked_bundle_are_never_opened() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, root) = unpack(&small());
    let file = root.join("metadata/host.json");
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(said(&root).iter().any(|what| what == "metadata/host.json: is a symbolic link"), "{:?}", said(&root));
    std::fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    assert!(said(&root).iter().any(|what| what.contains("is a device, pipe or socket")), "{:?}", said(&root));
    std::fs::remove_file(&file).unwrap();
    std::fs::hard_link(&elsewhere, &file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let report = crate::verify(&root, 2, &NEVER, &crate::Silent).unwrap();
    assert!(report.is_valid(), "{report:#?}");
    let notes = report.notes.join("; ");
    assert!(notes.contains("second name") && notes.contains("changed by every user"), "{notes}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(said(&root).iter().any(|what| what.contains("rights of its owner")), "{:?}", said(&root));
}
