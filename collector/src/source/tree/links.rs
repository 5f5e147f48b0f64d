//! Where symbolic links in copied files lead. Only what lies in the same tree is followed; everything else is named.

use super::layout::drive_letter;
use evidence::{Problem, ProblemKind, Stage, name};

/// Links that a path goes through, one after the other.
pub(super) const MOST_LINKS: usize = 16;
/// Bytes of a path that a link leads to.
pub(super) const LONGEST_TARGET: usize = 4096;

/// The components of a path of the volume.
pub(super) fn components(path: &str) -> Vec<String> {
    path.split('\\').filter(|component| !component.is_empty()).map(str::to_owned).collect()
}

/// The path of these components.
pub(super) fn path_of(components: &[String]) -> String {
    components.iter().map(|component| format!("\\{component}")).collect()
}

/// The path in the volume that a link in this folder leads to; `None` if that is not in the volume. A path from the root
/// is one from the root of the volume, or from `root`, where the volume is on this machine. `letter` is the volume's.
pub(super) fn target(folder: &[String], target: &str, root: Option<&str>, letter: Option<char>) -> Option<Vec<String>> {
    let mut plain = target;
    for prefix in [r"\\?\", r"\??\"] {
        plain = plain.strip_prefix(prefix).unwrap_or(plain);
    }
    if let Some(inside) = root.filter(|root| root.len() > 1).and_then(|root| plain.strip_prefix(root))
        && (inside.is_empty() || inside.starts_with(['/', '\\']))
    {
        return walked(Vec::new(), inside);
    }
    if let Some((drive, path)) = plain.split_once(':')
        && let [own] = drive.as_bytes()
        && own.is_ascii_alphabetic()
    {
        let is_own = letter.unwrap_or('C').eq_ignore_ascii_case(&char::from(*own));
        return if is_own && path.starts_with(['/', '\\']) { walked(Vec::new(), path) } else { None };
    }
    if plain.starts_with(r"\\") || plain.is_empty() {
        return None;
    }
    let start = if plain.starts_with(['/', '\\']) { Vec::new() } else { folder.to_vec() };
    walked(start, plain)
}

/// The path from the root of the source that a link in this folder of it leads to; `None` if that is not in the source.
/// `root` is where the source is on this machine, `drive` gives the folder of the drive of a letter.
pub(super) fn in_source(
    folder: &[String],
    target: &str,
    root: Option<&str>,
    drive: &dyn Fn(char) -> Option<Vec<String>>,
) -> Option<Vec<String>> {
    let mut plain = target;
    for prefix in [r"\\?\", r"\??\"] {
        plain = plain.strip_prefix(prefix).unwrap_or(plain);
    }
    if let Some((letter, path)) = plain.split_once(':')
        && let [letter] = letter.as_bytes()
        && letter.is_ascii_alphabetic()
        && path.starts_with(['/', '\\'])
    {
        // A path of Windows does not climb above its drive.
        let inside = walked(Vec::new(), path)?;
        return Some([drive(char::from(*letter))?, inside].concat());
    }
    if !plain.starts_with(['/', '\\']) {
        return walked(folder.to_vec(), plain).filter(|_| !plain.is_empty());
    }
    let inside = root.filter(|root| root.len() > 1).and_then(|root| plain.strip_prefix(root))?;
    inside.starts_with(['/', '\\']).then(|| walked(Vec::new(), inside))?
}

/// The path from these folders on; `None` if it climbs above the root.
fn walked(mut path: Vec<String>, more: &str) -> Option<Vec<String>> {
    for component in more.split(['/', '\\']) {
        match component {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            name => path.push(name.to_owned()),
        }
    }
    Some(path)
}

/// The letter that the folder at this place of the source stands for.
pub(super) fn letter(place: &str) -> Option<char> {
    drive_letter(place.rsplit('/').next().unwrap_or_default()).map(|(letter, _)| letter)
}

/// Whether one of two folders is the other or lies in it.
pub(super) fn is_around(one: &[String], other: &[String]) -> bool {
    one.iter().zip(other).all(|(one, other)| name::same(one, other))
}

/// That the link at this path is not followed.
pub(super) fn problem(path: &str, target: Option<&str>, why: &str) -> Problem {
    let what = match target {
        Some(target) => format!("it is a link to {}: {why}", name::shown(target)),
        None => format!("it is a link: {why}"),
    };
    let effect = "what it leads to is not examined here, so that nothing can be called absent there";
    Problem::new(Stage::Locate, ProblemKind::AccessDenied, name::shown(path), what, effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_their_volume() {
        let folder = components(r"\Windows\System32\winevt");
        for (text, expected) in [
            ("/EvtLogs", Some(r"\EvtLogs")),
            ("../../../EvtLogs", Some(r"\EvtLogs")),
            ("Other/./x//y", Some(r"\Windows\System32\winevt\Other\x\y")),
            (r"C:\Logs", Some(r"\Logs")),
            (r"\??\c:\Logs", Some(r"\Logs")),
            ("/mnt/e/C/EvtLogs", Some(r"\EvtLogs")),
            ("/mnt/e/Cx", Some(r"\mnt\e\Cx")),
            ("/mnt/e/C/../x", None),
            ("../../../../EvtLogs", None),
            (r"D:\Logs", None),
            (r"\\server\share", None),
            ("", None),
        ] {
            let found = target(&folder, text, Some("/mnt/e/C"), Some('C')).map(|path| path_of(&path));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
