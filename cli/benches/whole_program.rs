//! Times the program and its stages beside the peers that a package registry provides, and prints figures; it asserts nothing.
//!
//! `cargo bench -p comtrail` with, as far as they are there:
//! - `COMTRAIL_BENCH_IMAGE` a disk image (default: the fixture host), for P3, P4, P8;
//! - `COMTRAIL_BENCH_LOGS` a folder with event logs anywhere below: those above 1 MB for P1 beside `evtx_dump` (`cargo
//!   install evtx`), all of them for P7;
//! - `COMTRAIL_BENCH_MFT` an $MFT, for P5 beside `mft_dump` (`cargo install mft`), in the formats that both write, and beside
//!   mactime (Debian package sleuthkit), which puts rows in the order of time: what an analysis keeps by default, and with
//!   `--full-timeline` every file;
//! - `COMTRAIL_BENCH_LOG` one long event log of records that do not repeat, such as `fixtures/build/large_log.py` writes, for
//!   P3 beside the least that has to be done (read, SHA-256, deflate, one read-back), for P1 as a command, and for P8, two
//!   threads beside one;
//! - `COMTRAIL_BENCH_LONG_MFT` one long $MFT, such as `fixtures/build/large_mft.py` writes, for P7 and P8;
//! - `acquire` and `log2timeline` (PyPI: acquire, plaso) on the PATH, for P3 and P4.
//!
//! For P1, P3 and P5 this program runs itself as a worker, so that one stage is measured and not the bundle around it: the
//! event-log parser keeps what the technique needs; $MFT is parsed, merged and written as a timeline.
//!
//! CPU seconds and peak memory come from GNU time (`/usr/bin/time`, Debian package time). Programs are interleaved and
//! the median of three runs is shown; output goes to files in a temporary folder.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RUNS: usize = 3;

/// CPU seconds and peak memory of one run.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    peak_mib: f64,
    wall: f64,
}

/// Runs a shell command under GNU time; `None` when it cannot be run or fails outright.
fn cost(command: &str) -> Option<Cost> {
    let report = tempfile::NamedTempFile::new().ok()?;
    let status = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M %e", "-o"])
        .arg(report.path())
        .args(["bash", "-c", command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    // comtrail ends with 2 when the evidence has problems; the work is done all the same.
    if !matches!(status.code(), Some(0 | 2)) {
        return None;
    }
    let text = std::fs::read_to_string(report.path()).ok()?;
    let numbers: Vec<f64> = text.lines().last()?.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let (peak, wall) = (numbers.get(2)?, *numbers.get(3)?);
    Some(Cost { cpu: numbers.first()? + numbers.get(1)?, peak_mib: peak / 1024.0, wall })
}

fn median(costs: &[Cost]) -> Option<Cost> {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some(Cost {
        cpu: middle(costs.iter().map(|cost| cost.cpu).collect())?,
        peak_mib: middle(costs.iter().map(|cost| cost.peak_mib).collect())?,
        wall: middle(costs.iter().map(|cost| cost.wall).collect())?,
    })
}

/// Runs ours and the peer's command in turn and prints both with their ratio.
fn compare(what: &str, bytes: u64, ours: &str, peer_name: &str, peer: Option<&str>) {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        own.extend(cost(ours));
        other.extend(peer.and_then(cost));
    }
    let megabytes = bytes as f64 / 1e6;
    let line = |name: &str, cost: Cost| {
        println!(
            "{what:<4} {name:<28} {:>9.2} CPU s {:>9.1} MB/CPU s {:>8.0} MiB peak",
            cost.cpu,
            megabytes / cost.cpu.max(0.001),
            cost.peak_mib
        );
    };
    let Some(ours) = median(&own) else {
        println!("{what:<4} comtrail could not be run: {ours}");
        return;
    };
    line("comtrail", ours);
    match median(&other) {
        Some(theirs) => {
            line(peer_name, theirs);
            println!("{what:<4} {peer_name} / comtrail = {:.2}", theirs.cpu / ours.cpu.max(0.001));
        }
        None if peer_name.is_empty() => {}
        None => println!("{what:<4} {peer_name} is not there, no ratio"),
    }
}

/// Runs a command with one thread and with two in turn, and prints what the second one brings and costs.
fn threads(what: &str, command: impl Fn(u32) -> String) {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        one.extend(cost(&command(1)));
        two.extend(cost(&command(2)));
    }
    match (median(&one), median(&two)) {
        (Some(one), Some(two)) => println!(
            "P8   {what}: one thread {:.2} s ({:.2} CPU s), two {:.2} s ({:.2}): {:.2} x in wall time, {:.2} x the CPU",
            one.wall,
            one.cpu,
            two.wall,
            two.cpu,
            one.wall / two.wall.max(0.001),
            two.cpu / one.cpu.max(0.001)
        ),
        _ => println!("P8   {what} could not be run"),
    }
}

/// The least that collecting a file takes: it is read, hashed and deflated once, and what was written is read back.
fn least(from: &str, to: &str) -> io::Result<()> {
    use sha2::Digest;
    use std::io::{Read, Write};
    let mut block = vec![0; 1 << 20];
    let mut digest = |reader: &mut dyn Read, writer: &mut dyn Write| -> io::Result<Vec<u8>> {
        let mut sha256 = sha2::Sha256::new();
        loop {
            let read = reader.read(&mut block)?;
            if read == 0 {
                return Ok(sha256.finalize().to_vec());
            }
            sha256.update(&block[..read]);
            writer.write_all(&block[..read])?;
        }
    };
    let mut deflate = flate2::write::DeflateEncoder::new(std::fs::File::create(to)?, flate2::Compression::new(1));
    let written = digest(&mut std::fs::File::open(from)?, &mut deflate)?;
    deflate.finish()?.sync_all()?;
    let packed = io::BufReader::with_capacity(1 << 16, std::fs::File::open(to)?);
    let read_back = digest(&mut flate2::bufread::DeflateDecoder::new(packed), &mut io::sink())?;
    assert_eq!(written, read_back);
    Ok(())
}

/// How many lines the files have that both wrote last: a ratio means something for about the same content.
fn print_lines(folder: &Path) {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("own") || name.starts_with("dump") {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            println!("P5   {name}: {lines} lines, {} bytes", bytes.len());
            let _ = std::fs::remove_file(file);
        }
    }
}

fn size_of(path: &Path) -> u64 {
    if path.is_dir() {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size_of(&entry.path())).sum()
    } else {
        std::fs::metadata(path).map(|facts| facts.len()).unwrap_or(0)
    }
}

fn on_path(program: &str) -> bool {
    Command::new("bash")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// A file that is read as it is needed.
struct Opened {
    file: std::fs::File,
    size: u64,
}

impl evidence::Bytes for Opened {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset);
    }
}

/// Parses a file with one artifact's parser.
fn parse(artifact: &str, path: &Path, everything: bool, mut keep: impl FnMut(evidence::Record)) {
    let Some(artifact) = artifacts::by_id(artifact) else { panic!("no artifact {artifact}") };
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bytes = Opened { size: file.metadata().map_or(0, |facts| facts.len()), file };
    let mut focus = evidence::Focus { everything, ..Default::default() };
    focus.names.extend(["regasm.exe", "regsvcs.exe"].map(str::to_owned));
    let input = evidence::Input { focus: &focus, ..evidence::Input::new("file.evtx", &bytes) };
    artifact.parse_alone(&input, &mut keep);
}

/// One stage alone, in a process of its own.
fn work(arguments: &[String]) {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["logs", list] => {
            let mut records = 0u64;
            let list = std::fs::read_to_string(list).expect("a list of logs");
            list.lines().for_each(|path| parse("event-log", Path::new(path), false, |_| records += 1));
            println!("{records}");
        }
        ["mft", path, which, formats, out] => {
            let wanted = |format: &&timeline::Format| formats == "all" || formats == format.name;
            let folder = tempfile::tempdir().expect("a temporary folder");
            let merger = timeline::Merger::new(folder.path(), 32 << 20);
            parse("mft", Path::new(path), which == "everything", |record| merger.add(evidence::ItemId(0), &record));
            let mut outputs: Vec<_> = timeline::Format::ALL
                .iter()
                .copied()
                .filter(wanted)
                .map(|format| {
                    let name = format!("{out}.{}", format.file_name);
                    let to = std::fs::File::create(&name).expect("a file");
                    timeline::Output { format, name, to }
                })
                .collect();
            let sorted = merger.finish().expect("a merge");
            timeline::write_timeline(sorted, &Vec::new(), timeline::Marks::default(), &mut outputs, &mut || ())
                .expect("a timeline");
        }
        ["least", from, to] => least(from, to).expect("a file that can be read, and room"),
        _ => panic!("worker: {arguments:?}"),
    }
}

fn logs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(logs_below(&path));
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("evtx")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What the figures are made with.
struct Bench {
    folder: tempfile::TempDir,
    /// Runs this program as a worker.
    worker: String,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_comtrail");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--worker", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return work(rest);
    }
    let this = std::env::current_exe().expect("this program");
    let bench = Bench {
        folder: tempfile::tempdir().expect("a temporary folder"),
        worker: format!("RAYON_NUM_THREADS=1 '{}' --worker", this.display()),
    };
    if let Some(tree) = variable("COMTRAIL_BENCH_LOGS") {
        bench.event_logs(&tree);
    }
    if let Some(mft) = variable("COMTRAIL_BENCH_MFT") {
        bench.mft(&mft);
    }
    if let Some(log) = variable("COMTRAIL_BENCH_LOG") {
        bench.one_long_log(&log);
    }
    if let Some(mft) = variable("COMTRAIL_BENCH_LONG_MFT") {
        bench.one_long_mft(&mft);
    }
    let image = variable("COMTRAIL_BENCH_IMAGE")
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07.E01"));
    bench.image(&image);
    bench.triage_folders();
}

impl Bench {
    fn out(&self) -> impl std::fmt::Display {
        self.folder.path().display()
    }

    /// P1: event logs.
    fn event_logs(&self, tree: &Path) {
        // The peer takes one log at a time; on small ones its start would be measured.
        let mut logs = logs_below(tree);
        logs.retain(|log| size_of(log) > 1_000_000);
        let list = self.folder.path().join("logs");
        let lines: String = logs.iter().map(|path| format!("{}\n", path.display())).collect();
        std::fs::write(&list, lines).expect("a list of the logs");
        let list = list.display();
        let peer = format!("while read -r log; do evtx_dump -t 1 -o jsonl \"$log\"; done < {list} > /dev/null");
        compare(
            "P1",
            logs.iter().map(|path| size_of(path)).sum(),
            &format!("{} logs {list}", self.worker),
            "evtx_dump -t 1 -o jsonl",
            on_path("evtx_dump").then_some(&*peer),
        );
    }

    /// P5: an $MFT, in each format.
    fn mft(&self, mft: &Path) {
        const TIMES: u64 = 10;
        let (out, worker) = (self.out(), &self.worker);
        let size = size_of(mft) * TIMES;
        let mft = format!("'{}'", mft.display());
        let dump =
            |format: &str| format!("rm -f {out}/dump.{format}; mft_dump -o {format} -f {out}/dump.{format} {mft}");
        // An analysis writes all three in one pass, the peer one at a time. The peer's CSV has a row for each file and no
        // order; mactime makes rows in the order of time of its body file.
        let ordered = format!("{}; mactime -d -y -z UTC -b {out}/dump.bodyfile > {out}/dump.mactime", dump("bodyfile"));
        let cases = [
            ("body", "mft_dump -o bodyfile", dump("bodyfile"), true),
            ("jsonl", "mft_dump -o jsonl", dump("jsonl"), true),
            ("csv", "mft_dump -o csv", dump("csv"), true),
            ("csv", "mft_dump and mactime -d", ordered, on_path("mactime")),
            ("all", "mft_dump for each", ["csv", "bodyfile", "jsonl"].map(dump).join("; "), true),
        ];
        for ((ours, name, theirs, there), which) in cases.iter().flat_map(|one| [(one, "focus"), (one, "everything")]) {
            println!("P5   {ours}, {which}, {TIMES} times");
            compare(
                "P5",
                size,
                &format!(
                    "for i in {{1..{TIMES}}}; do rm -f {out}/own*; {worker} mft {mft} {which} {ours} {out}/own; done"
                ),
                name,
                (*there && on_path("mft_dump"))
                    .then(|| format!("for i in {{1..{TIMES}}}; do {theirs}; done"))
                    .as_deref(),
            );
            if which == "everything" {
                print_lines(self.folder.path());
            }
        }
    }

    /// P3 and P8: one long log, by one thread and by two.
    fn one_long_log(&self, log: &Path) {
        let tree = self.folder.path().join("one");
        let logs = tree.join("C/Windows/System32/winevt/Logs");
        std::fs::create_dir_all(&logs).expect("a folder");
        link(log, &logs.join("Security.evtx")).expect("the log, or a copy of it");
        let out = self.out();
        let collect = |threads: u32| {
            format!(
                "rm -f {out}/one.zip; {PROGRAM} collect '{}' -o {out}/one.zip --quiet --threads {threads}",
                tree.display()
            )
        };
        let least = format!("{} least '{}' {out}/least", self.worker, log.display());
        compare("P3", size_of(log), &collect(1), "read, SHA-256, deflate, read-back", Some(&least));
        threads("collect of one log", collect);
        let peer = format!("evtx_dump -t 1 -o jsonl -f {out}/dump.jsonl '{}'; unzip -tqq {out}/one.zip", log.display());
        compare(
            "P1",
            size_of(log),
            &self.analysis("one", 1),
            "evtx_dump -t 1, and unzip -t of the bundle",
            on_path("evtx_dump").then_some(&*format!("rm -f {out}/dump.jsonl; {peer}")),
        );
        threads("analyze of one log", |threads| self.analysis("one", threads));
    }

    /// P7 and P8: one long $MFT, by one thread and by two.
    fn one_long_mft(&self, mft: &Path) {
        let tree = self.folder.path().join("mft");
        std::fs::create_dir_all(tree.join("C")).expect("a folder");
        link(mft, &tree.join("C/$MFT")).expect("the $MFT, or a copy of it");
        let out = self.out();
        let collected = cost(&format!("{PROGRAM} collect '{}' -o {out}/mft.zip --quiet", tree.display()));
        collected.expect("a bundle with the $MFT");
        compare("P7", size_of(mft), &self.analysis("mft", 2), "", None);
        threads("analyze --full-timeline of one $MFT", |threads| self.analysis("mft", threads));
    }

    /// The command that analyses a bundle of this name.
    fn analysis(&self, bundle: &str, threads: u32) -> String {
        let out = self.out();
        format!(
            "rm -rf {out}/case; {PROGRAM} analyze {out}/{bundle}.zip -o {out}/case --full-timeline --quiet --threads {threads}"
        )
    }

    /// P3 and P4: a disk image is collected, and what was collected is analysed.
    fn image(&self, image: &Path) {
        let (out, quoted, size) = (self.out(), format!("'{}'", image.display()), size_of(image));
        let acquire =
            format!("rm -rf {out}/acq; mkdir {out}/acq; acquire --profile default -o {out}/acq --compress {quoted}");
        compare(
            "P3",
            size,
            &format!("rm -f {out}/b.zip; {PROGRAM} collect {quoted} -o {out}/b.zip --quiet"),
            "acquire",
            on_path("acquire").then_some(&*acquire),
        );
        let plaso = format!(
            "rm -f {out}/p.plaso {out}/p.jsonl; log2timeline -u -q --partitions all --vss_stores none \
             --storage-file {out}/p.plaso {quoted} && psort -u -q -o json_line -w {out}/p.jsonl {out}/p.plaso"
        );
        compare(
            "P4",
            size,
            &format!("rm -rf {out}/case; {PROGRAM} analyze {out}/b.zip -o {out}/case --full-timeline --quiet"),
            "log2timeline + psort",
            (on_path("log2timeline") && on_path("psort")).then_some(&*plaso),
        );
        threads("analyze --full-timeline of the host", |threads| self.analysis("b", threads));
    }

    /// P7: memory, on one and on ten times the events.
    fn triage_folders(&self) {
        let out = self.out();
        for times in [1, 10] {
            let tree = self.folder.path().join(format!("tree-{times}"));
            fill(&tree, times).expect("a triage folder of links");
            println!("P7   {times} x the events");
            compare(
                "P7",
                size_of(&tree),
                &format!("rm -rf {out}/run; {PROGRAM} run '{}' -o {out}/run --full-timeline --quiet", tree.display()),
                "",
                None,
            );
        }
    }
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to).or_else(|_| std::fs::copy(from, to).map(|_| ()))
}

/// A triage folder with so many copies of the logs and of $MFT, as links.
fn fill(tree: &Path, times: usize) -> io::Result<()> {
    let logs = tree.join("C/Windows/System32/winevt/Logs");
    std::fs::create_dir_all(&logs)?;
    for (number, log) in variable("COMTRAIL_BENCH_LOGS").iter().flat_map(|tree| logs_below(tree)).enumerate() {
        for copy in 0..times {
            link(&log, &logs.join(format!("{copy}-{number}.evtx")))?;
        }
    }
    if let Some(mft) = variable("COMTRAIL_BENCH_MFT") {
        for letter in ('C'..'Z').take(times) {
            let volume = tree.join(letter.to_string());
            std::fs::create_dir_all(&volume)?;
            link(&mft, &volume.join("$MFT"))?;
        }
    }
    Ok(())
}
