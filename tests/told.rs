//! What the terminal tells when something did not come to its end, and by which words it calls what it made.

use crate::program::{comtrail, text};
use crate::way_out::{archive, verifies};
use std::path::Path;
use std::process::Output;

fn said(output: &Output) -> String {
    // Where a line is broken depends on the width only.
    let all = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ends(code: i32, arguments: &[&str]) -> String {
    let output = comtrail(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn bundle(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    let source = archive(folder, 1 << 20);
    ends(2, &["collect", text(&source), "-o", text(&path)]);
    path
}

#[test]
fn who_meets_what_a_killed_collection_left_is_told_how_to_recover_it() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, partial) = (bundle(folder.path(), "a.zip"), folder.path().join("b.zip.partial"));
    let bytes = std::fs::read(whole).unwrap();
    std::fs::write(&partial, &bytes[..bytes.len() / 2]).unwrap();
    let (source, wanted) = (folder.path().join("triage.zip"), folder.path().join("b.zip"));
    let (source, left, wanted) = (text(&source), text(&partial), text(&wanted));
    let case = folder.path().join("case");
    std::fs::create_dir(&case).unwrap();
    let words = |of: &str| {
        format!(
            "{of}.zip.partial was left by an unfinished collection: `comtrail recover {of}.zip.partial -o {of}-recovered.zip` makes a bundle of it"
        )
    };
    let here = words(text(&folder.path().join("b")));
    for arguments in [
        &["verify", left][..],
        &["analyze", left, "-o", text(&folder.path().join("other"))],
        &["collect", source, "--resume", left],
        &["collect", source, "-o", wanted],
    ] {
        let told = ends(1, arguments);
        assert!(told.contains(&here), "{arguments:?}: {told}");
    }
    std::fs::copy(&partial, case.join("b.zip.partial")).unwrap();
    let told = ends(1, &["run", source, "-o", text(&case)]);
    assert!(told.contains(&words(text(&case.join("b")))), "{told}");
    // What is nothing that a collection leaves is not said to be.
    let (other, made) = (folder.path().join("c.zip.partial"), folder.path().join("c.zip"));
    std::fs::write(&other, "something else").unwrap();
    let told = ends(1, &["recover", text(&other), "-o", text(&folder.path().join("r.zip"))]);
    assert!(told.contains("nothing can be recovered from") && !told.contains("makes a bundle of it"), "{told}");
    assert!(!made.exists());
}

#[test]
fn a_collection_that_was_killed_before_it_was_renamed_is_recovered_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let whole = bundle(folder.path(), "a.zip");
    let bytes = std::fs::read(whole).unwrap();
    let (partial, made) = (folder.path().join("k.zip.partial"), folder.path().join("r.zip"));
    std::fs::write(&partial, &bytes).unwrap();
    std::fs::write(folder.path().join("k.zip.partial.log"), "").unwrap();
    let told = ends(0, &["verify", text(&partial)]);
    assert!(
        told.contains("complete and valid") && told.contains("it has not got its name: `comtrail recover"),
        "{told}"
    );
    let told = ends(0, &["recover", text(&partial), "-o", text(&made)]);
    assert!(told.contains("it is complete: it was only not renamed"), "{told}");
    assert_eq!(std::fs::read(&made).unwrap(), bytes);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("r.zip.")), "{left:?}");
    verifies(&made);
    // One byte less, and it is what any killed collection leaves.
    let (short, made) = (folder.path().join("s.zip.partial"), folder.path().join("s.zip.new"));
    std::fs::write(&short, &bytes[..bytes.len() - 1]).unwrap();
    let told = ends(2, &["recover", text(&short), "-o", text(&made)]);
    assert!(told.contains("not known whether all was read of ") && !told.contains("only not renamed"), "{told}");
}

#[cfg(unix)]
#[test]
fn run_says_why_it_was_interrupted_and_how_to_go_on() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let (source, case) = (archive(folder.path(), 1 << 30), folder.path().join("case"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_comtrail"))
        .args(["run", text(&source), "-o", text(&case)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = || {
        let names = std::fs::read_dir(&case).into_iter().flatten().map(|entry| entry.unwrap().path());
        names.into_iter().find(|path| text(path).ends_with(".zip.partial.log"))
    };
    let begun =
        || journal().and_then(|path| std::fs::read_to_string(path).ok()).is_some_and(|it| it.contains("{\"reading\":"));
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let told = said(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("interrupted the program was told to end; what was collected until then is sealed"),
        "{told}"
    );
    let bundle = std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
    let bundle = bundle.into_iter().find(|path| text(path).ends_with(".zip")).unwrap();
    let command = format!("comtrail collect {} --resume {}", text(&source), text(&bundle));
    assert!(told.contains(&format!("go on with {command}")), "{told}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    // One member of the archive is damaged, which is a problem of every collection of it.
    ends(2, &words);
    assert!(
        folder
            .path()
            .join("case")
            .join(text(&bundle).rsplit('/').next().unwrap().replace(".zip", "-part2.zip"))
            .exists()
    );
}
