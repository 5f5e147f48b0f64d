//! The digests of an object, computed while its bytes pass by.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Blocks below this length are not worth the handing over to another thread.
const PARALLEL_FROM: usize = 1 << 18;

/// Running digests.
pub(crate) struct Digests {
    sha256: Sha256,
    sha512: Sha512,
    program: Option<(Sha1, Md5)>,
}

/// Finished digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digested {
    pub(crate) sha256: [u8; 32],
    pub(crate) sha512: [u8; 64],
    pub(crate) sha1: Option<[u8; 20]>,
    pub(crate) md5: Option<[u8; 16]>,
}

impl Digests {
    /// SHA-256 and SHA-512; SHA-1 and MD5 as well for programs.
    pub(crate) fn new(program: bool) -> Self {
        Digests { sha256: Sha256::new(), sha512: Sha512::new(), program: program.then(|| (Sha1::new(), Md5::new())) }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, block: &[u8]) {
        let Digests { sha256, sha512, program } = self;
        let mut short = || {
            sha256.update(block);
            if let Some((sha1, md5)) = program {
                sha1.update(block);
                md5.update(block);
            }
        };
        if block.len() < PARALLEL_FROM {
            short();
            sha512.update(block);
        } else {
            rayon::join(short, || sha512.update(block));
        }
    }

    /// Ends.
    pub(crate) fn finish(self) -> Digested {
        let (sha1, md5) = self.program.unzip();
        Digested {
            sha256: self.sha256.finalize().into(),
            sha512: self.sha512.finalize().into(),
            sha1: sha1.map(|sha1| sha1.finalize().into()),
            md5: md5.map(|md5| md5.finalize().into()),
        }
    }
}

/// SHA-256 of a short text.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values for `abc` of FIPS 180-2 and RFC 1321.
    #[test]
    fn published_values() {
        let mut digests = Digests::new(true);
        digests.update(b"a");
        digests.update(b"bc");
        let done = digests.finish();
        assert_eq!(hex(&done.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(hex(&done.sha512).starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(hex(&done.sha1.unwrap()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&done.md5.unwrap()), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(Digests::new(false).finish().md5, None);
    }

    #[test]
    fn long_blocks_give_the_same() {
        let data: Vec<u8> = (0..PARALLEL_FROM * 2).map(|i| (i % 251) as u8).collect();
        let mut whole = Digests::new(true);
        whole.update(&data);
        let mut parts = Digests::new(true);
        data.chunks(1000).for_each(|part| parts.update(part));
        assert_eq!(whole.finish(), parts.finish());
    }
}
