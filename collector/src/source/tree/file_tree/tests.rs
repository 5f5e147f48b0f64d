use super::*;

/// A folder whose children come in no order.
struct Many(Vec<String>);

fn child(name: &str) -> Child {
    let key = format!("key of {name}");
    Child { name: name.to_owned(), key, is_folder: false, is_link: false, size: name.len() as u64, times: None }
}

impl Store for Many {
    fn kind(&self) -> crate::source::VolumeKind {
        crate::source::VolumeKind::Folder
    }

    fn method(&self) -> evidence::Method {
        evidence::Method::FileApi
    }

    fn each(&self, folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        if folder.is_empty() { self.0.iter().rev().map(|name| child(name)).try_for_each(take) } else { Ok(()) }
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        let name = file.strip_prefix("key of ").unwrap_or_default();
        // An index that says that the ten bytes of its owner lie behind a hole of twenty.
        let json = r#"{"ranges":[{"file_offset":0,"original_offset":20,"file_length":10,"length":10}]}"#;
        Ok(Arc::new(if name.ends_with(".idx") { json.as_bytes().to_vec() } else { name.as_bytes().to_vec() }))
    }
}

/// A path and its length.
type Sized = (String, u64);

/// What is listed, and what each of these names finds.
fn look(fillers: usize) -> (Vec<Sized>, Vec<Option<Sized>>) {
    let own = ["Plain.txt", "a%20b", "a b", "c%3Ad", "abcdefghij", "abcdefghij.idx", "lone.idx", "f:s"];
    let fillers = (0..fillers).map(|number| format!("filler{number}"));
    let store = Many(own.map(str::to_owned).into_iter().chain(fillers).collect());
    let root = Root { key: String::new(), encoded: true, place: String::new() };
    let tree = FileTree::new(Arc::new(store), vec![root], &[]);
    let told = |found: Found| (found.full_path(), found.size);
    let mut listed = Vec::new();
    tree.each(&tree.lookup("").unwrap().unwrap(), &mut |found| listed.push(told(found))).unwrap();
    listed.retain(|(path, _)| !path.starts_with(r"\filler"));
    listed.sort();
    let names = ["Plain.txt", "PLAIN.TXT", "plain.txt", "A B", "a%20b", "abcdefghij", "abcdefghij.idx", "lone.idx"];
    let names = names.into_iter().chain(["f:s", "missing", "FILLER7"]);
    let found = names.map(|name| tree.lookup(&format!("\\{name}")).unwrap().map(told));
    (listed, found.collect())
}

#[test]
fn a_folder_with_more_names_than_are_kept_is_the_same_as_a_small_one() {
    let (listed, found) = look(10);
    assert_eq!(listed.len(), 7, "all but the index: {listed:?}");
    assert_eq!(look(MAX_KEPT + 1), (listed, found));
}
