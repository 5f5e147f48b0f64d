//! The volume's own table of upper-case letters.

use evidence::name::{to_utf16, upper};

/// How the volume compares names. Windows versions differ in a few letters, so the table is read from the
/// volume; where that fails, Windows' usual one stands in.
pub(crate) struct Upcase(Vec<u16>);

impl Upcase {
    /// From the content of $UpCase, which has two bytes for each of 65,536 units.
    pub(crate) fn new(content: &[u8]) -> Option<Self> {
        (content.len() == 131_072)
            .then(|| Upcase(content.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()))
    }

    /// The usual table, see [`upper`].
    pub(crate) fn of_windows() -> Self {
        let upper = |unit: u16| u16::try_from(u32::from(upper(char::from_u32(u32::from(unit))?))).ok();
        Upcase((0..=u16::MAX).map(|unit| upper(unit).unwrap_or(unit)).collect())
    }

    /// One unit in upper case.
    pub(crate) fn unit(&self, unit: u16) -> u16 {
        self.0[usize::from(unit)]
    }

    /// A name in upper case.
    pub(crate) fn name(&self, name: &str) -> Vec<u16> {
        to_utf16(name).into_iter().map(|unit| self.unit(unit)).collect()
    }

    /// Whether two names are the same to the volume.
    pub(crate) fn equal(&self, a: &str, b: &str) -> bool {
        a == b || self.name(a) == self.name(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest is that of $UpCase of a volume which `mkntfs` of ntfs-3g 2022.10.3 made, by sha256sum.
    #[test]
    fn the_usual_table_is_the_one_that_volumes_have() {
        let bytes: Vec<u8> = Upcase::of_windows().0.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let expected = "41c26bc7a12bdaeb26025c93118697c7e3ef81ee048b00fe5cce2a472e0e0742";
        assert_eq!(evidence::hex(&crate::digest::sha256(&bytes)), expected);
    }

    #[test]
    fn names_compare_without_case() {
        let upcase = Upcase::of_windows();
        assert!(upcase.equal("Regasm.EXE", "REGASM.exe"));
        assert!(upcase.equal("größe", "GRÖßE"), "a sharp s has no single upper-case letter");
        assert!(!upcase.equal("irmak", "ırmak") && !upcase.equal("sam", "ſam"), "these are letters of their own");
        assert!(!upcase.equal("a", "ab"));
        let [lower, upper, other] = [[0x61, 0xD800], [0x41, 0xD800], [0x61, 0xD801]].map(evidence::name::from_utf16);
        assert!(upcase.equal(&lower, &upper) && !upcase.equal(&lower, &other));
        assert!(Upcase::new(&[0; 100]).is_none());
    }
}
