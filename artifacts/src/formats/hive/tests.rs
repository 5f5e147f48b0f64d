use super::writer::{self, KeySpec, delete_key, delete_value, dirty, entry, hive, new_log, old_log, utf16};
use super::*;

fn sample() -> KeySpec {
    KeySpec::new("ROOT").written(1_000).key(
        KeySpec::new("Software")
            .written(2_000)
            .text("", "the default")
            .value("expand", 2, &utf16("%SystemRoot%\\x"))
            .value("many", 7, &[utf16("one"), utf16("two"), vec![0, 0]].concat())
            .dword("number", 0x1234_5678)
            .value("turned", 5, &[0, 0, 1, 2])
            .value("wide", 11, &u64::MAX.to_le_bytes())
            .value("raw", 3, &[1, 2, 3, 4, 5])
            .value("odd type", 0xFFFF_0012, &[9])
            .value("nothing", 0, &[])
            .key(KeySpec::new("Schlüssel").written(3_000).text("Größe", "grün"))
            .key(KeySpec::new("a").written(4_000)),
    )
}

fn open<'a>(bytes: &'a dyn Bytes, logs: &[&'a Vec<u8>]) -> (HiveFile<'a>, Vec<Note>) {
    let mut notes = Vec::new();
    let logs: Vec<&dyn Bytes> = logs.iter().map(|log| *log as &dyn Bytes).collect();
    (HiveFile::load(bytes, &logs, &mut notes).unwrap(), notes)
}

/// What stands behind the base block in the present state.
fn bins<'h>(hive: &'h HiveFile<'_>) -> std::borrow::Cow<'h, [u8]> {
    hive.state().prefix(BASE_BLOCK_LENGTH as u64, u64::MAX)
}

/// Every path with its time and number of values.
fn listing(hive: &HiveFile<'_>) -> (Vec<(String, u64, usize)>, Vec<Note>) {
    let reader = hive.reader();
    let mut keys = Vec::new();
    if let Some(root) = reader.root() {
        reader.walk(root, &mut |path, key| keys.push((path.to_owned(), key.last_written(), key.values().count())));
    }
    (keys, reader.take_notes())
}

fn paths(hive: &HiveFile<'_>) -> Vec<String> {
    listing(hive).0.into_iter().map(|(path, ..)| path).collect()
}

/// File offset of the node of the key at this path.
fn offset_of(bytes: &dyn Bytes, path: &str) -> usize {
    open(bytes, &[]).0.reader().key(path).unwrap().offset() as usize
}

#[test]
fn every_field_of_a_clean_hive() {
    let bytes = hive(&sample(), 0);
    let (hive, notes) = open(&bytes, &[]);
    assert_eq!(notes, []);
    assert_eq!(hive.before.memory().unwrap().as_ptr(), bytes.as_ptr(), "a clean hive is not copied");
    let base = hive.base_block().unwrap();
    assert_eq!((base.primary_sequence, base.secondary_sequence, base.minor_version), (7, 7, 5));
    assert!(base.checksum_valid && !base.is_dirty());
    let (keys, notes) = listing(&hive);
    assert_eq!(notes, []);
    let expected =
        [("", 1_000, 0), ("Software", 2_000, 9), (r"Software\a", 4_000, 0), (r"Software\Schlüssel", 3_000, 1)];
    assert_eq!(keys, expected.map(|(path, written, values)| (path.to_owned(), written, values)));

    let reader = hive.reader();
    let software = reader.key("sOFTWARE").unwrap();
    assert_eq!(&bytes[software.offset() as usize..][..2], b"nk");
    assert_eq!(software.class_name(), None);
    let data = |name: &str| software.value(name).unwrap().data();
    assert_eq!(data(""), Data::Text("the default".to_owned()));
    assert_eq!(data("EXPAND"), Data::Text(r"%SystemRoot%\x".to_owned()));
    assert_eq!(data("many"), Data::Texts(vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!(data("number"), Data::Number(0x1234_5678));
    assert_eq!(data("turned"), Data::Number(0x0102));
    assert_eq!(data("wide"), Data::Number(u64::MAX));
    assert_eq!(data("raw"), Data::Bytes(vec![1, 2, 3, 4, 5]));
    assert_eq!(software.value("odd type").unwrap().type_code, 0xFFFF_0012);
    assert_eq!(data("odd type"), Data::Bytes(vec![9]));
    assert_eq!(data("nothing"), Data::Bytes(vec![]));
    assert!(software.value("absent").is_none() && reader.key(r"Software\absent").is_none());
    let german = software.subkeys().last().unwrap();
    let size = german.values().next().unwrap();
    assert_eq!((size.name().to_string(), size.text()), ("Größe".to_owned(), Some("grün".to_owned())));
}

#[test]
fn long_values_and_long_lists() {
    let long: Vec<u8> = (0..40_000u32).map(|number| number as u8).collect();
    let mut many = KeySpec::new("many");
    for number in 0..1_200 {
        many = many.key(KeySpec::new(&format!("{number:04}")));
    }
    let bytes = hive(&KeySpec::new("ROOT").value("long", 3, &long).key(many), 0);
    let (hive, _) = open(&bytes, &[]);
    let reader = hive.reader();
    assert_eq!(reader.root().unwrap().value("long").unwrap().bytes(), long);
    assert_eq!(reader.key("many").unwrap().subkeys().count(), 1_200);
    assert!(reader.key(r"many\1199").is_some());
    assert_eq!(reader.take_notes(), []);
}

fn states() -> [Vec<u8>; 3] {
    let first = hive(&sample(), 8_000);
    let second = hive(&sample().key(KeySpec::new("Two").text("v", "2")), 8_000);
    let third = hive(&sample().key(KeySpec::new("Three").text("v", "3")), 8_000);
    [first, second, third].map(|bytes| dirty(bytes, 8, 7))
}

#[test]
fn new_logs_are_applied_in_the_order_of_their_numbers() {
    let [first, second, third] = states();
    let one = new_log(&first, 40, &[entry(&first, &second, 40)]);
    let two = new_log(&first, 41, &[entry(&second, &third, 41)]);
    for logs in [[&one, &two], [&two, &one]] {
        let (mut hive, notes) = open(&first, &logs);
        assert!(hive.has_pending_logs());
        assert!(matches!(notes.as_slice(), [Note { kind: ProblemKind::Dirty, costs_nothing: true, .. }]), "{notes:?}");
        assert!(!paths(&hive).contains(&"Three".to_owned()));
        hive.apply_logs(&mut Vec::new());
        assert!(!hive.has_pending_logs());
        assert_eq!(*bins(&hive), third[BASE_BLOCK_LENGTH..]);
        assert!(paths(&hive).contains(&"Three".to_owned()));
    }
}

#[test]
fn a_dirty_hive_costs_nothing_only_where_all_of_its_logs_were_applied() {
    let [first, second, third] = states();
    let one = new_log(&first, 40, &[entry(&first, &second, 40)]);
    let two = new_log(&first, 41, &[entry(&second, &third, 41)]);
    let cost = |logs: &[&Vec<u8>]| {
        let (_, notes) = open(&first, logs);
        let dirty = notes.iter().find(|note| note.kind == ProblemKind::Dirty).unwrap();
        (!dirty.costs_nothing, dirty.effect)
    };
    assert!(!cost(&[&one, &two]).0);
    // Windows makes the second file at once and may not have written to it yet.
    assert!(!cost(&[&one, &Vec::new()]).0 && !cost(&[&one, &vec![0; 4096]]).0);
    let missing = (true, "the newest changes may be missing");
    assert_eq!([cost(&[]), cost(&[&one]), cost(&[&two])], [missing; 3], "entries may go on in the other file");
    let mut damaged = two.clone();
    damaged[600] ^= 1;
    assert!(cost(&[&one, &damaged]).0);
    damaged[508] ^= 1;
    assert!(cost(&[&one, &damaged]).0);
}

#[test]
fn replay_stops_at_a_gap() {
    let [first, second, third] = states();
    let one = new_log(&first, 40, &[entry(&first, &second, 40)]);
    let two = new_log(&first, 42, &[entry(&second, &third, 42)]);
    let (mut hive, notes) = open(&first, &[&one, &two]);
    assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::Inconsistent { .. })), "{notes:?}");
    assert!(notes.iter().all(|note| !note.costs_nothing), "{notes:?}");
    hive.apply_logs(&mut Vec::new());
    assert_eq!(*bins(&hive), second[BASE_BLOCK_LENGTH..]);
}

#[test]
fn replay_stops_at_a_damaged_entry() {
    let [first, second, third] = states();
    let entries = [entry(&first, &second, 40), entry(&second, &third, 41)];
    let good = new_log(&first, 40, &entries);
    let second_entry = 512 + entries[0].len();
    // A byte that hash 1 covers, one that hash 2 covers, and each hash itself.
    for at in [second_entry + 60, second_entry + 20, second_entry + 24, second_entry + 32] {
        let mut log = good.clone();
        log[at] ^= 1;
        let (mut hive, notes) = open(&first, &[&log]);
        assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::BadChecksum { .. })), "{at}: {notes:?}");
        hive.apply_logs(&mut Vec::new());
        assert_eq!(*bins(&hive), second[BASE_BLOCK_LENGTH..], "{at}");
    }
    let (mut hive, _) = open(&first, &[&good]);
    hive.apply_logs(&mut Vec::new());
    assert_eq!(*bins(&hive), third[BASE_BLOCK_LENGTH..]);
}

#[test]
fn entries_of_an_earlier_round_are_not_applied() {
    let [first, second, third] = states();
    // Applied already, by its number.
    let applied = new_log(&first, 6, &[entry(&first, &third, 6)]);
    assert!(!open(&first, &[&applied]).0.has_pending_logs());
    // Left behind the current entry.
    let remnant = new_log(&first, 40, &[entry(&first, &second, 40), entry(&second, &third, 12)]);
    let (mut hive, _) = open(&first, &[&remnant]);
    hive.apply_logs(&mut Vec::new());
    assert_eq!(*bins(&hive), second[BASE_BLOCK_LENGTH..]);
    // Older than the log's own base block.
    let stale = new_log(&first, 40, &[entry(&first, &third, 39)]);
    assert!(!open(&first, &[&stale]).0.has_pending_logs());
    // A cleanly closed hive needs no log.
    let clean = dirty(first.clone(), 8, 8);
    assert!(!open(&clean, &[&new_log(&first, 40, &[entry(&first, &second, 40)])]).0.has_pending_logs());
}

#[test]
fn a_hive_grows_only_by_bins_that_the_log_brings() {
    let [first, ..] = states();
    let grown = dirty(hive(&sample().key(KeySpec::new("Big").value("v", 3, &[7; 20_000])), 8_000), 8, 7);
    assert!(grown.len() > first.len());
    let log = new_log(&first, 40, &[entry(&first, &grown, 40)]);
    let (mut hive, _) = open(&first, &[&log]);
    hive.apply_logs(&mut Vec::new());
    assert_eq!(*bins(&hive), grown[BASE_BLOCK_LENGTH..]);
    assert_eq!(hive.reader().key("Big").unwrap().value("v").unwrap().bytes(), vec![7; 20_000]);

    // The same entry, claiming that the hive is almost 4 GiB long.
    let mut huge = entry(&first, &grown, 40);
    huge[16..20].copy_from_slice(&0xFFFF_F000u32.to_le_bytes());
    let hash = marvin32::hash(&huge[..32]);
    huge[32..40].copy_from_slice(&hash.to_le_bytes());
    let log = new_log(&first, 40, &[huge]);
    let (mut hive, notes) = open(&first, &[&log]);
    assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::OutOfRange { .. })), "{notes:?}");
    hive.apply_logs(&mut Vec::new());
    assert_eq!(hive.state().len(), grown.len() as u64);
}

#[test]
fn old_logs_are_applied_to_the_state_that_they_belong_to() {
    let [first, second, _] = states();
    let log = old_log(&first, &second, 8);
    let (mut hive, _) = open(&first, &[&log]);
    hive.apply_logs(&mut Vec::new());
    assert_eq!(*bins(&hive), second[BASE_BLOCK_LENGTH..]);

    let mut other_time = log.clone();
    other_time[12] ^= 1;
    writer::seal(&mut other_time);
    assert!(!open(&first, &[&other_time]).0.has_pending_logs());

    let mut unfinished = log.clone();
    unfinished[8] ^= 1;
    writer::seal(&mut unfinished);
    let (hive, notes) = open(&first, &[&unfinished]);
    assert!(!hive.has_pending_logs());
    assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::BadChecksum { .. })), "{notes:?}");

    let mut no_list = log.clone();
    no_list[512..516].copy_from_slice(b"INVL");
    let (_, notes) = open(&first, &[&no_list]);
    assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::BadSignature { .. })), "{notes:?}");

    let cut = log[..log.len() - 512].to_vec();
    let (hive, notes) = open(&first, &[&cut]);
    assert!(hive.has_pending_logs());
    assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::Truncated { .. })), "{notes:?}");
}

#[test]
fn a_torn_base_block_is_replaced_by_that_of_the_log() {
    let [first, second, _] = states();
    let mut torn = first.clone();
    torn[36..48].fill(0xEE);
    let log = new_log(&first, 40, &[entry(&first, &second, 40)]);
    let (mut hive, notes) = open(&torn, &[&log]);
    assert!(notes.iter().any(|note| note.kind == ProblemKind::Dirty && note.what.contains("checksum")), "{notes:?}");
    assert!(paths(&hive).contains(&"Software".to_owned()), "the root key is found without its offset");
    hive.apply_logs(&mut Vec::new());
    assert!(paths(&hive).contains(&"Two".to_owned()));
}

#[test]
fn a_hive_without_logs_or_base_block_is_read_all_the_same() {
    let [first, ..] = states();
    let (hive, notes) = open(&first, &[]);
    assert!(notes.iter().any(|note| note.kind == ProblemKind::Dirty));
    assert_eq!(paths(&hive).len(), 4);
    let mut headless = first.clone();
    headless[..BASE_BLOCK_LENGTH].fill(0);
    let (hive, notes) = open(&headless, &[]);
    assert!(notes.iter().any(|note| matches!(note.kind, ProblemKind::BadSignature { .. })));
    assert_eq!(paths(&hive).len(), 4);
}

#[test]
fn damaged_lists_cost_what_they_name_and_no_more() {
    let good = hive(&sample(), 0);
    let root = offset_of(&good, "");
    let list = BASE_BLOCK_LENGTH + 4 + evidence::le::u32_at(&good, root + 28).unwrap() as usize;
    let software = offset_of(&good, "Software");
    let children = BASE_BLOCK_LENGTH + 4 + evidence::le::u32_at(&good, software + 28).unwrap() as usize;
    // (where, what stands there, keys that can still be read)
    let cases: &[(usize, &[u8], usize)] = &[
        (list, b"xx", 1),
        (list + 4, &u32::MAX.to_le_bytes(), 1),
        (children + 4, &u32::MAX.to_le_bytes(), 3),
        (children + 4, &0x00FF_FFF0u32.to_le_bytes(), 3),
        (children + 2, &500u16.to_le_bytes(), 4),
        (software + 28, &u32::MAX.wrapping_sub(7).to_le_bytes(), 2),
        // A cell of no length, which makes the strict reader panic.
        (offset_of(&good, r"Software\a") - 4, &[0; 4], 3),
    ];
    for (at, bytes, keys) in cases {
        let mut bad = good.clone();
        bad[*at..at + bytes.len()].copy_from_slice(bytes);
        let (hive, _) = open(&bad, &[]);
        let (listed, notes) = listing(&hive);
        assert_eq!(listed.len(), *keys, "{at} {bytes:?}: {listed:?}");
        // What could not be read of a hive makes the answer begin with it.
        let is_unread = |note: &Note| {
            matches!(
                note.kind,
                ProblemKind::ReadFailed | ProblemKind::BadSignature { .. } | ProblemKind::Truncated { .. }
            )
        };
        assert!(notes.iter().any(is_unread), "{at} {bytes:?}: {notes:?}");
    }
    let values = BASE_BLOCK_LENGTH + 4 + evidence::le::u32_at(&good, software + 40).unwrap() as usize;
    let mut bad = good.clone();
    bad[values..values + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let (hive, _) = open(&bad, &[]);
    let reader = hive.reader();
    assert_eq!(reader.key("Software").unwrap().values().count(), 8);
    assert!(reader.take_notes().iter().any(|note| note.what.contains("8 of 9")));
}

#[test]
fn a_key_below_itself_is_visited_once() {
    let good = hive(&sample(), 0);
    let software = offset_of(&good, "Software");
    let children = BASE_BLOCK_LENGTH + 4 + evidence::le::u32_at(&good, software + 28).unwrap() as usize;
    let mut bad = good.clone();
    bad[children + 4..children + 8].copy_from_slice(&((software - 4 - BASE_BLOCK_LENGTH) as u32).to_le_bytes());
    let (hive, _) = open(&bad, &[]);
    let (listed, notes) = listing(&hive);
    assert_eq!(listed.len(), 3);
    assert!(notes.iter().any(|note| note.what.contains("reached twice")));
}

#[test]
fn deleted_keys_and_values_are_recovered() {
    let mut bytes = hive(&sample(), 0);
    let (german, software) = (offset_of(&bytes, r"Software\a"), offset_of(&bytes, "Software"));
    delete_key(&mut bytes, german);
    delete_value(&mut bytes, software, "number");
    delete_value(&mut bytes, software, "raw");
    let (hive, _) = open(&bytes, &[]);
    assert_eq!(paths(&hive).len(), 3);
    let found = hive.recovered();
    let keys: Vec<_> = found.keys().map(|key| (key.path(), key.last_written(), key.offset() as usize)).collect();
    assert_eq!(keys, [((r"Software\a".to_owned(), true), 4_000, german)]);
    let values: Vec<_> = found.values().filter_map(|value| value.value()).collect();
    let shown: Vec<_> = values.iter().map(|value| (value.name().to_string(), value.data())).collect();
    assert_eq!(
        shown,
        [("number".to_owned(), Data::Number(0x1234_5678)), ("raw".to_owned(), Data::Bytes(vec![1, 2, 3, 4, 5]))]
    );
}

#[test]
fn values_of_a_deleted_key_stay_with_it() {
    let mut bytes = hive(&sample(), 0);
    let german = open(&bytes, &[]).0.reader().key("Software").unwrap().subkeys().nth(1).unwrap().offset() as usize;
    delete_key(&mut bytes, german);
    let (hive, _) = open(&bytes, &[]);
    let found = hive.recovered();
    assert_eq!(found.key_count(), 1);
    assert_eq!(found.key(0).unwrap().path(), (r"Software\Schlüssel".to_owned(), true));
    let values = found.key(0).unwrap().values();
    assert_eq!((values[0].name().to_string(), values[0].text()), ("Größe".to_owned(), Some("grün".to_owned())));
    assert!(found.values().next().is_none(), "a value that a recovered key lists is not listed again");
}

#[test]
fn what_is_no_hive_gives_notes_and_no_keys() {
    for bytes in [vec![], vec![0; 100], b"regf".to_vec(), vec![0xFF; 4095]] {
        let mut notes = Vec::new();
        assert!(HiveFile::load(&bytes, &[], &mut notes).is_none());
        assert_eq!(notes.len(), 1);
    }
    for byte in [0, 0xFF] {
        let bytes = vec![byte; 20_000];
        let (hive, notes) = open(&bytes, &[]);
        assert!(!notes.is_empty() && hive.reader().root().is_none());
        assert!(hive.recovered().key_count() == 0);
    }
    let log = new_log(&states()[0], 3, &[]);
    assert!(HiveFile::load(&log, &[], &mut Vec::new()).is_none());
}

/// A file in which every key has the same long list of subkeys and the same long values: reading all of it would
/// take a hundred million steps and bytes without end.
#[test]
fn shared_lists_and_values_end() {
    let mut root = KeySpec::new("ROOT");
    let mut shared = KeySpec::new("shared").value("long", 3, &vec![7; 200_000]);
    for number in 0..5_000 {
        root = root.key(KeySpec::new(&format!("{number:05}")));
        shared = shared.key(KeySpec::new(&format!("s{number:05}")));
    }
    let mut bytes = hive(&root.key(shared), 0);
    let node = offset_of(&bytes, "shared");
    let lists: Vec<u8> = bytes[node + 20..node + 44].to_vec();
    for key in open(&bytes.clone(), &[]).0.reader().root().unwrap().subkeys() {
        let at = key.offset() as usize;
        bytes[at + 20..at + 44].copy_from_slice(&lists);
    }
    let start = std::time::Instant::now();
    let (hive, _) = open(&bytes, &[]);
    let reader = hive.reader();
    let mut read = 0;
    reader.walk(reader.root().unwrap(), &mut |_, key| {
        read += key.values().map(|value| value.bytes().len() as u64).sum::<u64>();
    });
    assert!(read <= 16 * (bytes.len() as u64 + (1 << 18)), "{read}");
    assert!(reader.take_notes().iter().any(|note| note.kind == ProblemKind::LimitReached));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
