//! Class and type library ids as the .NET runtime derives them when an assembly gives none.
//!
//! Reference: dotnet/runtime, `interoputil.cpp` and `mdfileformat`; the recipe reproduces the ids that Windows itself
//! registers for mscorlib.

use md5::{Digest, Md5};

/// The name space GUID, in printed order.
const NAMESPACE: [u8; 16] =
    [0x69, 0xF9, 0xCB, 0xC9, 0xDA, 0x05, 0x11, 0xD1, 0x94, 0x08, 0x00, 0x00, 0xF8, 0x08, 0x34, 0x60];

/// The same with the bytes as they lie in memory: variant B, which a re-implementation of the type library exporter
/// uses. No id that Windows registered is known to follow it, so it is only a second thing to look for.
const NAMESPACE_OF_VARIANT_B: [u8; 16] =
    [0xC9, 0xCB, 0xF9, 0x69, 0x05, 0xDA, 0xD1, 0x11, 0x94, 0x08, 0x00, 0x00, 0xF8, 0x08, 0x34, 0x60];

/// What of an assembly goes into its ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Simple name.
    pub(crate) name: String,
    /// ComCompatibleVersion where the assembly has one, else its version.
    pub(crate) version: [u16; 4],
    /// Full public key blob, empty when it is not strong-named. The token is not enough.
    pub(crate) public_key: Vec<u8>,
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

impl Identity {
    fn stringized(&self) -> Vec<u8> {
        let [major, minor, build, revision] = self.version;
        let mut out = utf16(&self.name.replace(['.', ' '], "_").to_lowercase());
        out.extend(b"TypeLib");
        // The major version stands twice where the minor belongs: a defect of the first release, kept ever since.
        for part in [major, major, build, revision] {
            out.extend(part.to_le_bytes());
        }
        if minor != 0 {
            out.extend(minor.to_le_bytes());
        }
        out.extend(&self.public_key);
        out
    }

    /// Id of the class with this full name (nested types joined by `+`).
    pub(crate) fn clsid(&self, full_name: &str) -> String {
        hashed(NAMESPACE, self.of_class(full_name))
    }

    /// The same by variant B.
    pub(crate) fn clsid_of_variant_b(&self, full_name: &str) -> String {
        hashed(NAMESPACE_OF_VARIANT_B, self.of_class(full_name))
    }

    fn of_class(&self, full_name: &str) -> Vec<u8> {
        let mut data = utf16(full_name);
        data.extend(self.stringized());
        data
    }

    /// Id of the type library.
    pub(crate) fn type_library(&self) -> String {
        hashed(NAMESPACE, self.stringized())
    }

    /// The same by variant B.
    pub(crate) fn type_library_of_variant_b(&self) -> String {
        hashed(NAMESPACE_OF_VARIANT_B, self.stringized())
    }
}

fn hashed(namespace: [u8; 16], mut data: Vec<u8>) -> String {
    if data.len() % 2 == 1 {
        data.push(0);
    }
    let mut hasher = Md5::new();
    hasher.update(namespace);
    hasher.update(&data);
    let mut hash: [u8; 16] = hasher.finalize().into();
    hash[6] = hash[6] & 0x0F | 0x30;
    hash[8] = hash[8] & 0x3F | 0x80;
    let hex: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{{{}-{}-{}-{}-{}}}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str, version: [u16; 4], key: &[u8]) -> Identity {
        Identity { name: name.into(), version, public_key: key.to_vec() }
    }

    /// The ECMA key, which stands for the runtime's own.
    const ECMA: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn ids_that_windows_registers() {
        let mscorlib = identity("mscorlib", [1, 0, 3300, 0], &ECMA);
        assert_eq!(mscorlib.clsid("System.Collections.ArrayList"), "{6896B49D-7AFB-34DC-934E-5ADD38EEEE39}");
        assert_eq!(mscorlib.clsid("System.Collections.Queue"), "{7F976B72-4B71-3858-BEE8-8E3A3189A651}");
        assert_eq!(mscorlib.clsid("System.Collections.Stack"), "{4599202D-460F-3FB7-8A1C-C2CC6ED6C7C8}");
        let system = identity("System", [1, 0, 3300, 0], &ECMA);
        assert_eq!(system.clsid("System.Net.WebClient"), "{7D458845-B4B8-30CB-B2AD-FC4960FCDF81}");
        let resizer = identity("ImageResizer", [3, 0, 12, 42337], &[]);
        assert_eq!(resizer.clsid("ImageResizer.Util.StreamUtils"), "{40E7FC61-BB05-3337-8BC2-6232DB29AFA3}");
    }

    #[test]
    fn computed_vectors() {
        let atomic = identity("T1218.009", [0; 4], &[]);
        assert_eq!(atomic.clsid("regsvcser.Bypass"), "{465B520D-4EEB-3570-A4E5-E58DD78B9994}");
        assert_eq!(atomic.type_library(), "{8A1665E4-DC11-3DDD-B075-7CFCB42CBCA2}");
        let test = identity("a", [1, 2, 3, 4], &[]);
        assert_eq!(test.clsid("Demo.Case.Hook"), "{436170AA-A13D-3426-802C-E083C8B4D0EE}");
        assert_eq!(test.clsid("Demo.Case.Hook+Nested"), "{4437D4DE-B71D-3749-B112-F0E2470FB69D}");
        assert_eq!(test.clsid("Demo.Case.Derived"), "{C0B77E5E-564C-37F2-B1F5-DCC71584FB90}");
        assert_eq!(test.clsid("Global1"), "{0B227601-1225-3313-A70A-E813A1DFF5E5}");
        assert_eq!(test.type_library(), "{EEC66F54-5BC3-3835-9ECD-AAFFD6A9F0EA}");
    }
    #[test]
    fn variant_b_differs_only_in_the_name_space() {
        let one = identity("a", [1, 2, 3, 4], &[]);
        assert_ne!(one.clsid("T"), one.clsid_of_variant_b("T"));
        assert_ne!(one.type_library(), one.type_library_of_variant_b());
        assert_eq!(&one.clsid_of_variant_b("T")[15..16], "3");
    }

    /// Bytes of base64 text without line breaks.
    fn base64(text: &str) -> Vec<u8> {
        let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
        for c in text.bytes().filter(|c| *c != b'=') {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            bits = bits << 6 | alphabet.iter().position(|a| *a == c).unwrap() as u32;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
        }
        out
    }

    /// Every key pair that stands in the sources of a test for this technique.
    fn published_keys(folder: &std::path::Path, keys: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                published_keys(&path, keys);
            } else if path.extension().is_some_and(|extension| extension == "cs") {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                // A PRIVATEKEYBLOB of an RSA signature key always begins so.
                keys.extend(text.split('\'').filter(|part| part.starts_with("BwIAAAAkAABSU0Ey")).map(base64));
            }
        }
    }

    /// Reference: Microsoft, *RSAPUBKEY structure*; ECMA-335 II.6.2.1.3 for the public key blob.
    fn public_key(pair: &[u8]) -> Vec<u8> {
        let bits = u32::from_le_bytes(pair[12..16].try_into().unwrap());
        let modulus = &pair[20..20 + bits as usize / 8];
        let mut key = vec![0, 0x24, 0, 0, 4, 0x80, 0, 0];
        key.extend((20 + modulus.len() as u32).to_le_bytes());
        key.extend([6, 2, 0, 0, 0, 0x24, 0, 0]);
        key.extend(b"RSA1");
        key.extend(&pair[12..20]);
        key.extend(modulus);
        key
    }

    #[test]
    #[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
    fn ids_of_the_published_test_for_this_technique() {
        let corpus = std::env::var_os("COMTRAIL_CORPUS").expect("COMTRAIL_CORPUS names the unpacked corpus");
        let mut keys = Vec::new();
        published_keys(corpus.as_ref(), &mut keys);
        let mut keys: Vec<Vec<u8>> = keys.iter().map(|pair| public_key(pair)).collect();
        // The ids below are those of this token: the last eight bytes of the key's SHA-1, turned round.
        keys.retain(|key| sha1::Sha1::digest(key)[12..].iter().rev().eq(&0xcb13_6460_9f40_a1dc_u64.to_be_bytes()));
        if keys.is_empty() {
            // To the terminal itself, so that it is seen of a test that passes.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"corpus: published keys: compared NOTHING\n");
        }
        for key in keys {
            assert_eq!(key.len(), 160);
            // What Windows wrote into the registry when that test ran, as Sysmon recorded it.
            let recorded = identity("T1121", [0; 4], &key);
            assert_eq!(recorded.clsid("regsvcser.Bypass"), "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}");
            let computed = identity("T1218.009", [0; 4], &key);
            assert_eq!(computed.clsid("regsvcser.Bypass"), "{1F58AE05-0945-3625-8538-9E0CB19B3EC5}");
            assert_eq!(computed.type_library(), "{C0D7BDFD-A3AC-3883-AE88-5FD65B1233D7}");
        }
    }

    /// Every file below a folder whose name begins so.
    fn named(folder: &std::path::Path, name: &str, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, name, found);
            } else if path.file_name().is_some_and(|own| own.to_string_lossy().to_uppercase() == name) {
                found.push(path);
            }
        }
    }

    #[test]
    #[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
    fn every_derived_id_of_the_runtime_in_real_hives() {
        let corpus = std::env::var_os("COMTRAIL_CORPUS").expect("COMTRAIL_CORPUS names the unpacked corpus");
        let mut hives = Vec::new();
        named(corpus.as_ref(), "SOFTWARE", &mut hives);
        let (mut compared, mut wrong) = (0, Vec::new());
        for hive in hives {
            let bytes = std::fs::read(&hive).unwrap();
            let mut on_record = |record: evidence::Record| {
                let text = |name| record.fields.text(name).unwrap_or_default();
                let (clsid, class) = (text("Clsid"), text("Class"));
                // The third group of a derived id begins with 3.
                if text("Assembly").starts_with("mscorlib,") && clsid.as_bytes().get(15) == Some(&b'3') {
                    compared += 1;
                    if identity("mscorlib", [1, 0, 3300, 0], &ECMA).clsid(class) != clsid {
                        wrong.push(format!("{class} {clsid}"));
                    }
                }
            };
            let input = evidence::Input::new(r"C:\Windows\System32\config\SOFTWARE", &bytes);
            crate::registry::com_registration::ARTIFACT.parse_alone(&input, &mut on_record);
        }
        println!("{compared} derived ids of mscorlib");
        if compared == 0 {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"corpus: ids of mscorlib: compared NOTHING\n");
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
