//! Little-endian numbers at byte offsets.

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// A byte; `None` where the bytes end first.
pub fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// Two bytes; `None` where the bytes end first.
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// Four bytes; `None` where the bytes end first.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// Eight bytes; `None` where the bytes end first.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

/// Sixteen bytes; `None` where the bytes end first.
pub fn u128_at(bytes: &[u8], offset: usize) -> Option<u128> {
    array(bytes, offset).map(u128::from_le_bytes)
}

/// Two bytes of a structure that was found to be long enough; 0 where it is not.
pub fn u16_or_0(bytes: &[u8], offset: usize) -> u16 {
    u16_at(bytes, offset).unwrap_or(0)
}

/// Four bytes of a structure that was found to be long enough; 0 where it is not.
pub fn u32_or_0(bytes: &[u8], offset: usize) -> u32 {
    u32_at(bytes, offset).unwrap_or(0)
}

/// Eight bytes of a structure that was found to be long enough; 0 where it is not.
pub fn u64_or_0(bytes: &[u8], offset: usize) -> u64 {
    u64_at(bytes, offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_are_and_nowhere_else() {
        let bytes: Vec<u8> = (1..=17).collect();
        assert_eq!(u8_at(&bytes, 16), Some(17));
        assert_eq!(u16_at(&bytes, 1), Some(0x0302));
        assert_eq!(u32_at(&bytes, 13), Some(0x1110_0F0E));
        assert_eq!(u64_at(&bytes, 0), Some(0x0807_0605_0403_0201));
        assert_eq!(u128_at(&bytes, 1), Some(0x1110_0F0E_0D0C_0B0A_0908_0706_0504_0302));
        assert_eq!((u8_at(&bytes, 17), u16_at(&bytes, 16), u32_at(&bytes, 14)), (None, None, None));
        assert_eq!((u64_at(&bytes, usize::MAX), u128_at(&bytes, 2)), (None, None));
        assert_eq!((u16_or_0(&bytes, 0), u32_or_0(&bytes, 14), u64_or_0(&bytes, 10)), (0x0201, 0, 0));
    }
}
