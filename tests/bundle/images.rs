//! Sources made for the tests.

use std::path::Path;

/// A zip archive of a folder, as another program writes it.
pub(crate) fn zip_of(folder: &Path, archive: &Path) {
    fn add(zip: &mut zip::ZipWriter<std::fs::File>, root: &Path, folder: &Path) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                add(zip, root, &path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
                std::io::copy(&mut std::fs::File::open(&path).unwrap(), zip).unwrap();
            }
        }
    }
    let mut zip = zip::ZipWriter::new(std::fs::File::create(archive).unwrap());
    add(&mut zip, folder, folder);
    zip.finish().unwrap();
}
