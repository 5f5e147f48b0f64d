//! What happens when the user or the system wants the program to end: Ctrl-C, SIGTERM, SIGHUP, a closed console, the end
//! of the session or of the system.
//!
//! The first time it is said at once what is done, and what was collected is sealed. The second time the program ends as
//! it stands, and says what that leaves. Where the system grants seconds only, the bundle is not read back.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Set when the collecting is to end; what was collected is then sealed and says that it was interrupted.
static CANCEL: AtomicBool = AtomicBool::new(false);
/// Set when only seconds are left.
static HASTE: AtomicBool = AtomicBool::new(false);
/// Set when it is the allowed time that ends the collecting.
static TIME_IS_OVER: AtomicBool = AtomicBool::new(false);
/// Set when the analysis is to end.
static STOP: AtomicBool = AtomicBool::new(false);
/// How often the program was told to end.
static TOLD: AtomicU32 = AtomicU32::new(0);
static DOING: Mutex<Doing> = Mutex::new(Doing::Other);

/// What the program does at this moment.
enum Doing {
    /// It collects into this bundle.
    Collecting(PathBuf),
    /// It analyses these bundles into this folder.
    Analysing(Vec<PathBuf>, PathBuf),
    /// It does something that leaves nothing behind.
    Other,
}

/// Until it is dropped, the program does this.
pub(crate) struct While;

impl Drop for While {
    fn drop(&mut self) {
        *doing() = Doing::Other;
    }
}

fn doing() -> parking_lot::MutexGuard<'static, Doing> {
    DOING.lock()
}

/// From now on until what it gives is dropped, the program collects into this bundle.
pub(crate) fn collecting(destination: &Path) -> While {
    let destination = std::path::absolute(destination).unwrap_or_else(|_| destination.to_owned());
    *doing() = Doing::Collecting(destination);
    While
}

/// From now on until what it gives is dropped, the program analyses these bundles into this folder.
pub(crate) fn analysing(bundles: &[PathBuf], folder: &Path) -> While {
    cancel();
    *doing() = Doing::Analysing(bundles.to_vec(), folder.to_owned());
    While
}

/// Lets signals end the program cleanly. Gives what is set when the collecting is to end.
pub(crate) fn cancel() -> &'static AtomicBool {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        if let Err(error) = install() {
            // The program then ends at once when it is told to. What that leaves can be recovered.
            crate::complain(&format!("signals cannot be caught, an interruption will not be sealed: {error}"));
        }
    });
    &CANCEL
}

/// Set when only seconds are left.
pub(crate) fn haste() -> &'static AtomicBool {
    &HASTE
}

/// Set when the collecting was ended because its time was over.
pub(crate) fn time_is_over() -> &'static AtomicBool {
    &TIME_IS_OVER
}

/// Ends the collecting, because its time is over. Whoever was told to end before ends for that reason.
pub(crate) fn end_collecting() {
    if !CANCEL.load(Ordering::SeqCst) {
        TIME_IS_OVER.store(true, Ordering::SeqCst);
    }
    CANCEL.store(true, Ordering::SeqCst);
}

/// Whether a signal or the end of the time ended the collecting.
pub(crate) fn is_interrupted() -> bool {
    CANCEL.load(Ordering::SeqCst)
}

/// What ended the collecting, where the destination did not.
pub(crate) fn why() -> &'static str {
    match TIME_IS_OVER.load(Ordering::SeqCst) {
        true => "the time that --time allows was over",
        false => "the program was told to end",
    }
}

/// Whether the analysis is to end.
pub(crate) fn is_stopped() -> bool {
    STOP.load(Ordering::Relaxed) || HASTE.load(Ordering::Relaxed)
}

/// Fails where the analysis is to end.
pub(crate) fn check() -> anyhow::Result<()> {
    anyhow::ensure!(
        !is_stopped(),
        "interrupted: the analysis was ended, and nothing of it was written under its final name"
    );
    Ok(())
}

#[cfg(unix)]
fn install() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = vec![SIGINT, SIGTERM];
    // Whoever started the program with `nohup` wants it to outlive its terminal.
    if !ignores_hangup() {
        signals.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(signals)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in &mut signals {
            told(false);
        }
    })?;
    Ok(())
}

/// Whether SIGHUP was set to be ignored when the program began, where the system says so.
///
/// Reference: proc_pid_status(5), `SigIgn`: a mask in hexadecimal, whose lowest bit is that of signal 1, SIGHUP.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

#[cfg(windows)]
fn install() -> std::io::Result<()> {
    collector::source::live::on_console_event(told)
}

/// The program was told to end; `soon` when the system ends it in a few seconds.
fn told(soon: bool) {
    HASTE.fetch_or(soon, Ordering::SeqCst);
    let before = TOLD.fetch_add(1, Ordering::SeqCst);
    let doing = doing();
    if before > 0 && !soon {
        crate::complain(&abandoned(&doing));
        std::process::exit(1);
    }
    match *doing {
        Doing::Collecting(_) => {
            CANCEL.store(true, Ordering::SeqCst);
            crate::complain("interrupted: sealing what was collected; again to abandon");
        }
        Doing::Analysing(..) => {
            STOP.store(true, Ordering::SeqCst);
            crate::complain("interrupted: ending the analysis; again to abandon");
        }
        Doing::Other => {
            CANCEL.store(true, Ordering::SeqCst);
            STOP.store(true, Ordering::SeqCst);
            crate::complain("interrupted: ending; again to abandon");
        }
    }
}

/// What abandoning leaves.
fn abandoned(doing: &Doing) -> String {
    match doing {
        Doing::Collecting(destination) => {
            let mut partial = destination.as_os_str().to_owned();
            partial.push(".partial");
            let partial = PathBuf::from(partial);
            if partial.exists() {
                let (place, command) = (collector::shown(&partial), collector::recover_command(&partial));
                return format!(
                    "abandoned: {place} stays, unsealed, with its journal; `{command}` makes a bundle of it"
                );
            }
            if destination.exists() {
                return format!("abandoned: {} is sealed", collector::shown(destination));
            }
            "abandoned: nothing was written yet".to_owned()
        }
        Doing::Analysing(bundles, folder) => {
            let (bundles, folder) =
                (bundles.iter().map(collector::shown).collect::<Vec<_>>(), collector::shown(folder));
            let stay = if bundles.len() == 1 { "stays as it is" } else { "stay as they are" };
            let (bundle, all) = (bundles.join(" "), bundles.join(" and "));
            format!("abandoned: {all} {stay}; `comtrail analyze {bundle} -o {folder}` begins the analysis anew")
        }
        Doing::Other => "abandoned: nothing was written".to_owned(),
    }
}
