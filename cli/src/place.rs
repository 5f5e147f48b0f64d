//! Where the program writes: folders and files for their owner only, created anew, never through a link and never over
//! what an earlier run left.

use crate::formats::Formats;
use anyhow::Context;
use collector::{Kept, shown};
use evidence::hex;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that lists the digests of an analysis.
pub(crate) const MANIFEST: &str = "manifest-sha256.txt";
/// The file that says of what an analysis is.
pub(crate) const ANALYSIS: &str = "analysis.json";
/// The file that says what the program itself left on a live host.
pub(crate) const FOOTPRINT: &str = "footprint.json";
/// The files over several hosts.
pub(crate) const INDEX: [&str; 2] = ["index.html", "index.json"];

/// Files of an analysis with these files of the timeline that the manifest lists, in its order.
pub(crate) fn hashed_files(timeline: &Formats) -> Vec<&'static str> {
    let mut names = vec![ANALYSIS, "report.html", "report.json"];
    names.extend(timeline.iter().map(|format| format.file_name));
    names.sort_unstable();
    names
}

/// The same of any analysis.
fn all_hashed_files() -> Vec<&'static str> {
    hashed_files(&Formats::default())
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A line of a manifest, as `sha256sum -c` reads it.
pub(crate) fn manifest_line(name: &str, sha256: &str) -> String {
    format!("{sha256}  {name}\n")
}

/// Creates a folder with those above it, for their owner only. One that is there already stays as it is.
pub(crate) fn folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot create {}", shown(path)))
}

/// The same for a folder whose name the source gives: nobody who knew it beforehand leads the output elsewhere with a link.
pub(crate) fn folder_of_host(case: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = case.join(name);
    anyhow::ensure!(!path.is_symlink(), "cannot create {}: a link has that name; remove it", shown(&path));
    folder(&path)?;
    Ok(path)
}

/// A folder for what is not finished. It vanishes with what is returned.
pub(crate) fn temporary(folder: &Path) -> anyhow::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".comtrail-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(folder).with_context(|| format!("cannot write into {}", shown(folder)))
}

/// Creates a file that was not there.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file that was not there; whole, or the error says why not.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    let written = create(&path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", shown(&path)))
}

/// Gives a finished file its name. Only with `replace` may something be there already; a link is then replaced, never
/// followed.
pub(crate) fn publish(from: &Path, to: &Path, replace: bool) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", shown(to));
    if replace {
        return std::fs::rename(from, to).with_context(failed);
    }
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        // Not every file system has hard links. Between the look and the renaming there is a moment in which another
        // program could create the name; that is as close as it gets.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && to.symlink_metadata().is_err() => {
            std::fs::rename(from, to).with_context(failed)
        }
        Err(_) => anyhow::bail!("{} is there already; choose another folder", shown(to)),
    }
}

/// Removes what the analysis that was replaced had and this one has not.
pub(crate) fn remove_unlisted(folder: &Path, timeline: &Formats) -> anyhow::Result<()> {
    let names = hashed_files(timeline);
    for name in all_hashed_files().into_iter().filter(|name| !names.contains(name)) {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", shown(&path)))?;
        }
    }
    Ok(())
}

/// A name of an analysis that is taken in a folder.
pub(crate) fn analysis_in(folder: &Path) -> Option<PathBuf> {
    let mut names = all_hashed_files().into_iter().chain([MANIFEST]).map(|name| folder.join(name));
    names.find(|path| path.symlink_metadata().is_ok())
}

/// Refuses a folder that holds an analysis, unless it is to be replaced. What is none of ours is never replaced.
pub(crate) fn refuse_analysis(folder: &Path, replace: bool) -> anyhow::Result<()> {
    let Some(there) = analysis_in(folder) else { return Ok(()) };
    let says = |name: &str, schema: &str| {
        let path = folder.join(name);
        path.symlink_metadata().is_ok_and(|facts| facts.is_file()) && head(&path).contains(schema)
    };
    anyhow::ensure!(
        replace,
        "{} is there already; choose another folder, or replace this analysis with --force",
        shown(&there)
    );
    anyhow::ensure!(
        says(ANALYSIS, "\"comtrail-analysis/") || says("report.json", "\"comtrail-report/"),
        "{} is there already and belongs to no analysis of this program; choose another folder",
        shown(&there)
    );
    Ok(())
}

/// Refuses a folder for the analyses of several hosts that holds the analysis of one, or that of several unless it is to
/// be replaced.
pub(crate) fn refuse_overview(folder: &Path, replace: bool) -> anyhow::Result<()> {
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    if let Some(there) = all_hashed_files().into_iter().map(|name| folder.join(name)).find(is_there) {
        anyhow::bail!(
            "{} is there already: the folder holds the analysis of one host, and these bundles are of several; choose \
             another folder",
            shown(&there)
        );
    }
    let mut names = INDEX.into_iter().chain([MANIFEST]).map(|name| folder.join(name));
    let Some(there) = names.find(is_there) else { return Ok(()) };
    anyhow::ensure!(
        replace,
        "{} is there already; choose another folder, or replace these analyses with --force",
        shown(&there)
    );
    let index = folder.join(INDEX[1]);
    anyhow::ensure!(
        index.symlink_metadata().is_ok_and(|facts| facts.is_file()) && head(&index).contains("\"comtrail-index/"),
        "{} is there already and belongs to no analysis of this program; choose another folder",
        shown(&there)
    );
    Ok(())
}

/// Refuses to write into an unpacked bundle, which is evidence.
pub(crate) fn refuse_bag(folder: &Path) -> anyhow::Result<()> {
    let real = collector::real_path(folder).with_context(|| format!("cannot look into {}", shown(folder)))?;
    let is_bag = |folder: &&Path| folder.join("bagit.txt").exists() && folder.join("metadata/objects.jsonl").exists();
    match real.ancestors().find(is_bag) {
        Some(bag) => {
            anyhow::bail!("{} is an unpacked bundle, to which nothing is added; choose another folder", shown(bag))
        }
        None => Ok(()),
    }
}

/// Refuses a folder that a run of ours was written into already: before anything is read, since on a live host that is an
/// hour and a second footprint.
pub(crate) fn refuse_second_run(folder: &Path) -> anyhow::Result<()> {
    let overview = INDEX.map(|name| folder.join(name)).into_iter().find(|path| is_overview(path));
    let there = match analysis_in(folder).or(overview) {
        Some(path) => Some((path, "the analysis of an earlier run")),
        None => bundle_in(folder)?,
    };
    match there {
        Some((path, what)) => {
            let left = collector::left_over(&path).map_or_else(String::new, |left| format!(" {left}."));
            anyhow::bail!(
                "{} is there already ({what}).{left} A run never overwrites another one: choose another folder for this one",
                shown(&path)
            )
        }
        None => Ok(()),
    }
}

/// Refuses to collect into a file that is there, or was begun, before anything is read.
pub(crate) fn refuse_existing(bundle: &Path) -> anyhow::Result<()> {
    let mut unfinished = bundle.as_os_str().to_owned();
    unfinished.push(".partial");
    for path in [bundle, Path::new(&unfinished)] {
        let there = path.symlink_metadata().is_ok();
        if there {
            return Err(collector::Error::DestinationExists { path: path.to_owned() }.into());
        }
    }
    Ok(())
}

/// Whether this is an overview of several hosts, or a link that leads to nothing and would be one.
fn is_overview(path: &Path) -> bool {
    let Ok(facts) = path.symlink_metadata() else { return false };
    if !facts.is_file() {
        return true;
    }
    let head = head(path);
    head.contains("comtrail-index/") || head.contains(timeline::PAGE_TITLE)
}

/// The beginning of a file. What makes it ours stands there, or behind what was found wrong with a changed bundle.
fn head(path: &Path) -> String {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, 1 << 20), &mut head));
    read.map(|_| String::from_utf8_lossy(&head).into_owned()).unwrap_or_default()
}

/// A bundle, finished or not, that lies in a folder.
fn bundle_in(folder: &Path) -> anyhow::Result<Option<(PathBuf, &'static str)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // What is in the way and no folder is said when the folder is made. Systems differ in the error for it.
        Err(_) if !folder.is_dir() => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot look into {}", shown(folder))),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths.into_iter().find_map(|path| {
        let what = match collector::kept(&path)? {
            Kept::Bundle(_) => "the bundle of an earlier run",
            Kept::Partial => "the unfinished bundle of an earlier run",
        };
        Some((path, what))
    }))
}

/// Refuses what is neither a file nor a folder, instead of waiting for ever until it says something.
pub(crate) fn refuse_special(path: &Path) -> anyhow::Result<()> {
    match collector::special_file(path) {
        Some(what) => anyhow::bail!("{} is {what}; give a file", shown(path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over_or_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(folder.path(), "new", b"ours").unwrap();
        assert!(write(folder.path(), "new", b"again").is_err());
        publish(&at("new"), &at("named"), false).unwrap();
        assert_eq!(std::fs::read(at("named")).unwrap(), b"ours");
        std::fs::write(at("other"), "somebody's").unwrap();
        assert!(publish(&at("named"), &at("other"), false).is_err());
        assert_eq!(std::fs::read(at("other")).unwrap(), b"somebody's");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode(at("named")), 0o600);
            assert_eq!(mode(temporary(folder.path()).unwrap().path().to_owned()), 0o700);
            super::folder(&at("a/b")).unwrap();
            assert_eq!((mode(at("a")), mode(at("a/b"))), (0o700, 0o700));
            // One link to a file and one to nothing.
            for (link, target) in [("to-file", "other"), ("to-nothing", "absent")] {
                std::os::unix::fs::symlink(at(target), at(link)).unwrap();
                assert!(write(folder.path(), link, b"ours").is_err());
                assert!(publish(&at("named"), &at(link), false).is_err());
                assert!(folder_of_host(folder.path(), link).is_err());
            }
            publish(&at("named"), &at("to-file"), true).unwrap();
            assert!(!at("to-file").is_symlink() && !at("absent").exists());
            assert_eq!(std::fs::read(at("other")).unwrap(), b"somebody's");
        }
    }

    #[test]
    fn only_what_an_earlier_run_left_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path().join("case");
        refuse_second_run(&case).unwrap();
        std::fs::create_dir(&case).unwrap();
        for (name, content) in [("notes.txt", "mine"), ("other.zip", "no zip"), ("index.html", "<p>my pages</p>")] {
            std::fs::write(case.join(name), content).unwrap();
        }
        refuse_second_run(&case).unwrap();
        for (name, content) in [
            ("index.json", "{\"schema\": \"comtrail-index/1\"}"),
            ("report.json", "{}"),
            (MANIFEST, ""),
            (ANALYSIS, "{}"),
            ("timeline.body", ""),
            ("WS-1.zip.partial", ""),
            ("WS-1.zip.partial.log", ""),
            ("x.partial", "PK\x03\x04......................\x0d\0\0\0WS/bagit.txt_"),
        ] {
            let path = case.join(name);
            std::fs::write(&path, content).unwrap();
            let said = refuse_second_run(&case).err().map(|error| error.to_string());
            assert_eq!(said.is_some(), name != "x.partial", "{name}: {said:?}");
            std::fs::write(&path, content.replace("\x0d\0", "\x0c\0")).unwrap();
            let said = refuse_second_run(&case).unwrap_err().to_string();
            assert!(said.contains(name) && said.contains("already"), "{said}");
            std::fs::remove_file(&path).unwrap();
        }
        refuse_second_run(&case).unwrap();
    }
}
