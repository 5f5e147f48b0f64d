//! Paths and arguments in words. Neither has to be text.

use std::ffi::OsStr;

/// A path or an argument for people: what is no text stands as `\xFC` for a byte, as `\uD800` for a unit of UTF-16.
pub fn shown(path: impl AsRef<OsStr>) -> String {
    #[cfg(windows)]
    let name = evidence::name::from_utf16(std::os::windows::ffi::OsStrExt::encode_wide(path.as_ref()));
    #[cfg(not(windows))]
    let name = evidence::name::from_bytes(path.as_ref().as_encoded_bytes());
    evidence::name::shown(&name).into_owned()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn bytes_that_are_no_text_are_shown() {
        assert_eq!(shown("/case/J\u{fc}rg"), "/case/J\u{fc}rg");
        assert_eq!(shown(OsStr::from_bytes(b"/case\xff/J\x81rg")), r"/case\xFF/J\x81rg");
    }
}
