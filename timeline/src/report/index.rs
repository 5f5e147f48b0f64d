//! The overview of a source that holds several hosts: which they are, what was found of each, and where its report is.

use super::model::{ChangedBundle, Report, ToolName};
use crate::words::{capital, count, list, plural};
use serde::Serialize;
use std::collections::BTreeSet;

/// Name and version of the shape of `index.json`, which `docs/report.md` describes.
pub const INDEX_SCHEMA: &str = "comtrail-index/1";

/// Most hosts that a sentence names.
const MOST_NAMED: usize = 6;

/// One host of the overview.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndexedHost {
    /// Only where its bundle was changed after it was sealed, as its report says it.
    #[serde(rename = "changed_after_sealing", skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedBundle>,
    /// Name of the host, by its registry, its records or else its source.
    pub name: String,
    /// Its folder beside the index, which is also what `--host` takes.
    pub folder: String,
    /// File name of its bundle in that folder.
    pub bundle: Option<String>,
    /// SHA-256 of the bundle file.
    pub bundle_sha256: Option<String>,
    /// Last hash of the action log of its bundle, for whoever writes it down.
    #[serde(skip)]
    pub action_log_hash: Option<String>,
    /// SHA-256 of the manifest of its analysis, which stands for every file of it.
    pub analysis_manifest_sha256: Option<String>,
    /// Its report, from the folder of the index; `/` separates.
    pub report: Option<String>,
    /// The folder of an earlier host that is the same machine by all that is known of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_machine_as: Option<String>,
    /// The answer of its report, or why there is none.
    pub headline: String,
    /// Whether something of it was not examined.
    pub partly_examined: bool,
    /// Runs of the tools.
    pub executions: usize,
    /// Processes of other programs that would start a tool.
    pub attempts: usize,
    /// Problems that count for the exit status.
    pub problems: usize,
    #[serde(skip)]
    runs_would_show: bool,
    #[serde(skip)]
    machine: Option<Machine>,
}

/// What tells one machine from another.
#[derive(Clone, Debug, PartialEq)]
struct Machine {
    name: String,
    guid: String,
    /// Serial numbers of its volumes, where the volumes themselves were read.
    serials: BTreeSet<String>,
    /// Folder of its Windows: of two in one volume each has runs of its own.
    windows: Option<String>,
}

impl Machine {
    /// By what two hosts are the same machine; none where they are not, or where nothing says so.
    fn same(&self, other: &Machine) -> Option<&'static str> {
        if !self.name.eq_ignore_ascii_case(&other.name) || !self.guid.eq_ignore_ascii_case(&other.guid) {
            return None;
        }
        if self
            .windows
            .as_ref()
            .zip(other.windows.as_ref())
            .is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other))
        {
            return None;
        }
        if self.serials.is_empty() || other.serials.is_empty() {
            return Some("name and MachineGuid");
        }
        (!self.serials.is_disjoint(&other.serials)).then_some("MachineGuid and volume serial")
    }
}

/// That bundles were changed after they were sealed, and were analysed all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedHosts {
    /// It, in a sentence.
    pub statement: String,
    /// The folders of the hosts that it concerns.
    pub hosts: Vec<String>,
}

/// The overview of several hosts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Index {
    /// Only where bundles were changed after they were sealed; it stands before everything else.
    #[serde(rename = "changed_after_sealing", skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedHosts>,
    /// [`INDEX_SCHEMA`].
    pub schema: &'static str,
    /// The program.
    pub tool: ToolName,
    /// What the hosts were found in.
    pub source: String,
    /// The answer for all hosts together.
    pub headline: String,
    /// The hosts, in the order in which they were found.
    pub hosts: Vec<IndexedHost>,
}

impl IndexedHost {
    /// A host with its report, `bundle` being the name of its bundle file, where that lies in its folder, and the
    /// file's SHA-256.
    pub fn new(name: String, folder: String, bundle: (Option<String>, String), report: &Report) -> Self {
        let guid = report.host.settings.iter().find(|one| one.name == "MachineGuid" && !one.value.is_empty());
        let guid = guid.map(|one| one.value.clone());
        IndexedHost {
            changed: report.changed.clone(),
            name,
            report: Some(format!("{folder}/report.html")),
            folder,
            bundle: bundle.0,
            bundle_sha256: Some(bundle.1),
            action_log_hash: None,
            analysis_manifest_sha256: None,
            headline: report.summary.answer.clone(),
            partly_examined: !report.summary.not_examined.is_empty(),
            executions: report.executions.len(),
            attempts: report.attempts.len(),
            problems: report.problems_and_notes().0,
            runs_would_show: report.summary.runs_would_show,
            same_machine_as: None,
            machine: report.host.name.clone().zip(guid).map(|(name, guid)| Machine {
                name,
                guid,
                serials: BTreeSet::new(),
                windows: None,
            }),
        }
    }

    /// Adds the serial numbers of its volumes and the folder of its Windows, by which it can be told from another one with
    /// the same MachineGuid.
    pub fn with_volumes(mut self, serials: impl IntoIterator<Item = String>, windows: Option<String>) -> Self {
        if let Some(machine) = &mut self.machine {
            machine.windows = windows;
            machine.serials.extend(serials.into_iter().filter(|serial| !serial.is_empty()));
        }
        self
    }

    /// A host that could not be collected or analysed, and why.
    pub fn without_report(name: String, folder: String, bundle: Option<String>, why: &str) -> Self {
        IndexedHost {
            changed: None,
            name,
            folder,
            bundle,
            bundle_sha256: None,
            action_log_hash: None,
            analysis_manifest_sha256: None,
            report: None,
            headline: format!("Not examined: {}.", why.trim_end_matches('.')),
            partly_examined: true,
            executions: 0,
            attempts: 0,
            problems: 1,
            runs_would_show: false,
            same_machine_as: None,
            machine: None,
        }
    }
}

impl Index {
    /// The overview of these hosts.
    pub fn new(tool: ToolName, source: String, mut hosts: Vec<IndexedHost>) -> Self {
        for later in 1..hosts.len() {
            hosts[later].same_machine_as =
                same(&hosts[..later], &hosts[later]).map(|(earlier, _)| earlier.folder.clone());
        }
        let (changed, headline) = (changed(&hosts), headline(&hosts));
        Index { changed, schema: INDEX_SCHEMA, tool, source, headline, hosts }
    }

    /// `index.json`.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut out = serde_json::to_vec_pretty(self)?;
        out.push(b'\n');
        Ok(out)
    }
}

/// The first of the earlier hosts that is the same machine, and by what.
fn same<'a>(earlier: &'a [IndexedHost], host: &IndexedHost) -> Option<(&'a IndexedHost, &'static str)> {
    let machine = host.machine.as_ref()?;
    earlier.iter().find_map(|one| Some((one, one.machine.as_ref()?.same(machine)?)))
}

/// `A, B and two more hosts`.
fn named<'a>(hosts: impl Iterator<Item = &'a IndexedHost>) -> String {
    let all: Vec<&str> = hosts.map(|host| host.folder.as_str()).collect();
    let mut shown: Vec<String> = all.iter().take(MOST_NAMED).map(|name| (*name).to_owned()).collect();
    if let Some(more @ 1..) = all.len().checked_sub(MOST_NAMED) {
        shown.push(plural(more, "more host", "more hosts"));
    }
    list(&shown.iter().map(String::as_str).collect::<Vec<_>>())
}

fn changed(hosts: &[IndexedHost]) -> Option<ChangedHosts> {
    let changed: Vec<&IndexedHost> = hosts.iter().filter(|host| host.changed.is_some()).collect();
    let names = named(changed.iter().copied());
    let statement = match changed.len() {
        0 => return None,
        1 => format!("The bundle of {names} was changed after it was sealed, and was"),
        _ => format!("The bundles of {names} were changed after they were sealed, and were"),
    };
    Some(ChangedHosts {
        statement: format!("{statement} analysed because that was accepted."),
        hosts: changed.iter().map(|host| host.folder.clone()).collect(),
    })
}

fn headline(hosts: &[IndexedHost]) -> String {
    let mut sentences = Vec::new();
    let mut parts = Vec::new();
    let lost: Vec<&IndexedHost> = hosts.iter().filter(|host| host.report.is_none()).collect();
    if !lost.is_empty() {
        parts.push(named(lost.iter().copied()));
    }
    let partly: Vec<&IndexedHost> = hosts.iter().filter(|host| host.report.is_some() && host.partly_examined).collect();
    if !partly.is_empty() {
        parts.push(format!("parts of {}", named(partly.iter().copied())));
    }
    if !parts.is_empty() {
        sentences.push(format!("Not examined: {}.", parts.join("; ")));
    }
    let runs: usize = hosts.iter().map(|host| host.executions).sum();
    let (with, without): (Vec<&IndexedHost>, Vec<&IndexedHost>) = hosts.iter().partition(|host| host.executions > 0);
    let (none, unknown): (Vec<&IndexedHost>, Vec<&IndexedHost>) =
        without.into_iter().partition(|host| host.runs_would_show);
    if runs > 0 {
        let text = format!(
            "{} found on {} of {} hosts: {}.",
            plural(runs, "run was", "runs were"),
            count(with.len()),
            count(hosts.len()),
            named(with.iter().copied())
        );
        sentences.push(capital(&text));
    }
    if runs == 0 && unknown.is_empty() {
        sentences.push(format!("No run of regasm or regsvcs was found on any of the {} hosts.", count(hosts.len())));
    } else if !none.is_empty() {
        sentences.push(format!("None was found on {}.", named(none.iter().copied())));
    }
    if !unknown.is_empty() {
        sentences.push(format!(
            "Whether regasm or regsvcs ran on {} is not known: what was examined does not show it.",
            named(unknown.iter().copied())
        ));
    }
    let twice: Vec<String> = (1..hosts.len())
        .filter_map(|later| {
            let (host, (earlier, by)) = (&hosts[later], same(&hosts[..later], &hosts[later])?);
            Some(format!(
                "{} has the same {by} as {}: it is the same machine, counted twice.",
                host.folder, earlier.folder
            ))
        })
        .collect();
    sentences.extend(twice.iter().take(MOST_NAMED).cloned());
    if let Some(more @ 1..) = twice.len().checked_sub(MOST_NAMED) {
        sentences.push(format!("So {} counted again.", plural(more, "more host is", "more hosts are")));
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::Assessed;
    use crate::report::sample;
    use crate::story::Story;

    fn tool() -> ToolName {
        sample::names().0
    }

    fn host(name: &str, report: &Report) -> IndexedHost {
        let bundle = (Some(format!("{name}.zip")), "00".repeat(32));
        IndexedHost::new(name.to_owned(), name.to_owned(), bundle, report)
    }

    /// A report of a host on which nothing ran, and one of a host of which nothing was read.
    fn quiet_and_blind() -> (Report, Report) {
        let (tool, bundle) = sample::names();
        let Story { declared, host, coverage, .. } = sample::story();
        let quiet = Story { declared, host: host.clone(), ..Story::default() };
        let seen = Story { declared, host, coverage, ..Story::default() };
        (
            Report::new(tool.clone(), bundle.clone(), seen, Assessed::default(), Vec::new()),
            Report::new(tool, bundle, quiet, Assessed::default(), Vec::new()),
        )
    }

    #[test]
    fn the_answer_for_all_hosts() {
        let (quiet, blind) = quiet_and_blind();
        let of = |hosts: &[IndexedHost]| headline(hosts);
        assert_eq!(
            of(&[host("A", &quiet), host("B", &quiet)]),
            "No run of regasm or regsvcs was found on any of the two hosts."
        );
        assert_eq!(
            of(&[host("A", &quiet), host("B", &blind)]),
            "Not examined: parts of B. None was found on A. Whether regasm or regsvcs ran on B is not known: what was \
             examined does not show it."
        );
        let lost = IndexedHost::without_report("C".to_owned(), "C".to_owned(), None, "it cannot be read");
        assert_eq!(lost.headline, "Not examined: it cannot be read.");
        let all = of(&[host("A", &sample::report()), host("B", &quiet), lost]);
        assert!(all.starts_with("Not examined: C; parts of A. "), "{all}");
        assert!(all.contains("found on one of three hosts: A. None was found on B. Whether"), "{all}");
        let many: Vec<IndexedHost> = (0..20).map(|number| host(&format!("H{number}"), &blind)).collect();
        assert!(of(&many).contains("H5 and 14 more hosts"), "{}", of(&many));
    }

    #[test]
    fn a_machine_that_is_there_twice_is_said_to_be() {
        let with = |folder: &str, name: &str, guid: Option<&str>, serials: &[&str]| {
            let (mut report, _) = quiet_and_blind();
            report.host.name = Some(name.to_owned());
            report.host.settings.retain(|one| one.name != "MachineGuid");
            report
                .host
                .settings
                .extend(guid.map(|guid| crate::Setting { name: "MachineGuid".to_owned(), value: guid.to_owned() }));
            host(folder, &report).with_volumes(serials.iter().map(|serial| (*serial).to_owned()), None)
        };
        let of = |hosts: Vec<IndexedHost>| Index::new(tool(), "hosts".to_owned(), hosts);
        let first = || with("A", "A", Some("5a1c"), &["01DA"]);
        let twice = of(vec![first(), with("A-2", "a", Some("5A1C"), &["01DA", "77"])]);
        let said = "A-2 has the same MachineGuid and volume serial as A: it is the same machine, counted twice.";
        assert!(twice.headline.ends_with(said), "{}", twice.headline);
        assert_eq!(twice.hosts[1].same_machine_as.as_deref(), Some("A"));
        assert_eq!(twice.hosts[0].same_machine_as, None);
        let tree = of(vec![first(), with("A-2", "A", Some("5a1c"), &[])]);
        assert!(tree.headline.contains("A-2 has the same name and MachineGuid as A: "), "{}", tree.headline);
        let in_place = |windows: &str| first().with_volumes(["01DA".to_owned()], Some(windows.to_owned()));
        let old = of(vec![in_place(r"\Windows"), in_place(r"\Windows.old\Windows")]);
        assert!(!old.headline.contains("same machine"), "{}", old.headline);
        // A clone, a namesake, and one of which nothing is known.
        for (name, guid, serial) in
            [("B", Some("5a1c"), "01DA"), ("A", Some("ffff"), "01DA"), ("A", Some("5a1c"), "02"), ("A", None, "01DA")]
        {
            let other = of(vec![first(), with("A-2", name, guid, &[serial])]);
            assert!(!other.headline.contains("same machine"), "{}", other.headline);
            assert_eq!(other.hosts[1].same_machine_as, None);
        }
    }

    #[test]
    fn a_changed_bundle_is_said_before_everything_else() {
        let (quiet, _) = quiet_and_blind();
        let mut report = quiet.clone();
        report.changed = Some(ChangedBundle::new(&[], vec!["a.evtx: changed".to_owned()], 1, Default::default()));
        let whole = Index::new(tool(), "x".to_owned(), vec![host("A", &quiet), host("B", &quiet)]);
        assert!(!String::from_utf8(whole.to_json().unwrap()).unwrap().contains("changed_after_sealing"));
        assert!(whole.to_html().starts_with("<!DOCTYPE") && !whole.to_html().contains("after it was sealed"));

        let one = Index::new(tool(), "x".to_owned(), vec![host("A", &quiet), host("<b>", &report)]);
        let said = "The bundle of <b> was changed after it was sealed, and was analysed because that was accepted.";
        let json: serde_json::Value = serde_json::from_slice(&one.to_json().unwrap()).unwrap();
        assert!(one.to_json().unwrap().starts_with(b"{\n  \"changed_after_sealing\": {"));
        assert_eq!(json["changed_after_sealing"], serde_json::json!({ "statement": said, "hosts": ["<b>"] }));
        assert_eq!(json["hosts"][1]["changed_after_sealing"]["wrong"][0], "a.evtx: changed");
        assert!(json["hosts"][0].get("changed_after_sealing").is_none());
        let html = one.to_html();
        assert!(html.lines().next().unwrap().contains("was changed after it was sealed"), "{html}");
        assert_eq!(html.matches("<strong>changed after").count(), 1, "{html}");
        assert!(!html.contains("<b>"), "{html}");

        let two = Index::new(tool(), "x".to_owned(), vec![host("A", &report), host("B", &report)]);
        assert!(
            two.changed.unwrap().statement.starts_with("The bundles of A and B were changed after they were sealed")
        );
    }

    #[test]
    fn what_the_hosts_are_called_is_no_markup() {
        let (quiet, _) = quiet_and_blind();
        let odd = host("<b>&\"#1", &quiet);
        let index = Index::new(tool(), "/case/<i>".to_owned(), vec![odd, host("B", &quiet)]);
        let html = index.to_html();
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("<script"), "{html}");
        assert!(html.contains("href=\"%3Cb%3E%26%22%231/report.html\""), "{html}");
        let json: serde_json::Value = serde_json::from_slice(&index.to_json().unwrap()).unwrap();
        assert_eq!(json["schema"], "comtrail-index/1");
        assert_eq!(json["hosts"][1]["bundle_sha256"], "00".repeat(32));
        assert!(json["hosts"][0].get("runs_would_show").is_none());
    }
}
