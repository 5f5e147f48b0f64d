//! How triage programs name the folders in which they leave volumes.

use evidence::name;

/// Undoes `%XX`, byte by byte. What is no such triple stays.
pub(crate) fn percent_decoded(kept: &str) -> String {
    if !kept.contains('%') {
        return kept.to_owned();
    }
    let bytes = name::to_bytes(kept);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    name::from_bytes(&decoded)
}

/// The drive letter that a folder name stands for: `C`, `C:`, `C%3A`, `C_`, `C$`, `\\.\C:` in its encoded forms; and
/// whether names below it are encoded.
pub(crate) fn drive_letter(name: &str) -> Option<(char, bool)> {
    let decoded = percent_decoded(name).replace('\u{10ff5c}', "\\");
    let plain = decoded.strip_prefix(r"\\.\").or_else(|| decoded.strip_prefix(r"\\?\")).unwrap_or(&decoded);
    let plain = plain.strip_suffix([':', '_', '$']).unwrap_or(plain);
    let mut letters = plain.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => Some((letter.to_ascii_uppercase(), name.contains('%'))),
        _ => None,
    }
}

/// Whether a folder holds one way of reading of a collection: Velociraptor's accessors, acquire's `fs`. Drive folders in
/// several such folders are parts of one volume.
pub(crate) fn is_accessor(name: &str) -> bool {
    const ACCESSORS: [&str; 12] = [
        "auto",
        "ntfs",
        "lazy_ntfs",
        "raw_ntfs",
        "file",
        "lazy_file",
        "raw_file",
        "mft",
        "data",
        "fs",
        "windows_ntfs",
        "ntfs_raw",
    ];
    ACCESSORS.iter().any(|accessor| name.eq_ignore_ascii_case(accessor))
}

/// Whether what lies at this place of a source was read from the volume itself, below the file system.
pub(crate) fn is_raw_accessor(place: &str) -> bool {
    const RAW: [&str; 6] = ["ntfs", "lazy_ntfs", "raw_ntfs", "mft", "windows_ntfs", "ntfs_raw"];
    place.split('/').any(|folder| RAW.iter().any(|raw| folder.eq_ignore_ascii_case(raw)))
}

/// Whether a folder holds files of a shadow copy: Velociraptor's device name, KAPE's `VSS1`.
pub(crate) fn is_shadow_copy(name: &str) -> bool {
    let decoded = percent_decoded(name);
    let number = decoded.get(..3).filter(|start| start.eq_ignore_ascii_case("vss")).map(|_| &decoded[3..]);
    decoded.contains("HarddiskVolumeShadowCopy")
        || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_of_drives() {
        for (name, expected) in [
            ("C", Some(('C', false))),
            ("c:", Some(('C', false))),
            ("D%3A", Some(('D', true))),
            ("C_", Some(('C', false))),
            ("C$", Some(('C', false))),
            ("%5C%5C.%5CC%3A", Some(('C', true))),
            ("%5C%5C%3F%5CC%3A", Some(('C', true))),
            (r"\\.\C:", Some(('C', false))),
            ("\u{10ff5c}\u{10ff5c}.\u{10ff5c}C:", Some(('C', false))),
            ("CC", None),
            ("1", None),
            ("", None),
            ("%", None),
            ("[root]", None),
        ] {
            assert_eq!(drive_letter(name), expected, "{name}");
        }
    }

    #[test]
    fn encoded_names_keep_bytes_that_are_no_text() {
        assert_eq!(percent_decoded("a%20b%zz%"), "a b%zz%");
        let decoded = percent_decoded("J%81rg");
        assert_eq!(name::to_bytes(&decoded), b"J\x81rg");
        assert_ne!(decoded, percent_decoded("J%94rg"));
    }

    #[test]
    fn shadow_copies_by_name() {
        let device = "%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy1";
        assert!(is_shadow_copy(device) && is_shadow_copy("VSS1") && is_shadow_copy("vss12"));
        assert!(!is_shadow_copy("VSS") && !is_shadow_copy("vssadmin") && !is_shadow_copy("C"));
    }
}
