//! Class and type library ids as the .NET runtime derives them when an assembly gives none.
//!
//! Reference: dotnet/runtime, `interoputil.cpp` and `mdfileformat`; the recipe reproduces the ids that Windows itself
//! registers for mscorlib.

use md5::{Digest, Md5};

/// The name space GUID, in printed order.
const NAMESPACE: [u8; 16] =
    [0x69, 0xF9, 0xCB, 0xC9, 0xDA, 0x05, 0x11, 0xD1, 0x94, 0x08, 0x00, 0x00, 0xF8, 0x08, 0x34, 0x60];

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
        let mut data = utf16(full_name);
        data.extend(self.stringized());
        hashed(data)
    }

    /// Id of the type library.
    pub(crate) fn type_library(&self) -> String {
        hashed(self.stringized())
    }
}

fn hashed(mut data: Vec<u8>) -> String {
    if data.len() % 2 == 1 {
        data.push(0);
    }
    let mut hasher = Md5::new();
    hasher.update(NAMESPACE);
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
        assert_eq!(test.clsid("Global1"), "{0B227601-1225-3313-A70A-E813A1DFF5E5}");
        assert_eq!(test.type_library(), "{EEC66F54-5BC3-3835-9ECD-AAFFD6A9F0EA}");
    }
}
