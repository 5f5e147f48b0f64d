//! The binary values of the task scheduler's cache in the registry.
//!
//! Reference: libyal, winreg-kb, *Task scheduler*; G DATA, *Windows Registry Analysis: Tasks* (cyber.wtf, 2022).

use evidence::{Filetime, guid_text};

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Starts a program.
    Start { command: String, arguments: String, directory: String },
    /// Calls a COM class.
    Handler { class: String, data: String },
    /// Sends a message by mail; Windows has not done so since 8.
    Mail,
    /// Shows a message.
    Message { caption: String },
}

impl Action {
    /// The command line of a program, as the scheduler starts it.
    pub(crate) fn command_line(&self) -> Option<String> {
        let Action::Start { command, arguments, .. } = self else { return None };
        let quoted = command.contains(' ') && !command.starts_with('"');
        let command = if quoted { format!("\"{command}\"") } else { command.clone() };
        Some(if arguments.is_empty() { command } else { format!("{command} {arguments}") })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        self.bytes(2).and_then(<[u8]>::first_chunk).map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn long(&mut self) -> Option<u32> {
        self.bytes(4).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// UTF-16 behind its length in bytes.
    fn text(&mut self) -> Option<String> {
        let length = self.long()? as usize;
        let units = self.bytes(length)?.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}

/// The actions of the value `Actions`, as far as they can be read, and whether that was all of it.
pub(crate) fn actions(value: &[u8]) -> (Vec<Action>, bool) {
    /// The scheduler takes no more.
    const MOST: usize = 32;
    let mut reader = Reader(value);
    let mut actions = Vec::new();
    let Some(version) = reader.short() else { return (actions, false) };
    // From version 2 on the name of the security context stands first.
    if version > 1 && reader.text().is_none() {
        return (actions, false);
    }
    while !reader.0.is_empty() && actions.len() < MOST {
        match action(&mut reader, version) {
            Some(action) => actions.push(action),
            None => return (actions, false),
        }
    }
    (actions, reader.0.is_empty())
}

fn action(reader: &mut Reader<'_>, version: u16) -> Option<Action> {
    let kind = reader.short()?;
    let _name = reader.text()?;
    Some(match kind {
        0x6666 => {
            let action =
                Action::Start { command: reader.text()?, arguments: reader.text()?, directory: reader.text()? };
            if version >= 3 {
                reader.short()?;
            }
            action
        }
        0x7777 => Action::Handler { class: guid_text(reader.bytes(16)?.first_chunk()?), data: reader.text()? },
        0x8888 => {
            for _ in 0..8 {
                reader.text()?;
            }
            for texts in [1, 2] {
                for _ in 0..reader.long()?.saturating_mul(texts) {
                    reader.text()?;
                }
            }
            Action::Mail
        }
        0x9999 => {
            let caption = reader.text()?;
            reader.text()?;
            Action::Message { caption }
        }
        _ => return None,
    })
}

/// The value `DynamicInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DynamicInfo {
    /// When the task was registered, or changed for the last time.
    pub(crate) registered: Option<Filetime>,
    /// When it was started for the last time.
    pub(crate) last_run: Option<Filetime>,
    /// How that ended: 0, or an HRESULT.
    pub(crate) last_result: u32,
    /// When it ended with success for the last time; from Windows 8 on.
    pub(crate) last_success: Option<Filetime>,
}

/// Reads the value `DynamicInfo`, which has 28 bytes in Windows 7 and 36 since.
pub(crate) fn dynamic_info(value: &[u8]) -> Option<DynamicInfo> {
    let mut reader = Reader(value);
    if reader.long()? != 3 {
        return None;
    }
    let time = |reader: &mut Reader<'_>| {
        let ticks = reader.bytes(8).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_le_bytes(*bytes))?;
        (ticks != 0).then_some(Filetime(ticks))
    };
    let (registered, last_run) = (time(&mut reader), time(&mut reader));
    let _state = reader.long()?;
    let last_result = reader.long()?;
    Some(DynamicInfo { registered, last_run, last_result, last_success: time(&mut reader) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&(units.len() as u32).to_le_bytes()[..], &units].concat()
    }

    #[test]
    fn every_kind_of_action() {
        let class = [0xB9, 0xD1, 0xBC, 0x61, 0x0C, 0x34, 0xEC, 0x40, 0x9D, 0x41, 0xD7, 0xF1, 0xC0, 0x63, 0x2F, 0x05];
        let mail = (0..8).flat_map(|_| text("m")).collect::<Vec<u8>>();
        let value = [
            &3u16.to_le_bytes()[..],
            &text("Author"),
            &[0x66, 0x66],
            &text("exec"),
            &text(r"C:\Program Files\V\regasm.exe"),
            &text(r"/u C:\t\a.dll"),
            &text(r"C:\t"),
            &[0, 0],
            &[0x77, 0x77],
            &text(""),
            &class,
            &text("MissingCredentials"),
            &[0x88, 0x88],
            &text(""),
            &mail,
            &[1, 0, 0, 0],
            &text("a"),
            &[1, 0, 0, 0],
            &text("k"),
            &text("v"),
            &[0x99, 0x99],
            &text(""),
            &text("caption"),
            &text("words"),
        ]
        .concat();
        let (found, complete) = actions(&value);
        assert!(complete);
        let start = Action::Start {
            command: r"C:\Program Files\V\regasm.exe".to_owned(),
            arguments: r"/u C:\t\a.dll".to_owned(),
            directory: r"C:\t".to_owned(),
        };
        assert_eq!(start.command_line().as_deref(), Some(r#""C:\Program Files\V\regasm.exe" /u C:\t\a.dll"#));
        let handler = Action::Handler {
            class: "{61BCD1B9-340C-40EC-9D41-D7F1C0632F05}".to_owned(),
            data: "MissingCredentials".to_owned(),
        };
        assert_eq!(found, [start, handler, Action::Mail, Action::Message { caption: "caption".to_owned() }]);
        for length in 0..value.len() {
            assert!(!actions(&value[..length]).1 || actions(&value[..length]).0.len() < 4, "{length}");
        }
        // Counts that lead nowhere.
        let hostile = [&[1, 0, 0x88, 0x88][..], &text(""), &mail, &[0xFF; 8]].concat();
        assert_eq!(actions(&hostile), (Vec::new(), false));
    }

    /// Values that winreg-kb and winreg-tasks print, with the times that they give.
    #[test]
    fn dynamic_infos_that_others_have_read() {
        let windows_8 = b"\x03\0\0\0\x4b\x5a\x0b\x60\xff\x6a\xcd\x01\x5c\x32\xe7\x45\x1b\xb6\xce\x01\x20\x04\x07\x80\0\0\0\0\xa2\xb1\x86\x4f\x1b\xb6\xce\x01";
        let info = dynamic_info(windows_8).unwrap();
        assert_eq!(info.registered, Some(Filetime(0x01CD_6AFF_600B_5A4B)));
        assert_eq!(info.last_success, Some(Filetime(0x01CE_B61B_4F86_B1A2)));
        let failed = b"\x03\0\0\0\xe9\x79\x2d\xf1\x31\x1c\xd8\x01\xb4\x4a\x8b\x8d\x3e\x1c\xd8\x01\0\0\0\0\x02\0\x07\x80\xe4\x70\xd5\x67\x34\x1c\xd8\x01";
        let info = dynamic_info(failed).unwrap();
        assert_eq!(info.last_run, Some(Filetime(0x01D8_1C3E_8D8B_4AB4)));
        assert_eq!((info.last_result, info.last_success), (0x8007_0002, Some(Filetime(0x01D8_1C34_67D5_70E4))));
        let windows_7 = b"\x03\0\0\0\x1c\xec\x45\x16\x3f\x04\xca\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let info = dynamic_info(windows_7).unwrap();
        assert_eq!((info.last_run, info.last_result, info.last_success), (None, 0, None));
        assert_eq!(dynamic_info(&windows_7[..20]), None);
    }
}
