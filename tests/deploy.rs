//! What is given to programs that run comtrail on many hosts.

use std::path::Path;

/// Seconds that are kept back for sealing, reading back and uploading a bundle.
const AFTER_COLLECTING: u64 = 3600;

fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        other => panic!("{other} is no unit of time"),
    };
    number.parse::<u64>().unwrap() * factor
}

/// The value behind `key:` (or `key <=` in the query) on the only line that begins so.
fn value<'a>(lines: &[&'a str], key: &str) -> &'a str {
    let found: Vec<&str> = lines.iter().filter_map(|line| line.trim().strip_prefix(key)).collect();
    assert_eq!(found.len(), 1, "{key} stands in {} lines", found.len());
    found[0].trim().trim_matches('"')
}

#[test]
fn a_velociraptor_client_waits_until_the_bundle_is_uploaded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/velociraptor.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Members of `resources` are indented below it; anywhere else Velociraptor would not heed them.
    let resources = lines.iter().position(|line| *line == "resources:").expect("no resources");
    let members: Vec<&str> = lines[resources + 1..].iter().take_while(|line| line.starts_with("  ")).copied().collect();
    let timeout: u64 = value(&members, "timeout:").parse().unwrap();
    let upload: u64 = value(&members, "max_upload_bytes:").parse().unwrap();
    assert!(upload > 1 << 30, "Velociraptor's own limit of 1 GB would cut bundles off");

    let parameter = lines.iter().position(|line| line.trim() == "- name: MaxTime").unwrap();
    let default = seconds(value(&lines[parameter + 1..parameter + 3], "default:"));
    let most: u64 = value(&lines, "LET MostSeconds <=").parse().unwrap();
    assert!(default <= most, "the default of MaxTime is refused by the query");
    assert!(
        most + AFTER_COLLECTING <= timeout,
        "a time of {most} s leaves no time before the client ends at {timeout} s"
    );
    // The query runs the program only within that limit, and gives it the time that was checked.
    assert!(text.contains("condition=seconds > 0 AND seconds <= MostSeconds,"));
    assert!(text.contains(r#""--time", MaxTime]"#));
    assert!(text.contains("The bundle stays where it was written"));
}
