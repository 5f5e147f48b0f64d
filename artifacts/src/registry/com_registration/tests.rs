use super::*;
use crate::formats::hive::HiveFile;
use crate::formats::hive::writer::{self, KeySpec, delete_key, delete_value, dirty, entry, hive, new_log};
use evidence::{Bytes, Filetime, Input, Integrity, Locator, Problem, ProblemKind, Value, When};

const CLSID: &str = "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}";
const CODE_BASE: &str = "file:///C:/AtomicRedTeam/T1121.DLL";
const ASSEMBLY: &str = "T1121, Version=0.0.0.0, Culture=neutral, PublicKeyToken=cb1364609f40a1dc";
const WRITTEN: u64 = 132_080_211_807_670_000;

fn managed(key: KeySpec) -> KeySpec {
    key.text("Class", "regsvcser.Bypass")
        .text("Assembly", ASSEMBLY)
        .text("RuntimeVersion", "v4.0.30319")
        .text("CodeBase", CODE_BASE)
}

/// The keys that the tools write for one class.
fn class(clsid: &str, server: &str) -> KeySpec {
    let inproc = KeySpec::new("InprocServer32").written(WRITTEN).text("", server).text("ThreadingModel", "Both");
    let version = managed(KeySpec::new("0.0.0.0").written(WRITTEN + 3));
    KeySpec::new(clsid)
        .written(WRITTEN + 1)
        .text("", "regsvcser.Bypass")
        .key(managed(inproc).key(version))
        .key(KeySpec::new("ProgId").text("", "regsvcser.Bypass"))
        .at("Implemented Categories", KeySpec::new("{62C8FE65-4EBB-45e7-B440-6E39B2CDBF29}"))
}

fn native(clsid: &str) -> KeySpec {
    let inproc =
        KeySpec::new("InprocServer32").text("", r"C:\Windows\System32\shell32.dll").text("ThreadingModel", "Both");
    KeySpec::new(clsid).text("", "Shell").key(inproc)
}

/// A SOFTWARE hive of a 64-bit Windows.
fn software() -> KeySpec {
    KeySpec::new("ROOT")
        .at(r"Microsoft\Windows NT", KeySpec::new("CurrentVersion").text("BuildLabEx", "17763.1.amd64fre.rs5_release"))
        .at(r"Classes\CLSID", native("{00021401-0000-0000-C000-000000000046}"))
}

fn parse_bytes(bytes: &dyn Bytes, logs: &[(&str, &Vec<u8>)]) -> (Vec<Record>, Vec<Problem>) {
    let mut records = Vec::new();
    let companions = logs.iter().map(|(name, log)| (*name, *log as &dyn Bytes)).collect();
    let input = Input { companions, ..Input::new(r"C:\Windows\System32\config\SOFTWARE", bytes) };
    let problems = ARTIFACT.parse_alone(&input, &mut |record| records.push(record));
    (records, problems)
}

fn field<'a>(record: &'a Record, name: &str) -> &'a str {
    record.fields.text(name).unwrap_or("")
}

#[test]
fn every_field_of_a_registration() {
    let mut spec = class("{17c7da62-8517-3df1-a67c-bd4bcd2c5c3f}", "mscoree.dll")
        .text("AppID", "{A}")
        .key(KeySpec::new("TypeLib").text("", "{L}"))
        .key(KeySpec::new("TreatAs").text("", "{T}"));
    spec = spec.at("InprocServer32", KeySpec::new("1.0.0.0").text("CodeBase", "http://x/y.dll").dword("extra", 5));
    let bytes = hive(&software().at(r"Classes\Wow6432Node\CLSID", spec), 0);
    let (records, problems) = parse_bytes(&bytes, &[]);
    assert_eq!(problems, []);
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((record.artifact, record.of.name), ("com-registration", "windows:registry:com_class"));
    assert_eq!(record.subject, CLSID);
    for (name, value) in [
        ("Clsid", CLSID),
        ("View", "32"),
        ("Name", "regsvcser.Bypass"),
        ("Server", "mscoree.dll"),
        ("Class", "regsvcser.Bypass"),
        ("Assembly", ASSEMBLY),
        ("RuntimeVersion", "v4.0.30319"),
        ("CodeBase", CODE_BASE),
        ("ThreadingModel", "Both"),
        ("ProgId", "regsvcser.Bypass"),
        ("TypeLib", "{L}"),
        ("AppId", "{A}"),
        ("TreatAs", "{T}"),
        ("State", "current"),
        ("Key", r"Classes\Wow6432Node\CLSID\{17c7da62-8517-3df1-a67c-bd4bcd2c5c3f}"),
    ] {
        assert_eq!(field(record, name), value, "{name}");
    }
    let categories = record.fields.get("Categories").unwrap();
    assert_eq!(categories.items(), [Value::from("{62C8FE65-4EBB-45e7-B440-6E39B2CDBF29}")]);
    let versions = record.fields.get("Versions").unwrap().items();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0].get("Version").unwrap().as_text(), Some("0.0.0.0"));
    assert_eq!(versions[0].get("Assembly").unwrap().as_text(), Some(ASSEMBLY));
    assert_eq!(versions[0].get("LastWritten").unwrap().as_time(), Some(Filetime(WRITTEN + 3)));
    assert_eq!(versions[1].get("extra").unwrap().as_number(), Some(5));
    assert!(record.fields.get("Other").is_none());
    let moments: Vec<_> = record.moments.iter().map(|moment| (moment.when, moment.locator.clone())).collect();
    let key = field(record, "Key");
    for ((when, locator), (ticks, path)) in
        moments.iter().zip([(WRITTEN, format!(r"{key}\InprocServer32")), (WRITTEN + 1, key.to_owned())])
    {
        assert!(matches!(when, When::At(at) if at.ticks == Filetime(ticks)), "{when:?}");
        assert!(matches!(locator.as_deref(), Some(Locator::RegistryKey { key, value: None, .. }) if *key == path));
    }
    let Locator::RegistryKey { key: at, value: None, offset } = &record.locator else { panic!() };
    assert_eq!((at.as_str(), &bytes[*offset as usize..][..2]), (key, &b"nk"[..]));
    assert_eq!(leads(record), [Lead::Path(CODE_BASE.to_owned()), Lead::Path("http://x/y.dll".to_owned())]);
}

#[test]
fn what_is_a_managed_class() {
    let server = |server: &str| KeySpec::new("InprocServer32").text("", server);
    for (is_one, key) in [
        (true, server("mscoree.dll")),
        (true, server("MSCOREE.DLL")),
        (true, server("mscoree")),
        (true, server(r#""C:\Windows\System32\mscoree.dll""#)),
        (true, server(r"%SystemRoot%\SysWOW64\MsCoree.dll ")),
        (true, server("C:/Windows/System32/mscoree.dll")),
        (true, server("other.dll").text("assembly", "x")),
        (true, server("other.dll").key(KeySpec::new("1.0.0.0").text("Class", "x"))),
        (false, server("other.dll").key(KeySpec::new("1.0.0.0").text("Other", "x"))),
        (false, server(r"C:\mscoree.dll\other.dll")),
        (false, server("mscoree2.dll")),
        (false, server("")),
    ] {
        let bytes = hive(&software().at(r"Classes\CLSID", KeySpec::new("{A}").key(key.clone())), 0);
        assert_eq!(parse_bytes(&bytes, &[]).0.len(), usize::from(is_one), "{key:?}");
    }
}

#[test]
fn views_and_value_types() {
    let view = |root: KeySpec| {
        let (records, problems) = parse_bytes(&hive(&root, 0), &[]);
        assert_eq!(problems, []);
        records.iter().map(|record| (field(record, "View").to_owned(), record.user.clone())).collect::<Vec<_>>()
    };
    let one = |view: &str| vec![(view.to_owned(), None)];
    let it = || class(CLSID, "mscoree.dll");
    assert_eq!(view(software().at(r"Classes\CLSID", it())), one("64"));
    assert_eq!(view(software().at(r"Wow6432Node\Classes\CLSID", it())), one("32"));
    let twice = software().at(r"Classes\Wow6432Node\CLSID", it()).at(r"Wow6432Node\Classes\CLSID", it());
    assert_eq!(view(twice), one("32"), "the same twice is one registration");
    let other = class(CLSID, "mscoree.dll").text("AppID", "changed");
    let both = software().at(r"Classes\Wow6432Node\CLSID", it()).at(r"Wow6432Node\Classes\CLSID", other);
    assert_eq!(view(both).len(), 2, "what differs is kept");
    // 32-bit Windows, by its build and by the absence of the other view.
    let windows_32 = |lab| {
        let version = KeySpec::new("CurrentVersion").text("BuildLabEx", lab);
        KeySpec::new("ROOT").at(r"Microsoft\Windows NT", version).at(r"Classes\CLSID", it())
    };
    assert_eq!(view(windows_32("7601.17727.x86fre.win7sp1_gdr")), one("32"));
    assert_eq!(view(windows_32("2600.xpsp.080413-2111")), one("32"));
    assert_eq!(view(windows_32("2600.xpsp.080413-2111").key(KeySpec::new("Wow6432Node"))), one("64"));

    let user = "S-1-5-21-1-2-3-1001";
    let classes = KeySpec::new(&format!("{user}_Classes")).at("CLSID", it());
    assert_eq!(view(classes), [("user".to_owned(), Some(user.to_owned()))]);
    assert_eq!(view(KeySpec::new("ROOT").at(r"Wow6432Node\CLSID", it())), one("user"));
    assert_eq!(view(KeySpec::new("ROOT").at(r"Software\Classes\CLSID", it())), one("user"));
    let mirrored = KeySpec::new("ROOT").at(r"VirtualStore\MACHINE\SOFTWARE\Classes\CLSID", it());
    assert_eq!(view(mirrored), one("user"));

    let version = managed(KeySpec::new("1.2.3.4").written(77));
    let (records, _) = parse_bytes(&hive(&software().at(r"Classes\Record\{b}", version), 0), &[]);
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(record.of.name, "windows:registry:com_record");
    assert_eq!((field(record, "Guid"), field(record, "Version"), field(record, "View")), ("{B}", "1.2.3.4", "64"));
    assert_eq!(field(record, "Key"), r"Classes\Record\{b}\1.2.3.4");
    assert_eq!(leads(record), [Lead::Path(CODE_BASE.to_owned())]);
}

#[test]
fn a_system_hive_has_no_registrations() {
    let root = KeySpec::new("ROOT")
        .at("Select", KeySpec::new("x"))
        .at(r"Software\Classes\CLSID", class(CLSID, "mscoree.dll"))
        .at("ControlSet001", KeySpec::new("AppCompatCache").text("CacheMainSdb", r"C:\x\regasm.exe"));
    assert_eq!(parse_bytes(&hive(&root, 0), &[]).0, []);
}

fn states(records: &[Record]) -> Vec<(&str, &str)> {
    records.iter().map(|record| (record.subject.as_str(), field(record, "State"))).collect()
}

#[test]
fn states_before_and_after_the_logs() {
    let with = |keys: &[KeySpec]| {
        let root = keys.iter().fold(software(), |root, key| root.at(r"Classes\CLSID", key.clone()));
        dirty(hive(&root, 8_000), 8, 7)
    };
    let moved = class("{CHANGED}", "mscoree.dll").at("InprocServer32", KeySpec::new("9.9.9.9").text("CodeBase", "x"));
    let (same, new) = (class("{SAME}", "mscoree.dll"), class("{NEW}", "mscoree.dll"));
    let (gone, changed) = (class("{GONE}", "mscoree.dll"), class("{CHANGED}", "mscoree.dll"));
    let before = with(&[same.clone(), gone, changed]);
    let after = with(&[same, new, moved]);
    let log = new_log(&before, 40, &[entry(&before, &after, 40)]);
    let (records, problems) = parse_bytes(&before, &[(r"C:\Windows\System32\config\SOFTWARE.LOG2", &log)]);
    assert!(matches!(problems.as_slice(), [Problem { kind: ProblemKind::Dirty, .. }]), "{problems:?}");
    let live: Vec<_> = states(&records).into_iter().filter(|(_, state)| *state != "deleted").collect();
    assert_eq!(
        live,
        [
            ("{CHANGED}", "current"),
            ("{CHANGED}", "before_log"),
            ("{NEW}", "log_only"),
            ("{SAME}", "current"),
            ("{GONE}", "before_log"),
        ]
    );
    // A log that is not this hive's companion changes nothing.
    let (records, _) = parse_bytes(&before, &[("OTHER.dat", &log)]);
    assert!(states(&records).iter().all(|(_, state)| *state == "current"));
}

/// What unregistering does: the values one by one, then the keys that became empty.
fn unregister(bytes: &mut Vec<u8>, path: &str) {
    let offset = |bytes: &Vec<u8>, path: &str| {
        HiveFile::load(bytes, &[], &mut Vec::new()).unwrap().reader().key(path).unwrap().offset() as usize
    };
    let inproc = format!(r"{path}\InprocServer32");
    for key in [format!(r"{inproc}\0.0.0.0"), inproc] {
        let at = offset(bytes, &key);
        for name in ["Class", "Assembly", "RuntimeVersion", "CodeBase"] {
            delete_value(bytes, at, name);
        }
        if key.ends_with("InprocServer32") {
            delete_value(bytes, at, "");
            delete_value(bytes, at, "ThreadingModel");
        }
        delete_key(bytes, at);
    }
    let categories = format!(r"{path}\Implemented Categories");
    for key in
        [format!(r"{categories}\{{62C8FE65-4EBB-45e7-B440-6E39B2CDBF29}}"), categories, format!(r"{path}\ProgId")]
    {
        let at = offset(bytes, &key);
        delete_key(bytes, at);
    }
    let at = offset(bytes, path);
    delete_key(bytes, at);
}

#[test]
fn what_unregistering_leaves() {
    let root =
        software().at(r"Classes\CLSID", class(CLSID, "mscoree.dll")).at(r"Classes\CLSID", class("{B}", "mscoree.dll"));
    let mut bytes = hive(&root, 0);
    unregister(&mut bytes, &format!(r"Classes\CLSID\{CLSID}"));
    let (records, problems) = parse_bytes(&bytes, &[]);
    assert_eq!(problems, []);
    assert_eq!(states(&records)[..2], [("{B}", "current"), (CLSID, "deleted")]);
    let deleted = &records[1];
    assert_eq!(deleted.integrity, Integrity::Recovered);
    assert!(deleted.claims.contains(&Claim::Deleted));
    assert_eq!(field(deleted, "Key"), format!(r"Classes\CLSID\{CLSID}"));
    assert_eq!(field(deleted, "View"), "64");
    assert_eq!(deleted.moments.len(), 2);
    let versions = deleted.fields.get("Versions").unwrap().items();
    assert_eq!(versions[0].get("Version").unwrap().as_text(), Some("0.0.0.0"));
    // The values without their key: those of InprocServer32 and those of the version key.
    let mut values: Vec<_> = records[2..].iter().map(|record| (record.of.name, field(record, "ValueName"))).collect();
    values.sort_unstable();
    let twice = |name| [("windows:registry:com_value", name); 2];
    assert_eq!(values, [twice("Assembly"), twice("Class"), twice("CodeBase"), twice("RuntimeVersion")].concat());
    assert!(records[2..].iter().any(|record| leads(record) == [Lead::Path(CODE_BASE.to_owned())]));
}

#[test]
fn a_key_that_was_deleted_at_once_keeps_its_values() {
    let mut bytes = hive(&software().at(r"Classes\Wow6432Node\CLSID", class(CLSID, "mscoree.dll")), 0);
    let path = format!(r"Classes\Wow6432Node\CLSID\{CLSID}\InprocServer32");
    for path in [format!(r"{path}\0.0.0.0"), path] {
        let key = HiveFile::load(&bytes, &[], &mut Vec::new()).unwrap().reader().key(&path).unwrap().offset();
        delete_key(&mut bytes, key as usize);
    }
    let (records, _) = parse_bytes(&bytes, &[]);
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((field(record, "State"), field(record, "View")), ("deleted", "32"));
    assert_eq!((field(record, "Server"), field(record, "CodeBase")), ("mscoree.dll", CODE_BASE));
    assert_eq!(record.fields.get("Versions").unwrap().items()[0].get("CodeBase").unwrap().as_text(), Some(CODE_BASE));
    // The same keys still live elsewhere in the hive: an old copy says nothing new.
    let mut again = hive(&software().at(r"Classes\CLSID", class(CLSID, "mscoree.dll")), 4_000);
    let inproc = HiveFile::load(&again, &[], &mut Vec::new()).unwrap();
    let key = inproc.reader().key(&format!(r"Classes\CLSID\{CLSID}\InprocServer32")).unwrap().offset() as usize;
    drop(inproc);
    let copy = again[key - 4..key + 92].to_vec();
    let free = again.len() - 2_000;
    let free = free - free % 8;
    again[free..free + copy.len()].copy_from_slice(&copy);
    let (records, _) = parse_bytes(&again, &[]);
    assert_eq!(states(&records), [(CLSID, "current")]);
}

#[test]
fn native_classes_leave_no_deleted_records() {
    let mut bytes = hive(&software().at(r"Classes\CLSID", native("{N}")), 0);
    let path = r"Classes\CLSID\{N}\InprocServer32";
    let key = HiveFile::load(&bytes, &[], &mut Vec::new()).unwrap().reader().key(path).unwrap().offset();
    delete_key(&mut bytes, key as usize);
    assert_eq!(parse_bytes(&bytes, &[]).0, []);
}

#[test]
fn a_registration_that_would_fill_the_memory_is_cut_and_said() {
    let mut inproc = KeySpec::new("InprocServer32").text("", "mscoree.dll").text("Class", "A.B");
    for number in 0..300 {
        inproc = inproc.text(&format!("v{number:03}"), &"x".repeat(8_000));
    }
    let root = software().at(&format!(r"Classes\CLSID\{CLSID}"), inproc);
    let (records, problems) = parse_bytes(&hive(&root, 0), &[]);
    let [record] = records.as_slice() else { panic!("{}", records.len()) };
    assert_eq!((field(record, "Server"), field(record, "Class")), ("mscoree.dll", "A.B"));
    // 130 values of 8,000 characters and what holds them are a mebibyte.
    let Value::Map(other) = record.fields.get("Other").unwrap().to_value() else { panic!("{record:?}") };
    assert!((120..=131).contains(&other.len()), "{}", other.len());
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.kind, ProblemKind::LimitReached);
}

/// Each of them has to be compared with those before.
#[test]
fn many_registrations_of_one_name_end() {
    let mut root = software();
    for number in 0..3_000 {
        let inproc = KeySpec::new("InprocServer32").text("", "mscoree.dll").text("Class", &format!("A.B{number}"));
        root = root.at(r"Classes\CLSID", KeySpec::new(CLSID).key(inproc));
    }
    let start = std::time::Instant::now();
    let (records, problems) = parse_bytes(&hive(&root, 0), &[]);
    assert_eq!(states(&records), vec![(CLSID, "current"); 3_000]);
    let limits = problems.iter().filter(|problem| problem.kind == ProblemKind::LimitReached).count();
    assert_eq!(limits, 1, "{problems:?}");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Damaged hives and logs: every artifact that reads hives ends, without a panic and in bounded time.
#[test]
fn robustness() {
    let before = dirty(hive(&software().at(r"Classes\CLSID", class(CLSID, "mscoree.dll")), 4_000), 8, 7);
    let mut spec = software().at(r"Classes\CLSID", class("{B}", "mscoree.dll"));
    spec = spec.at("Microsoft", KeySpec::new("long").value("v", 3, &[1; 20_000]));
    let after = dirty(hive(&spec, 4_000), 8, 7);
    let log = new_log(&before, 40, &[entry(&before, &after, 40)]);
    let old = writer::old_log(&before, &after, 8);
    let artifacts: [&'static Artifact; 2] = [&ARTIFACT, &crate::registry::host::ARTIFACT];
    let run = |bytes: &Vec<u8>, log: &Vec<u8>| {
        for artifact in artifacts {
            let mut count = 0;
            let companions = vec![("hive.LOG1", log as &dyn Bytes)];
            let input = Input { companions, ..Input::new("hive", bytes) };
            let problems = artifact.parse_alone(&input, &mut |_| count += 1);
            assert!(problems.iter().all(|problem| problem.kind != ProblemKind::ParserPanicked), "{problems:?}");
            assert!(count < 10_000);
        }
    };
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    for cut in (0..before.len()).step_by(509) {
        run(&before[..cut].to_vec(), &log);
        run(&before, &log[..cut.min(log.len())].to_vec());
        run(&before, &old[..cut.min(old.len())].to_vec());
    }
    for _ in 0..1_500 {
        let (mut bytes, mut new, mut old) = (before.clone(), log.clone(), old.clone());
        for _ in 0..1 + random() % 8 {
            // Small numbers, all ones and single bits do the most harm in offsets, counts and signatures.
            let value = [0, 1, 0x7F, 0x80, 0xFF, random() as u8][random() % 6];
            let (a, b, c) = (random() % bytes.len(), random() % new.len(), random() % old.len());
            (bytes[a], new[b], old[c]) = (value, value, value);
            let used = random() % 2_500;
            bytes[4096 + used] = value;
        }
        run(&bytes, &new);
        run(&bytes, &old);
        run(&before, &new);
    }
    for byte in [0, 0xFF] {
        run(&vec![byte; 20_000], &vec![byte; 20_000]);
    }
}
