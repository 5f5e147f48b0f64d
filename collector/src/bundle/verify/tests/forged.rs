//! Bundles whose files were changed and whose manifests were made to fit.

use super::*;
use crate::bundle::actions;
use crate::digest::sha256;
use std::collections::BTreeMap;

/// A bundle being forged.
#[derive(Clone)]
struct Forged {
    root: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Forged {
    fn new(bytes: &[u8]) -> Self {
        let all = files(bytes);
        let root = all[0].0.split_once('/').unwrap().0.to_owned();
        let strip = |(name, content): (String, Vec<u8>)| (name.split_once('/').unwrap().1.to_owned(), content);
        Forged { root, files: all.into_iter().map(strip).collect() }
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.files[path].clone()).unwrap()
    }

    fn set(&mut self, path: &str, text: String) {
        self.files.insert(path.to_owned(), text.into_bytes());
    }

    fn replace(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from}: {text}");
        self.set(path, text.replacen(from, to, 1));
        self
    }

    /// Makes the manifests fit.
    fn manifests(mut self) -> Vec<u8> {
        let lines = |files: &BTreeMap<String, Vec<u8>>, of: &dyn Fn(&str) -> bool| -> String {
            let listed = files.iter().filter(|(path, _)| of(path));
            listed.map(|(path, content)| format!("{}  {path}\n", hex(&sha256(content)))).collect()
        };
        let manifest = lines(&self.files, &|path| path.starts_with("data/"));
        self.set("manifest-sha256.txt", manifest);
        let tags = lines(&self.files, &|path| !path.starts_with("data/") && !path.starts_with("tagmanifest"));
        self.set("tagmanifest-sha256.txt", tags);
        let files: Vec<_> =
            self.files.iter().map(|(path, content)| (format!("{}/{path}", self.root), content.clone())).collect();
        packed(&files)
    }

    fn actions(&self) -> Vec<BTreeMap<String, Value>> {
        self.text(ACTIONS).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Chains these actions anew, and tells `bag-info.txt`.
    fn chain(mut self, actions: Vec<BTreeMap<String, Value>>) -> Self {
        let (mut last, mut text) = ("0".repeat(64), String::new());
        for (number, mut action) in actions.into_iter().enumerate() {
            action.remove("hash");
            action.insert("seq".to_owned(), number.into());
            action.insert("prev_hash".to_owned(), last.clone().into());
            last = hex(&sha256(format!("{last}{}", serde_json::to_string(&action).unwrap()).as_bytes()));
            action.insert("hash".to_owned(), last.clone().into());
            text.push_str(&serde_json::to_string(&action).unwrap());
            text.push('\n');
        }
        assert_eq!(actions::check(text.as_bytes()).as_ref(), Ok(&last));
        self.set(ACTIONS, text);
        let info = self.text(BAG_INFO);
        let kept = info.lines().filter(|line| !line.starts_with("Collector-Action-Log"));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        self.set(BAG_INFO, format!("{kept}Collector-Action-Log-SHA256: {last}\n"));
        self
    }

    /// As an earlier version sealed it: without the digests in the last action.
    fn older(self) -> Self {
        let mut actions = self.actions();
        actions.last_mut().unwrap().retain(|name, _| !name.ends_with("_sha256"));
        self.chain(actions)
    }
}

fn is_said(bytes: &[u8], words: &str) {
    let said = wrong(bytes);
    assert!(said.iter().any(|what| what.contains(words)), "{words}: {said:#?}");
}

#[test]
fn what_is_not_changed_is_right() {
    let bundle = small();
    let report = said_of(&bundle).unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(report.archive_sha256.as_deref(), Some(hex(&sha256(&bundle)).as_str()));
    let forged = Forged::new(&bundle);
    assert_eq!(report.log_head.as_deref(), forged.actions().last().unwrap()["hash"].as_str());
    let tags = forged.files["tagmanifest-sha256.txt"].clone();
    assert_eq!(report.tag_manifest_sha256, Some(hex(&sha256(&tags))));
    assert_eq!(wrong(&forged.manifests()), [] as [&str; 0]);
}

/// Everything is compared with the log: with digests in its last action, and by what its lines say in older bundles.
#[test]
fn the_log_is_compared_with_everything() {
    let bundle = Forged::new(&small());
    let object = r#""size":300,"stored_size":300"#;
    assert!(bundle.text(OBJECTS).contains(object));
    let without = |path: &str, word: &str| {
        let mut forged = bundle.clone();
        let kept: String =
            bundle.text(path).lines().filter(|line| !line.contains(word)).map(|line| format!("{line}\n")).collect();
        forged.set(path, kept);
        forged
    };
    let mut payload = bundle.clone();
    let log = payload.files.keys().find(|path| path.ends_with("a.log")).unwrap().clone();
    let before = hex(&sha256(&payload.files[&log]));
    payload.files.get_mut(&log).unwrap()[0] ^= 1;
    let after = hex(&sha256(&payload.files[&log]));
    let changes = [
        (payload.replace(OBJECTS, &before, &after), "was not acquired as it is described"),
        (bundle.clone().replace(OBJECTS, r#""status":"partial""#, r#""status":"complete""#), "was not acquired as"),
        (bundle.clone().replace(OBJECTS, "a.log", "b.log"), "no line describes the object"),
        (without(FAILURES, "could not be read"), "an error that the action log has of an object is not in it"),
        (
            bundle.clone().replace(BAG_INFO, "Status: complete", "Status: interrupted"),
            "is not what the action log says",
        ),
        (bundle.clone().replace(BAG_INFO, "Objects: 4", "Objects: 5"), "Collector-Objects is not 4"),
        (bundle.clone().replace(HOST, r#""kind": "ntfs""#, r#""kind": "fat""#), "does not have the volumes"),
        (bundle.clone().replace(TOOL, r#""version": """#, r#""version": "2""#), "does not name the program"),
    ];
    for (forged, words) in changes {
        is_said(&forged.clone().manifests(), "is not the file that the action log sealed");
        is_said(&forged.clone().manifests(), words);
        is_said(&forged.older().manifests(), words);
    }
    // What the lines of the log do not say, its last action does.
    let more = [
        bundle.clone().replace(HOST, r#""name": "host""#, r#""name": "other""#),
        bundle.clone().replace(TOOL, r#""max_rounds": 8"#, r#""max_rounds": 9"#),
        bundle.clone().replace(BAG_INFO, "Bagging-Date: 1601", "Bagging-Date: 1701"),
        bundle.clone().replace(OBJECTS, r#""wanted_by":["everything"]"#, r#""wanted_by":["lead"]"#),
        bundle.clone().replace(FAILURES, "could not be read: bad sector", "could not be read: good sector"),
    ];
    for forged in more {
        is_said(&forged.manifests(), "is not the file that the action log sealed");
    }
}

#[test]
fn the_end_of_the_log_is_missed() {
    let bundle = Forged::new(&small());
    let mut actions = bundle.actions();
    actions.pop();
    is_said(&bundle.clone().chain(actions).manifests(), "does not end with the action that seals");
    let acquired = |action: &BTreeMap<String, Value>| action["action"] == "acquire";
    let none: Vec<_> = bundle.actions().into_iter().filter(|action| !acquired(action)).collect();
    is_said(&bundle.clone().chain(none).manifests(), "found objects and acquired none");
}

#[test]
fn complete_without_an_object_is_not_complete() {
    let report = said_of(&bundle_of(Vec::new())).unwrap();
    assert!(report.is_valid() && !report.is_complete(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("holds no object")), "{report:#?}");
}

#[test]
fn a_bundle_of_an_earlier_version_is_valid_and_that_is_said() {
    let report = said_of(&Forged::new(&small()).older().manifests()).unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("not recorded")), "{report:#?}");
    // The empty digest that earlier versions wrote for an object that was not obtained.
    let bundle = bundle_of(vec![("a", Faulty::new(vec![7; 10]).gone_after(0)), ("b", Faulty::new(vec![1; 10]))]);
    let forged = Forged::new(&bundle).replace(OBJECTS, r#""sha256":"","#, r#""sha256":"","sha512":"","#).older();
    assert_eq!(wrong(&forged.manifests()), [] as [&str; 0]);
}

/// Whoever makes everything anew gets a valid bundle; the hashes that were written down show it.
#[test]
fn a_forgery_is_found_by_the_hashes_that_were_written_down() {
    let bytes = small();
    let genuine = said_of(&bytes).unwrap();
    let mut forged = Forged::new(&bytes).replace(HOST, r#""name": "host""#, r#""name": "other""#);
    forged = forged.replace(BAG_INFO, "collected from host", "collected from other");
    let mut actions = forged.actions();
    let info = forged.text(BAG_INFO);
    let kept: String =
        info.lines().filter(|line| !line.contains("Action-Log")).map(|line| format!("{line}\n")).collect();
    let last = actions.last_mut().unwrap();
    last.insert("host_sha256".to_owned(), hex(&sha256(&forged.files[HOST])).into());
    last.insert("bag_info_sha256".to_owned(), hex(&sha256(kept.as_bytes())).into());
    let mut report = said_of(&forged.chain(actions).manifests()).unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert_ne!((&report.archive_sha256, &report.log_head), (&genuine.archive_sha256, &genuine.log_head));
    let mut right = genuine.clone();
    right.expect(genuine.archive_sha256.as_deref(), genuine.log_head.as_deref());
    assert!(right.is_valid());
    report.expect(None, genuine.log_head.as_deref());
    assert_eq!(report.wrong.iter().map(|wrong| wrong.kind).collect::<Vec<_>>(), [WrongKind::Expected]);
    report.expect(genuine.archive_sha256.as_deref(), None);
    assert_eq!(report.wrong.len(), 2);
}

#[test]
fn metadata_that_is_not_of_its_form() {
    let bundle = Forged::new(&small());
    for (path, from, to, words) in [
        (HOST, r#""name""#, r#""more": 1, "name""#, "not of its form: more"),
        (HOST, r#""searched": true"#, r#""searched": "yes""#, "invalid type"),
        (HOST, r#""windows": null,"#, "", "missing"),
        (HOST, r#""facts": {}"#, r#""facts": {"a": "1", "a": "2"}"#, "stands in it twice"),
        (TOOL, "{", "[{", "not of its form"),
        (TOOL, r#""limits": {"#, r#""limits": {"x": "#, "not of its form"),
        (OBJECTS, r#""round":0"#, r#""round":0,"round":0"#, "stands in it twice"),
        (OBJECTS, r#""round":0"#, r#""round":0,"hidden":"x""#, "not of its form: hidden"),
        (OBJECTS, r#"{"id":0"#, r#"{"id":1"#, "another id than its place"),
        (OBJECTS, "{", "x{", "describes no object"),
        (FAILURES, r#""stage":"acquire""#, r#""stage":"acquire","x":1"#, "not of its form: x"),
        (FAILURES, r#""kind":"read_failed""#, r#""kind":"other""#, "describes no problem"),
        (ACTIONS, r#"{"action""#, r#"{ "action""#, "not in the canonical form"),
        (BAG_INFO, "Payload-Oxum: ", "Payload-Oxum: 1.1\nPayload-Oxum: ", "has Payload-Oxum twice"),
        (BAG_INFO, "Payload-Oxum: ", "Payload-Oxum:", "is not `label: value`"),
        (BAG_INFO, "Collector-Problems", "Collector-Other", "does not say Collector-Problems"),
        ("bagit.txt", "1.0\n", "1.0\nmore\n", "nothing else"),
        ("bagit.txt", "1.0\n", "1.0\r\n", "nothing else"),
    ] {
        is_said(&bundle.clone().replace(path, from, to).manifests(), words);
    }
}

#[test]
fn manifests_in_another_spelling() {
    let bytes = small();
    let original = files(&bytes);
    let change = |name: &str, change: &dyn Fn(String) -> String| {
        let mut files = original.clone();
        let file = files.iter_mut().find(|(path, _)| path.ends_with(&format!("/{name}"))).unwrap();
        file.1 = change(String::from_utf8(file.1.clone()).unwrap()).into_bytes();
        packed(&files)
    };
    let reversed = |text: String| text.lines().rev().map(|line| format!("{line}\n")).collect::<String>();
    let spellings: [&dyn Fn(String) -> String; 7] = [
        &|text| text.to_uppercase(),
        &|text| text.replace("  ", " *"),
        &|text| text.replace('\n', "\r\n"),
        &reversed,
        &|text| format!("{text}\n"),
        &|text| text.trim_end().to_owned(),
        &|text| format!("{text}{}  data/none\n", "0".repeat(64)),
    ];
    for (index, spelling) in spellings.into_iter().enumerate() {
        assert!(!wrong(&change("tagmanifest-sha256.txt", spelling)).is_empty(), "{index}");
    }
    let rename = |from: &str, to: &str| {
        let mut files = original.clone();
        let file = files.iter_mut().find(|(path, _)| path.ends_with(&format!("/{from}"))).unwrap();
        file.0 = file.0.replace(from, to);
        packed(&files)
    };
    is_said(&rename("tagmanifest-sha256.txt", "TagManifest-SHA256.txt"), "is a manifest of another name");
    is_said(&rename("manifest-sha256.txt", "manifest-sha-256.txt"), "is a manifest of another name");
}

#[test]
fn payload_that_only_a_tag_manifest_lists() {
    let mut files = files(&small());
    let root = files[0].0.split_once('/').unwrap().0.to_owned();
    files.push((format!("{root}/data/raw/hidden"), b"hidden".to_vec()));
    let tags = files.iter_mut().find(|(path, _)| path.ends_with("/tagmanifest-sha256.txt")).unwrap();
    tags.1.extend(format!("{}  data/raw/hidden\n", hex(&sha256(b"hidden"))).into_bytes());
    let bytes = packed(&files);
    is_said(&bytes, "data/raw/hidden: was added: no manifest in which it belongs lists it");
    is_said(&bytes, "is payload, and listed among the tag files");
}

#[test]
fn the_digest_of_the_whole_file_is_computed_anew() {
    let bytes = with_hole();
    assert_eq!(wrong(&bytes), [] as [&str; 0]);
    let bundle = Forged::new(&bytes);
    let item: Value = bundle
        .text(OBJECTS)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|item: &Value| item["size"] == 3 << 20)
        .unwrap();
    // head -c 100 /dev/zero | tr '\0' '\1' and so on, put together by hand and given to another implementation.
    let mut whole = vec![0u8; 3 << 20];
    whole[..100].fill(1);
    whole[3 << 19..(3 << 19) + 100].fill(2);
    let expected = hex(&sha256(&whole));
    assert_eq!(item["file_sha256"], expected.as_str());
    is_said(&bundle.clone().replace(OBJECTS, &expected, &"0".repeat(64)).manifests(), "holes included, is not the one");
    // Without the digests that the log seals, nothing but the bytes shows it.
    let forged = bundle.clone().older().replace(OBJECTS, &expected, &"0".repeat(64)).manifests();
    while_read::is_said_alike(&forged, &[item["bundle_path"].as_str().unwrap()]);
    is_said(
        &bundle.clone().replace(OBJECTS, r#""offset":1572864"#, r#""offset":1572863"#).manifests(),
        "holes included",
    );
    for (from, to) in [
        (r#""offset":1572864"#, r#""offset":3145720"#),
        (r#""stored_at":100"#, r#""stored_at":99"#),
        (r#""offset":1572864"#, r#""offset":50"#),
    ] {
        is_said(
            &bundle.clone().replace(OBJECTS, from, to).manifests(),
            "stored ranges, in objects.jsonl, are impossible",
        );
    }
}
