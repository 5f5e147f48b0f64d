//! The command line: one definition that drives the parser, `--help`, the man pages and the completions.

use crate::formats::Formats;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

const RUN_EXAMPLES: &str = "\
Examples:
  comtrail run disk.E01 -o case/
      Collects from an E01 image, checks the bundle, analyses it and writes case/report.html.
  comtrail run /mnt/windows -o case/ --case-id IR-2041 --examiner 'A. Lee'
      The same from a mounted volume; the names go into the bundle.
  comtrail run disk.E01 -o case/ --check-image
      Reads the whole image first, to compare the MD5, SHA-1 or SHA-256 that it stores.
  comtrail run triage.zip -o case/ --full-timeline
      From a triage archive; the timeline then describes every file of the volume.
  comtrail run collected-hosts/ -o case/
      From a folder of many triage archives or trees. Each host gets a folder of its own, and case/index.html lists them.
  comtrail.exe run live -o E:\\case --cpu 25 --io 50M --time 30m
      On a running Windows host, as administrator, onto a stick. What is volatile is collected first.

Exit status: 0 everything meant to be read was read; 1 could not run (there is no report where nothing can be examined or \
nothing could be collected); 2 done, with problems that the report lists; 64 usage. Of several hosts it is the worst.";

const COLLECT_EXAMPLES: &str = "\
Examples:
  comtrail collect disk.raw -o WS-FIN-07.zip
  comtrail collect image.001 -o bundle.zip --memory 512M --threads 1
  comtrail collect C/ -o bundle.zip --json
  comtrail collect disk.raw --resume WS-FIN-07.zip
      Continues an interrupted collection, in WS-FIN-07-part2.zip.

This command interprets nothing. It also collects what records name: an assembly on a command line, a CodeBase.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  comtrail verify WS-FIN-07.zip
  comtrail verify WS-FIN-07.zip --expect-bundle 5f1c… --expect-log b249…
      Also compares the hashes that you wrote down when the bundle was made. If they are these, nobody made it again.
  comtrail verify evidence/*.zip --json
      Prints one JSON object for one bundle, a list of them for several.
  comtrail verify unpacked/WS-FIN-07-20260304T141233Z/
      A bundle that was unpacked: checks everything but the archive itself.
  comtrail verify case/
      The folder of an analysis: checks its files by their manifest, and the bundle that it names.
  comtrail verify case/ --again
      Also analyses the bundle again and compares every byte.

Give the parts of one collection together. Exit status: 0 valid and complete; 2 valid, but interrupted or recovered \
without the parts that complete it, or a part is missing; 1 not valid; of several the worst. Of an analysis also 2 \
where its bundle is not there, another version made it and it cannot be compared, or something is in its folder that \
its manifest does not list, and also 1 where its bundle was changed after it was sealed, even if the analysis reports that. \
Problems that the bundle records, and a missing signature, do not count.";

const RECOVER_EXAMPLES: &str = "\
Examples:
  comtrail recover WS-FIN-07.zip.partial -o WS-FIN-07-recovered.zip

The new bundle has every whole object, with all that the journal says of it, and names those that are not whole. Without \
the journal it is not known of any object whether all of it was read, and the bundle reports that. A bundle that was sealed \
and only not renamed is copied byte for byte. The unfinished bundle is only read, and stays.

Exit status: 0 it was complete and only not renamed, 1 no bundle could be made, 2 the bundle is made and is not complete.";

const ANALYZE_EXAMPLES: &str = "\
Examples:
  comtrail analyze WS-FIN-07.zip -o case/
  comtrail analyze WS-FIN-07.zip -o case/ --full-timeline
  comtrail analyze WS-FIN-07.zip WS-FIN-07-part2.zip -o case/
      Reads the parts of a collection that was interrupted and continued (`collect --resume`) as one.
  comtrail analyze bundles/*.zip -o case/
      Several hosts: each gets case/<host>/, and case/index.html lists them.

Writes report.html, report.json, timeline.jsonl, timeline.csv and timeline.body (see --timeline), analysis.json (of which bundle, by \
which version) and manifest-sha256.txt over all of them. It verifies each bundle first and refuses one that was changed \
after it was sealed.

Exit status: 0 everything meant to be read was read; 1 nothing was analysed; 2 done, with problems that the report lists, \
one of which can be that a part of the collection is missing.";

const INSPECT_EXAMPLES: &str = "\
Examples:
  comtrail inspect suspicious.dll
  comtrail inspect --json *.dll
  comtrail inspect folder/
      Every program in a folder and below it; links are not followed.

This command reads the files. It never loads or runs them.

Exit status: 0 every file was examined in full; 1 nothing could be examined; 2 a file could not be read, or not \
examined in full.";

const CASE: &str = "The case";
const TAKEN: &str = "What is collected and reported";
const LIMITS: &str = "Limits";
const LIVE: &str = "A live host";
const OUTPUT: &str = "Output";
const EXPECTED: &str = "Hashes that were written down";

/// Finds out what regsvcs.exe and regasm.exe did on a Windows host (MITRE ATT&CK T1218.009).
///
/// Collects the traces from a disk image, a mounted volume or a triage archive into a hashed bundle, and
/// builds a timeline and a report in which every statement cites its file, hash and place.
#[derive(Debug, Parser)]
#[command(name = "comtrail", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every command understands.
#[derive(Args, Debug, Clone)]
pub(crate) struct Common {
    /// Worker threads, at most 1024; 0 means one for each processor.
    #[arg(long, global = true, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1024), help_heading = LIMITS)]
    pub(crate) threads: u16,

    /// Most memory to use, such as 512M or 2G; at least 32M. What does not fit goes to a temporary file, or is left out and
    /// reported as a problem.
    #[arg(long, global = true, value_name = "SIZE", default_value = "128M", value_parser = parse_memory, help_heading = LIMITS)]
    pub(crate) memory: u64,

    /// Write machine-readable JSON: progress lines on standard error, results on standard output.
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub(crate) json: bool,

    /// Show no progress and no summary; errors are still shown.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = OUTPUT)]
    pub(crate) quiet: bool,

    /// Show every problem on the terminal, not only how many there are.
    #[arg(long, short, global = true, help_heading = OUTPUT)]
    pub(crate) verbose: bool,
}

impl Common {
    /// How many threads work.
    pub(crate) fn worker_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => usize::from(threads),
        }
    }
}

/// What is written into the bundle about the case.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct CaseWords {
    /// Case number, to be written into the bundle.
    #[arg(long, value_name = "TEXT", help_heading = CASE)]
    pub(crate) case_id: Option<String>,

    /// Name of whoever collects, to be written into the bundle.
    #[arg(long, value_name = "TEXT", help_heading = CASE)]
    pub(crate) examiner: Option<String>,

    /// Organisation, to be written into the bundle.
    #[arg(long, value_name = "TEXT", help_heading = CASE)]
    pub(crate) organization: Option<String>,

    /// What a trusted clock shows at this moment, in UTC, as 2026-03-04T14:12:33Z. The difference of this machine's
    /// clock to it goes into the bundle.
    #[arg(long, value_name = "TIME", value_parser = parse_utc, help_heading = CASE)]
    pub(crate) reference_time: Option<evidence::Filetime>,
}

/// Which of several hosts.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct WhichHost {
    /// Only this host, where the source has several; the name that `run` gives to the host's folder.
    #[arg(long, value_name = "NAME", help_heading = TAKEN)]
    pub(crate) host: Option<String>,
}

/// How much to collect.
#[derive(Args, Debug, Clone)]
pub(crate) struct CollectLimits {
    /// Largest single object to collect, at least 1M; a problem names each larger one.
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = parse_max_object, help_heading = LIMITS)]
    pub(crate) max_object: u64,

    /// Most files to collect because records name them (leads). With 0 none is looked for, and the report says that.
    #[arg(long, value_name = "N", default_value_t = 2000, help_heading = LIMITS)]
    pub(crate) max_leads: usize,

    /// Most of all processors to use, in percent. On a live host the program also runs with background priority.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100), help_heading = LIMITS)]
    pub(crate) cpu: Option<u8>,

    /// Most bytes to read from a live host's volumes for each second.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LIVE)]
    pub(crate) io: Option<u64>,

    /// Also read the shadow copies that a live host has already. Their event logs are analysed; everything else is kept
    /// for examination.
    #[arg(long, help_heading = LIVE)]
    pub(crate) shadow_copies: bool,

    /// Make a shadow copy of a live host's system volume and read the volume from it, so that nothing changes while it is
    /// read. That writes to the volume; the copy is removed before the bundle is sealed, and both are recorded.
    #[arg(long, help_heading = LIVE)]
    pub(crate) make_shadow_copy: bool,

    /// Read the whole image first and compare the digests (MD5, SHA-1, SHA-256) that it stores, as E01 and Ex01 do. The
    /// result goes into the bundle and the report; a difference is a problem.
    #[arg(long, help_heading = TAKEN)]
    pub(crate) check_image: bool,

    /// Compute SHA-512 beside SHA-256. Every file is hashed twice then.
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) sha512: bool,

    /// Longest time for collecting, such as 90s, 30m or 2h; at least 1s. What was collected until then is sealed as
    /// interrupted.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = LIMITS)]
    pub(crate) time: Option<std::time::Duration>,
}

/// What the timeline describes.
#[derive(Args, Debug, Clone)]
pub(crate) struct TimelineScope {
    /// Describe every file of $MFT and every change journal record, not only those around the findings.
    #[arg(long, help_heading = TAKEN)]
    pub(crate) full_timeline: bool,

    /// The files of the timeline: some of jsonl, csv and body, or none. The report is the same with any.
    #[arg(long, value_name = "FORMATS", default_value_t = Formats::default(), value_parser = Formats::parse, help_heading = OUTPUT)]
    pub(crate) timeline: Formats,
}

/// What was written down when a bundle was made.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ExpectedHashes {
    /// The SHA-256 that the bundle's file must have; for one bundle.
    #[arg(long = "expect-bundle", visible_alias = "expect-archive", value_name = "SHA-256", value_parser = parse_sha256, help_heading = EXPECTED)]
    pub(crate) archive: Option<String>,

    /// The last hash that the bundle's action log must have; for one bundle.
    #[arg(long = "expect-log", value_name = "SHA-256", value_parser = parse_sha256, help_heading = EXPECTED)]
    pub(crate) log: Option<String>,
}

/// How an analysis is checked.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct CheckOptions {
    /// For the folder of an analysis: analyse its bundle again and compare every byte.
    #[arg(long)]
    pub(crate) again: bool,

    /// For the folder of an analysis: where its bundle is, if it is neither in the folder nor in the one above. Give it once
    /// for each part of a collection.
    #[arg(long = "bundle", value_name = "BUNDLE.zip", value_hint = ValueHint::FilePath)]
    pub(crate) its_bundles: Vec<PathBuf>,

    /// For the folder of an analysis: the hash that comtrail printed when it made the analysis. Another one is an error.
    #[arg(long = "expect-analysis", visible_alias = "expect-manifest", value_name = "SHA-256", value_parser = parse_sha256, help_heading = EXPECTED)]
    pub(crate) expect_manifest: Option<String>,
}

impl CheckOptions {
    /// Whether one of them is.
    pub(crate) fn are_given(&self) -> bool {
        self.again || !self.its_bundles.is_empty() || self.expect_manifest.is_some()
    }
}

/// What going on with a collection begins with.
pub(crate) const EARLIER_PARTS: &str = "verifying the earlier parts";

impl Command {
    /// The phases that it goes through, as they are shown.
    pub(crate) fn stages(&self) -> &'static [&'static str] {
        const ALL: [&str; 8] = [
            "locating",
            "collecting",
            "following leads",
            "sealing",
            "verifying",
            "parsing",
            "parsing the file system",
            "merging and correlating",
        ];
        const RESUMED: [&str; 6] = [EARLIER_PARTS, ALL[0], ALL[1], ALL[2], ALL[3], ALL[4]];
        match self {
            Command::Run { .. } => &ALL,
            Command::Collect { resume: Some(_), .. } => &RESUMED,
            Command::Collect { .. } => &ALL[..5],
            Command::Recover { .. } => &ALL[4..5],
            Command::Verify { .. } => &ALL[4..5],
            Command::Analyze { .. } => &ALL[4..],
            _ => &[],
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Collect, verify and analyse in one command.
    #[command(after_help = RUN_EXAMPLES)]
    Run {
        /// Disk image (raw, split, E01, Ex01, VHD, VHDX, VMDK, QCOW2, VDI), folder, mounted volume, tar, tar.gz, zip, loose
        /// files, or `live` for the host that this runs on.
        #[arg(value_hint = ValueHint::AnyPath)]
        source: PathBuf,
        /// Folder for the bundle and the report; created if missing. If there are several hosts, each gets a folder in it,
        /// and index.html and index.json list them.
        #[arg(short, long, value_name = "CASE", value_hint = ValueHint::DirPath)]
        output: PathBuf,
        #[command(flatten)]
        which: WhichHost,
        #[command(flatten)]
        words: CaseWords,
        #[command(flatten)]
        limits: CollectLimits,
        #[command(flatten)]
        scope: TimelineScope,
    },
    /// Collect and hash the traces into a bundle; interpret nothing.
    #[command(after_help = COLLECT_EXAMPLES)]
    Collect {
        /// Disk image (raw, split, E01, Ex01, VHD, VHDX, VMDK, QCOW2, VDI), folder, mounted volume, tar, tar.gz, zip, loose
        /// files, or `live` for the host that this runs on.
        #[arg(value_hint = ValueHint::AnyPath)]
        source: PathBuf,
        /// The bundle to create; an existing file is never overwritten.
        #[arg(
            short,
            long,
            value_name = "BUNDLE.zip",
            value_hint = ValueHint::FilePath,
            required_unless_present = "resume"
        )]
        output: Option<PathBuf>,
        /// Continue an interrupted or recovered collection of the same source. Writes BUNDLE-part2.zip beside it, with
        /// what the earlier bundle does not have whole.
        #[arg(long, value_name = "BUNDLE.zip", value_hint = ValueHint::FilePath, conflicts_with = "output")]
        resume: Option<PathBuf>,
        #[command(flatten)]
        which: WhichHost,
        #[command(flatten)]
        words: CaseWords,
        #[command(flatten)]
        limits: CollectLimits,
    },
    /// Make a bundle from what an unfinished collection left.
    #[command(after_help = RECOVER_EXAMPLES)]
    Recover {
        /// The unfinished bundle, BUNDLE.zip.partial; its journal BUNDLE.zip.partial.log is beside it.
        #[arg(value_name = "BUNDLE.zip.partial", value_hint = ValueHint::FilePath)]
        partial: PathBuf,
        /// The bundle to create; an existing file is never overwritten.
        #[arg(short, long, value_name = "BUNDLE.zip", value_hint = ValueHint::FilePath)]
        output: PathBuf,
    },
    /// Check that a bundle is complete (nothing missing, nothing added) and valid (every digest).
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// Bundles (zip files, or folders that they were unpacked to) or folders of analyses.
        #[arg(required = true, value_name = "BUNDLE", value_hint = ValueHint::AnyPath)]
        bundles: Vec<PathBuf>,
        #[command(flatten)]
        expected: ExpectedHashes,
        #[command(flatten)]
        analysis: CheckOptions,
    },
    /// Make the timeline and the report of a bundle.
    #[command(after_help = ANALYZE_EXAMPLES)]
    Analyze {
        /// The bundle: a zip file, or the folder that it was unpacked to; if the collection was interrupted and continued,
        /// all its parts. If there are several hosts, each gets a folder in CASE, and index.html and index.json list them.
        #[arg(required = true, value_name = "BUNDLE", value_hint = ValueHint::AnyPath)]
        bundles: Vec<PathBuf>,
        /// Folder for the report; created if missing.
        #[arg(short, long, value_name = "CASE", value_hint = ValueHint::DirPath)]
        output: PathBuf,
        #[command(flatten)]
        scope: TimelineScope,
        /// Replace the analysis that is in the folder. A bundle is never replaced.
        #[arg(long)]
        force: bool,
        /// Analyse a bundle that was changed after it was sealed. Every output reports that, and marks what rests on a
        /// changed object.
        #[arg(long)]
        accept_changed: bool,
    },
    /// Describe an assembly, and whether the tools would run its code.
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect {
        /// Files to read; in a folder, the programs in it and below it.
        #[arg(required = true, value_hint = ValueHint::AnyPath)]
        files: Vec<PathBuf>,
    },
    /// List what comtrail collects, from where, what it proves and what it does not prove.
    #[command(
        after_help = "Examples:\n  comtrail artifacts\n  comtrail artifacts prefetch\n  comtrail artifacts --format markdown > docs/artifacts.md\n  comtrail artifacts --format records prefetch"
    )]
    Artifacts {
        /// Only this artifact.
        id: Option<String>,
        /// Form of the list; --json is the same as --format json.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,
    },
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  comtrail completions bash > /etc/bash_completion.d/comtrail")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder.
    #[command(after_help = "Example:\n  comtrail man /usr/local/share/man/man1")]
    Man {
        /// The folder; created if missing.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

/// Form of `comtrail artifacts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For a terminal.
    Text,
    /// `docs/artifacts.md`.
    Markdown,
    /// `docs/records.md`: the fields of each type of records, in Markdown.
    Records,
    /// For programs.
    Json,
}

/// 64 hexadecimal digits; spaces between them, as people write them down, do not count.
fn parse_sha256(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some(digits).ok_or_else(|| "a SHA-256 has 64 hexadecimal digits".to_owned())
}

fn parse_utc(text: &str) -> Result<evidence::Filetime, String> {
    let unknown = || format!("{text} is no time in UTC; write 2026-03-04T14:12:33Z");
    evidence::Filetime::parse_utc(text).ok_or_else(unknown)
}

/// `90s`, `30m`, `2h`.
fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    let unknown = || format!("{text} is no time; write 90s, 30m or 2h");
    let unit = text.chars().last().ok_or_else(unknown)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(unknown()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| unknown())?;
    if number == 0 {
        return Err("no time is left in which anything could be collected; the least is 1s".to_owned());
    }
    number.checked_mul(seconds).map(std::time::Duration::from_secs).ok_or_else(unknown)
}

/// What `--memory` must allow at least: buffers, one piece of a large object for each thread, and the merge.
const LEAST_MEMORY: u64 = 32 << 20;
/// What `--max-object` must allow at least: below it no event log would be collected.
const LEAST_OBJECT: u64 = 1 << 20;

fn parse_memory(text: &str) -> Result<u64, String> {
    parse_size_of_at_least(text, LEAST_MEMORY)
}

fn parse_max_object(text: &str) -> Result<u64, String> {
    parse_size_of_at_least(text, LEAST_OBJECT)
}

/// A size that is not below what is needed; a number alone, which is too small as bytes, was most likely meant as MiB.
fn parse_size_of_at_least(text: &str, least: u64) -> Result<u64, String> {
    let size = parse_size(text)?;
    if size >= least {
        return Ok(size);
    }
    let least_shown = format!("{}M", least >> 20);
    // A large number alone was meant as bytes; nobody has a million MiB in mind.
    let as_mebibytes = size.checked_mul(1 << 20).filter(|_| size < 1 << 20).filter(|size| *size >= least);
    Err(match as_mebibytes {
        Some(_) if text.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("without a unit it means bytes; did you mean {size}M? The least is {least_shown}")
        }
        _ => format!("it is less than is needed; the least is {least_shown}, and a unit belongs to it (K, M, G or T)"),
    })
}

/// `512M`, `2G`, `65536`; powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is not a size such as 512M or 2G"))?;
    let unit = text[digits.len()..].trim().to_ascii_uppercase();
    let factor: u64 = match unit.trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(format!("`{text}` ends with an unknown unit; use K, M, G or T")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn hashes_as_people_write_them() {
        let hash = "5f71bf4c".repeat(8);
        assert_eq!(parse_sha256(&hash), Ok(hash.clone()));
        assert_eq!(parse_sha256(&"5F71 BF4C ".repeat(8)), Ok(hash.clone()));
        for wrong in ["", &hash[1..], &format!("{hash}0"), &hash.replacen('f', "g", 1)] {
            assert!(parse_sha256(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(parse_time("90s"), Ok(std::time::Duration::from_secs(90)));
        assert_eq!(parse_time("2h"), Ok(std::time::Duration::from_secs(7200)));
        for wrong in ["", "5", "0s", "0h", "m", "-1s", "1.5h", "99999999999999999999h", "5\u{e9}"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_that_allow_nothing_are_refused_in_words() {
        let words = |parse: fn(&str) -> Result<u64, String>, text: &str| parse(text).unwrap_err();
        assert!(words(parse_memory, "512").contains("did you mean 512M? The least is 32M"));
        for small in ["64K", "16", "0", "31M", "33554431"] {
            let said = words(parse_memory, small);
            assert!(said.contains("the least is 32M") && said.contains("unit"), "{small}: {said}");
        }
        assert!(words(parse_max_object, "10").contains("did you mean 10M? The least is 1M"));
        assert_eq!((parse_memory("32M"), parse_memory("33554432")), (Ok(32 << 20), Ok(32 << 20)));
        assert_eq!(parse_max_object("1024K"), Ok(1 << 20));
        assert!(parse_time("0s").unwrap_err().contains("the least is 1s"));
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("65536"), Ok(65_536));
        for wrong in ["", "M", "12X", "-1", "99999999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
