//! What the evidence tells of the machine that decides which file a path means there.

use super::computers::Own;
use super::files::Files;
use super::prefetch::PrefetchFile;
use super::process::{Process, Processes};
use crate::command::Machine;
use crate::host::Host;
use crate::paths::PathKey;
use evidence::{Items, Role};

/// Folders that only a 64-bit Windows has, upper case.
const OF_64_BIT: [&str; 2] = [r"\WINDOWS\MICROSOFT.NET\FRAMEWORK64\", r"\WINDOWS\SYSWOW64\"];
/// The folder of the 32-bit runtimes, and the libraries that are a runtime, upper case.
const OF_32_BIT: &str = r"\WINDOWS\MICROSOFT.NET\FRAMEWORK\";
const RUNTIMES: [&str; 4] = [r"\CLR.DLL", r"\CLRJIT.DLL", r"\MSCORWKS.DLL", r"\MSCOREEI.DLL"];

/// This host: what its hives say, else whether anything in the evidence lies where only a 64-bit Windows has a folder.
pub(super) fn machine(
    host: &Host,
    own: &Own,
    items: &dyn Items,
    processes: &Processes,
    prefetch: &[PrefetchFile],
) -> Machine {
    let shows_64_bit = || {
        let mut shown = prefetch.iter().any(|file| is_of_64_bit(&PathKey::new(&file.path).rest));
        shown |= processes.iter().any(|(_, one)| !own.is_other(&one.computer) && is_of_64_bit(&one.key.rest));
        if !shown {
            items.each(&mut |item| shown |= is_of_64_bit(&PathKey::new(&item.original_path).rest));
        }
        shown.then_some(true)
    };
    Machine {
        is_64_bit: host.is_64_bit().or_else(shows_64_bit),
        build: host.build.as_deref().and_then(|build| build.parse().ok()),
        names: own.names().map(str::to_owned).collect(),
        domain: host.domain.clone(),
        addresses: host.addresses.clone(),
        shares: host.shares.clone(),
        cwd_after_system: host.setting("SafeProcessSearchMode") == Some("1"),
    }
}

fn is_of_64_bit(path: &str) -> bool {
    OF_64_BIT.iter().any(|folder| path.starts_with(folder))
}

/// Whether a process is a 32-bit one, by the runtime that it loaded or by the program that lies at its path.
pub(super) fn is_32_bit(process: &Process, files: &Files<'_>) -> Option<bool> {
    let is_runtime = |path: &str| RUNTIMES.iter().any(|name| path.ends_with(name));
    let runtimes = process.loaded.iter().map(|loaded| loaded.image.rest.as_str()).filter(|path| is_runtime(path));
    for runtime in runtimes {
        if runtime.starts_with(OF_32_BIT) {
            return Some(true);
        }
        if runtime.starts_with(OF_64_BIT[0]) {
            return Some(false);
        }
    }
    // A program for x86 may be one for any processor; one for another processor is never a 32-bit process.
    let machine = files.facts_at(&process.key)?.text_of(Role::Machine)?;
    matches!(machine, "x64" | "ARM64").then_some(false)
}
