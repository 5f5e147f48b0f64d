//! Times the whole program beside the peers that a package registry provides, and prints figures; it asserts nothing.
//!
//! `cargo bench -p comtrail` with, as far as they are there:
//! - `COMTRAIL_BENCH_IMAGE` a disk image (default: the fixture host), for P3, P4, P7;
//! - `COMTRAIL_BENCH_LOGS` a triage folder with event logs in `C/Windows/System32/winevt/Logs`, for P1 beside
//!   `evtx_dump` (`cargo install evtx`); ours includes inflating the bundle, merging and writing three timelines;
//! - `acquire` and `log2timeline` (PyPI: acquire, plaso) on the PATH, for P3 and P4.
//!
//! CPU seconds and peak memory come from GNU time (`/usr/bin/time`, Debian package time). Programs are interleaved and
//! the median of three runs is shown; output goes to files in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RUNS: usize = 3;

/// CPU seconds and peak memory of one run.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    peak_mib: f64,
}

/// Runs a shell command under GNU time; `None` when it cannot be run or fails outright.
fn cost(command: &str) -> Option<Cost> {
    let report = tempfile::NamedTempFile::new().ok()?;
    let status = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M", "-o"])
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
    Some(Cost { cpu: numbers.first()? + numbers.get(1)?, peak_mib: numbers.get(2)? / 1024.0 })
}

fn median(costs: &[Cost]) -> Option<Cost> {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some(Cost {
        cpu: middle(costs.iter().map(|cost| cost.cpu).collect())?,
        peak_mib: middle(costs.iter().map(|cost| cost.peak_mib).collect())?,
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
        None => println!("{what:<4} {peer_name} is not there, no ratio"),
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

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().display();
    let program = env!("CARGO_BIN_EXE_comtrail");
    let image = variable("COMTRAIL_BENCH_IMAGE")
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07.E01"));
    let (quoted, size) = (format!("'{}'", image.display()), size_of(&image));

    if let Some(tree) = variable("COMTRAIL_BENCH_LOGS") {
        let quoted = format!("'{}'", tree.display());
        let bundle = format!("{program} collect {quoted} -o {out}/logs.zip --quiet --threads 1");
        let _ = cost(&bundle);
        compare(
            "P1",
            size_of(&tree),
            &format!("rm -rf {out}/logs; {program} analyze {out}/logs.zip -o {out}/logs --quiet --threads 1"),
            "evtx_dump -t 1 -o jsonl",
            on_path("evtx_dump")
                .then(|| {
                    format!("for f in {quoted}/C/Windows/System32/winevt/Logs/*; do evtx_dump -t 1 -o jsonl $f; done > {out}/dump.jsonl")
                })
                .as_deref(),
        );
    }
    compare(
        "P3",
        size,
        &format!("rm -f {out}/b.zip; {program} collect {quoted} -o {out}/b.zip --quiet"),
        "acquire",
        on_path("acquire")
            .then(|| {
                format!("rm -rf {out}/acq; mkdir {out}/acq; acquire --profile default -o {out}/acq --compress {quoted}")
            })
            .as_deref(),
    );
    compare(
        "P4",
        size,
        &format!("rm -rf {out}/case; {program} analyze {out}/b.zip -o {out}/case --full-timeline --quiet"),
        "log2timeline + psort",
        (on_path("log2timeline") && on_path("psort"))
            .then(|| {
                format!(
                    "rm -f {out}/p.plaso {out}/p.jsonl; log2timeline -u -q --partitions all --vss_stores none \
                     --storage-file {out}/p.plaso {quoted} && psort -u -q -o json_line -w {out}/p.jsonl {out}/p.plaso"
                )
            })
            .as_deref(),
    );
    compare(
        "P7",
        size,
        &format!("rm -rf {out}/case {out}/run; {program} run {quoted} -o {out}/run --full-timeline --quiet"),
        "nothing",
        None,
    );
}
