//! The rules: what each finding weighs, and the tables that findings use. They are data, so that an analyst can read and
//! replace them without knowing Rust.

use super::FINDINGS;
use crate::story::OwnActs;
use evidence::name::is_like;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The name and version of the form that is read.
const SCHEMA: &str = "comtrail-rules/1";

/// The rules that come with the program.
const OWN: &str = include_str!("../../rules/t1218-009.toml");

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}, line {line}: {what}")]
pub struct RulesError {
    /// Name of the file.
    pub name: String,
    /// Line, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Rules that were read and checked.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Version of the rules, as they say it.
    pub version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    findings: BTreeMap<String, Weighed>,
    places: Vec<Place>,
    own: Arc<OwnActs>,
}

/// What the rules say of a finding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighed {
    id: Spanned<String>,
    group: Spanned<String>,
    /// Decibans.
    pub weight: i64,
    /// What it says where it is present.
    pub title: String,
    /// Why it counts.
    pub why: String,
    /// What else it can be.
    pub false_positives: String,
    /// Where it is described.
    pub reference: String,
}

/// A kind of folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) class: Spanned<String>,
    /// The same for people, with its article.
    pub(crate) says: String,
    /// Whether Windows lets ordinary users write there unless somebody changes it.
    pub(crate) user_writable: bool,
    below: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<String>,
    version: String,
    #[serde(rename = "prior")]
    _prior: i64,
    #[serde(rename = "thresholds")]
    _thresholds: Thresholds,
    caps: BTreeMap<String, i64>,
    finding: Vec<Weighed>,
    own: OwnActs,
    place: Vec<Place>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    #[serde(rename = "escalate")]
    _escalate: i64,
    #[serde(rename = "investigate")]
    _investigate: i64,
}

impl Rules {
    /// The rules that come with the program.
    ///
    /// # Errors
    /// None, as a test holds.
    pub fn own() -> Result<Rules, RulesError> {
        Rules::parse("t1218-009.toml", OWN)
    }

    /// Reads rules.
    ///
    /// # Errors
    /// What is no rule, a finding that this program does not know, one that is missing, one that stands twice, and a table that
    /// is empty or would fit anything, with the line.
    pub fn parse(name: &str, text: &str) -> Result<Rules, RulesError> {
        let error = |span: Option<Range<usize>>, what: String| {
            let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
            RulesError { name: name.to_owned(), line: before.matches('\n').count() + 1, what }
        };
        let file: File = toml::from_str(text).map_err(|wrong| error(wrong.span(), wrong.message().to_owned()))?;
        if file.schema.get_ref() != SCHEMA {
            let what = format!("these rules are of the form {}, and {SCHEMA} is read", file.schema.get_ref());
            return Err(error(Some(file.schema.span()), what));
        }
        let mut findings = BTreeMap::new();
        for weighed in file.finding {
            let id = weighed.id.get_ref().clone();
            let span = Some(weighed.id.span());
            if !FINDINGS.iter().any(|finding| finding.id == id) {
                return Err(error(span, format!("{id} is no finding of this program")));
            }
            if !file.caps.contains_key(weighed.group.get_ref()) {
                let what = format!("the group {} of {id} has no cap", weighed.group.get_ref());
                return Err(error(Some(weighed.group.span()), what));
            }
            if findings.insert(id.clone(), weighed).is_some() {
                return Err(error(span, format!("{id} stands twice")));
            }
        }
        if let Some(missing) = FINDINGS.iter().find(|finding| !findings.contains_key(finding.id)) {
            return Err(error(Some(text.len()..text.len()), format!("the finding {} is missing", missing.id)));
        }
        for (index, place) in file.place.iter().enumerate() {
            if file.place[..index].iter().any(|before| before.class.get_ref() == place.class.get_ref()) {
                let what = format!("the place {} stands twice", place.class.get_ref());
                return Err(error(Some(place.class.span()), what));
            }
        }
        if let Some((span, what)) = file.own.wrong() {
            return Err(error(span, what));
        }
        let sha256 = evidence::hex(&Sha256::digest(text));
        Ok(Rules { version: file.version, sha256, findings, places: file.place, own: Arc::new(file.own) })
    }

    /// What the tools and the CLR do of themselves.
    pub fn own_acts(&self) -> Arc<OwnActs> {
        Arc::clone(&self.own)
    }

    /// What the rules say of a finding.
    pub fn weighed(&self, id: &str) -> Option<&Weighed> {
        self.findings.get(id)
    }

    /// What kind of folder a file lies in; `path` is without its volume.
    pub(crate) fn place_of(&self, path: &str) -> Option<&Place> {
        let folders: Vec<&str> = folders(path).collect();
        self.places.iter().find(|place| place.below.iter().any(|pattern| is_below(&folders, pattern)))
    }
}

/// The folders above a file.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let above = path.rsplit_once('\\').map_or("", |(above, _)| above);
    above.split('\\').filter(|part| !part.is_empty())
}

/// Whether the first of these folders are those of the pattern.
fn is_below(folders: &[&str], pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('\\').filter(|part| !part.is_empty()).collect();
    let fits = |(part, folder): (&&str, &&str)| is_like(part, folder);
    folders.len() >= parts.len() && parts.iter().zip(folders).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_rules_are_right() {
        let rules = Rules::own().unwrap();
        assert_eq!(rules.weighed("B-NOEXEC").unwrap().weight, -8);
        assert_eq!(rules.sha256.len(), 64);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let line_of = |text: &str| OWN[..OWN.find(text).unwrap()].matches('\n').count() + 1;
        let wrong = |from: &str, to: &str| Rules::parse("mine.toml", &OWN.replacen(from, to, 1)).unwrap_err();
        let unknown = wrong("\"F-IMG-PATH\"", "\"F-IMG-PAHT\"");
        assert_eq!(
            (unknown.line, &*unknown.what),
            (line_of("\"F-IMG-PATH\""), "F-IMG-PAHT is no finding of this program")
        );
        let missing = Rules::parse(
            "mine.toml",
            &OWN.replace("[[finding]]\nid = \"B-NOEXEC\"", "[[finding]]\nid = \"F-IMG-PATH\""),
        );
        assert_eq!(missing.unwrap_err().what, "F-IMG-PATH stands twice");
        let start = OWN.find("[[finding]]\nid = \"B-NOEXEC\"").unwrap();
        let end = OWN[start..].find("\n\n").unwrap() + start;
        let without = Rules::parse("mine.toml", &[&OWN[..start], &OWN[end..]].concat()).unwrap_err();
        assert_eq!(without.to_string().split(": ").nth(1).unwrap(), "the finding B-NOEXEC is missing");
        assert_eq!(wrong("weight = 10", "wieght = 10").line, line_of("weight = 10"));
        assert_eq!(wrong("comtrail-rules/1", "comtrail-rules/2").line, line_of("comtrail-rules/1"));
        assert_eq!(wrong("class = \"gac\"", "class = \"root\"").what, "the place root stands twice");
        assert_eq!(wrong("group = \"IMG\"", "group = \"IGM\"").what, "the group IGM of F-IMG-PATH has no cap");
        let any = wrong("'crl.certum.pl'", "'*.pl'");
        assert_eq!((any.line, &*any.what), (line_of("'crl.certum.pl'"), "*.pl would fit any host"));
        let path = wrong("names = ['dw20.exe']", r"names = ['a\dw20.exe']");
        assert_eq!((path.line, &*path.what), (line_of("names = ['dw20.exe']"), r"a\dw20.exe is no name of a program"));
        assert_eq!(wrong("port = 80", "prot = 80").line, line_of("port = 80"));
    }

    #[test]
    fn folders_have_a_kind() {
        let rules = Rules::own().unwrap();
        for (path, class, user_writable) in [
            (r"\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe", "framework_dir", false),
            (r"\WINDOWS\assembly\GAC_MSIL\x\y.dll", "gac", false),
            (r"\Windows\Temp\{12A}\a.dll", "installer_cache", false),
            (r"\Windows\Temp\a.dll", "public_writable", true),
            (r"\Windows\System32\a.dll", "windows_system", false),
            (r"\Program Files\V\a.dll", "program_files", false),
            (r"\PROGRA~1\MICROS~2\a.dll", "program_files", false),
            (r"\PROGRA~3\V\a.dll", "programdata", true),
            (r"\Users\jdoe\AppData\Local\Temp\x\a.dll", "user_profile_temp", true),
            (r"\Users\jdoe\a.dll", "user_profile", true),
            (r"\users\public\a.dll", "public_writable", true),
            (r"\ProgramData\V\a.dll", "programdata", true),
            (r"\Tools\a.dll", "volume_folder", true),
            (r"\a.dll", "root", false),
        ] {
            let place = rules.place_of(path).unwrap();
            assert_eq!((place.class.get_ref().as_str(), place.user_writable), (class, user_writable), "{path}");
        }
    }
}
