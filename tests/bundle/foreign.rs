//! What programs of other people say of a bundle.

use super::*;

/// The text of a file in the bag.
pub(crate) fn member(bundle: &Path, path: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    let name = (0..archive.len())
        .map(|index| archive.by_index(index).unwrap().name().unwrap().into_owned())
        .find(|name| name.ends_with(&format!("/{path}")));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut archive.by_name(&name.unwrap()).unwrap(), &mut text).unwrap();
    text
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn must_run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
}

/// `unzip`, the Python library `bagit` and `sha256sum` accept the bundle, as far as they are installed;
/// with `COMTRAIL_FOREIGN_REQUIRED=1` they have to be.
pub(crate) fn accepts(bundle: &Path) {
    let there = |program: &str, arguments: &[&str]| {
        let there = runs(program, arguments);
        assert!(there || !cfg!(foreign), "{program} {arguments:?} does not run here");
        there
    };
    if !there("unzip", &["-v"]) {
        return;
    }
    must_run(Command::new("unzip").arg("-tq").arg(bundle));
    let folder = tempfile::tempdir().unwrap();
    must_run(Command::new("unzip").arg("-q").arg(bundle).arg("-d").arg(folder.path()));
    let bag = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    if there("python3", &["-c", "import bagit"]) {
        must_run(Command::new("python3").args(["-m", "bagit", "--validate", "--quiet"]).arg(&bag));
    }
    for (program, algorithm) in [("sha256sum", "sha256"), ("sha512sum", "sha512")] {
        if there(program, &["--version"]) {
            for manifest in ["manifest", "tagmanifest"] {
                let manifest = format!("{manifest}-{algorithm}.txt");
                if algorithm == "sha512" && !bag.join(&manifest).exists() {
                    continue;
                }
                must_run(
                    Command::new(program).args(["--check", "--strict", "--quiet"]).arg(manifest).current_dir(&bag),
                );
            }
        }
    }
}

#[test]
fn other_programs_accept_the_bundle() {
    let (_folder, evidence, bundle) = small_host();
    Collection::default().run(&evidence, &bundle, &nothing_named).unwrap();
    accepts(&bundle);
    assert!(!member(&bundle, "metadata/objects.jsonl").contains("sha512"));
    let with_sha512 = _folder.path().join("sha512.zip");
    Collection { sha512: true, ..Collection::default() }.run(&evidence, &with_sha512, &nothing_named).unwrap();
    assert!(member(&with_sha512, "tagmanifest-sha512.txt").contains("  manifest-sha512.txt"));
    accepts(&with_sha512);
}
