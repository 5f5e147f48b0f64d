//! What is recognised by its content and not read, and the way round.

use super::Candidate;
use super::blocks::le32;

/// A kind that is recognised and not read.
pub(crate) struct Refused {
    /// Whether a file is that.
    pub(crate) probe: fn(&Candidate<'_>) -> bool,
    /// What it is, as the end of a sentence about the file.
    pub(crate) what: &'static str,
    /// What to do instead.
    pub(crate) advice: &'static str,
}

const EXTRACT: &str = "extract it to a folder and give that";
const CONVERT: &str = "convert it to a raw image and give that";

/// Every kind that is recognised by its content and refused.
pub(crate) static REFUSED: &[Refused] = &[
    Refused {
        probe: |file| begins(file, b"LVF\x09\x0d\x0a\xff\x00") || begins(file, b"LEF2\x0d\x0a\x81\x00"),
        what: "it is a logical evidence file (L01), which is not read",
        advice: EXTRACT,
    },
    Refused {
        probe: |file| begins(file, b"ADCRYPT\0"),
        what: "it is an image that FTK Imager encrypted (ADCRYPT)",
        advice: "decrypt it with FTK Imager and give the result",
    },
    Refused {
        probe: |file| begins(file, b"ADSEGMENTEDFILE\0"),
        what: "it is a custom content image of FTK Imager (AD1), which is not read",
        advice: "export its files to a folder and give that",
    },
    Refused {
        probe: |file| begins(file, b"AFF10\r\n\0") || begins(file, b"AFM\0"),
        what: "it is an AFF image, which is not read",
        advice: "convert it to a raw image (affconvert -r) and give that",
    },
    Refused {
        probe: |file| begins(file, b"7z\xBC\xAF\x27\x1C"),
        what: "it is a 7z archive, which is not read",
        advice: EXTRACT,
    },
    Refused {
        probe: |file| begins(file, b"Rar!\x1A\x07"),
        what: "it is a RAR archive, which is not read",
        advice: EXTRACT,
    },
    Refused {
        probe: |file| begins(file, b"\xFD7zXZ\0"),
        what: "it is compressed with xz, which is not read",
        advice: "unpack it (xz -d) and give what comes out",
    },
    Refused {
        probe: |file| begins(file, b"\x28\xB5\x2F\xFD"),
        what: "it is compressed with zstd, which is not read",
        advice: "unpack it (zstd -d) and give what comes out",
    },
    Refused {
        probe: |file| begins(file, b"BZh") && at(file, 4, b"1AY&SY"),
        what: "it is compressed with bzip2, which is not read",
        advice: "unpack it (bzip2 -d) and give what comes out",
    },
    Refused {
        probe: |file| begins(file, b"MSWIM\0\0\0") || begins(file, b"WLPWM\0\0\0"),
        what: "it is a Windows image (WIM), which is not read",
        advice: "apply it to a folder (wimapply, DISM) and give that",
    },
    Refused {
        probe: |file| begins(file, b"MSCF\0\0\0\0"),
        what: "it is a cabinet archive, which is not read",
        advice: EXTRACT,
    },
    Refused {
        probe: |file| file.tail.len() >= 512 && file.tail[file.tail.len() - 512..].starts_with(b"koly\0\0\0\x04"),
        what: "it is an Apple disk image (DMG), which is not read",
        advice: CONVERT,
    },
    Refused {
        probe: |file| at(file, 32769, b"CD001") || at(file, 32769, b"BEA01"),
        what: "it is the image of an optical disc (ISO 9660 or UDF), which is not read",
        advice: "copy what is on it to a folder and give that",
    },
    Refused {
        probe: |file| begins(file, b"PAGEDU64") || begins(file, b"PAGEDUMP") || begins(file, b"MDMP\x93\xA7"),
        what: "it is a memory dump, which is not read",
        advice: "analyse it with a tool for memory, and give the disk or its files here",
    },
    Refused {
        // WinPmem and LiME.
        probe: |file| le32(&file.head, 0) == 0x4C69_4D45 && le32(&file.head, 4) <= 2 && le32(&file.head, 4) > 0,
        what: "it is a memory image (LiME), which is not read",
        advice: "analyse it with a tool for memory, and give the disk or its files here",
    },
    Refused {
        probe: |file| {
            let name = file.name.to_ascii_lowercase();
            let starts = [b"hibr", b"HIBR", b"wake", b"WAKE", b"RSTR"].iter().any(|magic| begins(file, *magic));
            starts && name.starts_with("hiberfil")
        },
        what: "it is a hibernation file, which is not read",
        advice: "give the disk or the folder that it lay in",
    },
];

fn begins(file: &Candidate<'_>, magic: &[u8]) -> bool {
    file.head.starts_with(magic)
}

fn at(file: &Candidate<'_>, offset: usize, magic: &[u8]) -> bool {
    file.head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use crate::source::container::disk_at;
    use std::io::Write;

    /// Magic numbers from the formats' own descriptions, at their places.
    #[test]
    fn what_is_not_read_is_named_whatever_it_is_called() {
        let at = |place: usize, magic: &[u8], length: usize| {
            let mut bytes = vec![0; length];
            bytes[place..place + magic.len()].copy_from_slice(magic);
            bytes
        };
        let cases: [(&str, Vec<u8>); 16] = [
            ("L01", at(0, b"LVF\x09\x0d\x0a\xff\x00", 4096)),
            ("L01", at(0, b"LEF2\x0d\x0a\x81\x00", 4096)),
            ("AFF", at(0, b"AFF10\r\n\0", 4096)),
            ("7z", at(0, b"7z\xBC\xAF\x27\x1C\0\x04", 4096)),
            ("RAR", at(0, b"Rar!\x1A\x07\x01\0", 4096)),
            ("RAR", at(0, b"Rar!\x1A\x07\0", 4096)),
            ("xz", at(0, b"\xFD7zXZ\0", 4096)),
            ("zstd", at(0, b"\x28\xB5\x2F\xFD", 4096)),
            ("bzip2", at(0, b"BZh91AY&SY", 4096)),
            ("WIM", at(0, b"MSWIM\0\0\0", 4096)),
            ("cabinet", at(0, b"MSCF\0\0\0\0", 4096)),
            ("DMG", at(8192 - 512, b"koly\0\0\0\x04", 8192)),
            ("ISO 9660", at(32768, b"\x01CD001\x01", 65536)),
            ("UDF", at(32768, b"\0BEA01\x01", 65536)),
            ("memory dump", at(0, b"PAGEDU64", 8192)),
            ("memory image", at(0, b"EMiL\x01\0\0\0", 8192)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.dd");
        for (name, bytes) in cases {
            std::fs::write(&path, bytes).unwrap();
            let refusal = disk_at(&path).err().unwrap_or_else(|| panic!("{name} is opened"));
            assert!(refusal.why.contains(name), "{name}: {refusal:?}");
        }
    }

    /// Once with its description as the first member, once with nothing but the archive's comment to know it by.
    #[test]
    fn aff4_is_no_triage_archive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collection.zip");
        for is_first in [true, false] {
            let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
            let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            let urn = "aff4://5aea2dd0-32b4-4c61-a9db-677654be6f83";
            if is_first {
                zip.start_file("container.description", options).unwrap();
                zip.write_all(urn.as_bytes()).unwrap();
            } else {
                zip.start_file("data/00000000", options).unwrap();
                zip.write_all(&[7; 100_000]).unwrap();
                zip.set_comment(urn).unwrap();
            }
            zip.finish().unwrap();
            assert!(disk_at(&path).err().unwrap().why.contains("AFF4"));
        }
    }

    /// Words of AFF4 in the bytes or in the names of an archive make it none.
    #[test]
    fn a_triage_archive_that_holds_words_of_aff4_is_opened() {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for name in ["C/container.description", "C/information.turtle", "container.description"] {
            zip.start_file(name, options).unwrap();
            zip.write_all(b"notes on aff4://5aea2dd0 and its information.turtle").unwrap();
        }
        let bytes: std::sync::Arc<dyn evidence::Bytes> = std::sync::Arc::new(zip.finish().unwrap().into_inner());
        let folder = tempfile::tempdir().unwrap();
        let spill = crate::Spill::into_folder(folder.path());
        let store: std::sync::Arc<dyn crate::source::tree::Store> =
            std::sync::Arc::new(crate::source::tree::Folder::new(folder.path()));
        let candidate = super::Candidate::new(&store, "", "a.zip", None, bytes, &spill).unwrap();
        assert!(super::super::open(&candidate).is_ok_and(|opened| opened.is_some()));
    }
}
