//! The program `comtrail`: the one place that sees every crate, prints, reads the clock and exits.

mod analyze;
mod args;
mod bundles;
mod catalogue;
mod check_case;
mod collect;
mod focus;
mod footprint;
mod formats;
mod host_name;
mod hosts;
mod inspect;
mod memory;
mod pace;
mod panics;
mod parts;
mod place;
mod progress;
mod recover;
mod renamed;
mod run;
mod say;
mod signals;
mod summary;
mod table;
mod verify;

use anyhow::Context;
use args::{Cli, CollectLimits, Command, ListFormat};
use clap::{CommandFactory, Parser};
use progress::printable;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Takes back without a lock what one thread makes and another frees; with the system's allocator the threads wait for each
/// other. Its version 2 gives freed pages back after 10 ms (version 3 after 1 s) and its feature `no_thp` asks for no huge
/// pages: both keep the program within `--memory`. On Windows the program has the system's allocator: with this one `run live`
/// held 112 MB of 128 where the system's held 78, and `analyze` took 1.5 s where the system's took 0.8, both under Wine.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Everything was done and nothing was wrong with the evidence.
    Complete,
    /// Everything was done; what was wrong with the evidence stands in the output.
    WithProblems,
    /// `verify` found something wrong, or one of several hosts could not be done.
    NotValid,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a usage error.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            if std::env::args_os().any(|argument| argument == "--json") {
                JSON.store(true, Ordering::Relaxed);
                let text = error.render().to_string();
                fail(text.trim().strip_prefix("error: ").unwrap_or(&text));
            } else {
                let _ = error.print();
            }
            return ExitCode::from(64);
        }
    };
    JSON.store(cli.common.json, Ordering::Relaxed);
    let began = Instant::now();
    progress::expect(cli.command.stages());
    panics::install_panic_hook();
    let outcome = std::panic::catch_unwind(|| run(&cli));
    if matches!(outcome, Ok(Ok(_))) && !cli.common.quiet && !cli.common.json && !cli.command.stages().is_empty() {
        let _ = writeln!(std::io::stdout(), "elapsed      {:.1} s", began.elapsed().as_secs_f64());
    }
    match outcome {
        Ok(Ok(Outcome::Complete)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::WithProblems)) => ExitCode::from(2),
        Ok(Ok(Outcome::NotValid)) => ExitCode::from(1),
        Ok(Err(error)) => {
            if is_closed_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            fail(&in_words(&error));
            ExitCode::from(if error.is::<Usage>() { 64 } else { 1 })
        }
        Err(_) => {
            fail(&format!("a fault of this program: {}", panics::panics().last().map_or("", String::as_str)));
            ExitCode::from(1)
        }
    }
}

/// An error with its causes. Some errors say their cause themselves; it then does not stand twice.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

/// The reader of our output went away, as `head` does; nothing is wrong.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Whether programs read what is said.
static JSON: AtomicBool = AtomicBool::new(false);

/// Says something on standard error that is no progress, also with `--quiet`.
fn complain(text: &str) {
    say_as("notice", text);
}

/// Says why the program could not do what it was asked for.
fn fail(text: &str) {
    say_as("error", text);
}

fn say_as(kind: &str, text: &str) {
    let line = if JSON.load(Ordering::Relaxed) {
        serde_json::json!({ kind: text }).to_string()
    } else {
        format!("comtrail: {}", printable(text))
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The command line asks for what does not go together.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Refuses options that only mean something on a live host, instead of ignoring them.
fn refuse_live_only(source: &Path, limits: &CollectLimits) -> anyhow::Result<()> {
    if source.as_os_str() == collector::source::live::NAME {
        return Ok(());
    }
    let given = [
        ("--io", limits.io.is_some()),
        ("--shadow-copies", limits.shadow_copies),
        ("--make-shadow-copy", limits.make_shadow_copy),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Usage(format!(
            "{option} is for a live host, and {} is none; leave it out, or give `live` as the source",
            collector::shown(source)
        ))
        .into()),
        None => Ok(()),
    }
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    match &cli.command {
        Command::Artifacts { id, format } => {
            let format = if cli.common.json { ListFormat::Json } else { *format };
            if !catalogue::write(id.as_deref(), format, &mut out)? {
                let known: Vec<&str> = artifacts::ALL.iter().map(|artifact| artifact.id).collect();
                anyhow::bail!("there is no such artifact; known are: {}", known.join(", "));
            }
            Ok(Outcome::Complete)
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "comtrail", &mut out);
            Ok(Outcome::Complete)
        }
        Command::Man { folder } => {
            write_man_pages(folder)?;
            Ok(Outcome::Complete)
        }
        Command::Run { source, output, which, words, limits, scope } => {
            refuse_live_only(source, limits)?;
            place::refuse_second_run(output)?;
            collect::keep_to(limits);
            let hosts = hosts::open(source, output, which, limits, &cli.common)?;
            let job =
                run::Job { source, host: which.host.as_deref(), output, words, limits, scope, common: &cli.common };
            run::run(&job, hosts, &mut out)
        }
        Command::Collect { source, output, resume, which, words, limits } => {
            refuse_live_only(source, limits)?;
            if let Some(path) = resume {
                place::refuse_special(path)?;
            }
            collect::keep_to(limits);
            let resume = resume.as_deref().map(|path| collect::resume(path, &cli.common)).transpose()?;
            let further = resume.as_ref().map(collector::Resume::destination);
            // One of the two is there, which the parser has checked.
            let output = output.as_ref().or(further.as_ref()).context("there is no bundle to write")?;
            place::refuse_existing(output)?;
            let hosts = hosts::open(source, output, which, limits, &cli.common)?;
            let [only] = hosts.as_slice() else {
                anyhow::bail!(
                    "{} holds several hosts, and a bundle is of one: {}; choose one with --host, or use `run`, which makes \
                     a bundle of each",
                    collector::shown(source),
                    hosts::listed(&hosts)
                );
            };
            let begun = (collect::now(), resume.as_ref());
            let collected = collect::collect(&only.opened, output, begun, words, limits, &cli.common)?;
            let from = say::From { source, host: which.host.as_deref() };
            say::collected(&collected, from, &cli.common, &mut out)
        }
        Command::Recover { partial, output } => {
            place::refuse_special(partial)?;
            recover::recover(partial, output, &cli.common, &mut out)
        }
        Command::Verify { bundles, expected, analysis } => {
            bundles.iter().try_for_each(|bundle| place::refuse_special(bundle))?;
            if bundles.len() > 1 && (expected.archive.is_some() || expected.log.is_some()) {
                anyhow::bail!("--expect-bundle and --expect-log are of one bundle; give one");
            }
            verify::run(bundles, expected, analysis, &cli.common, &mut out)
        }
        Command::Analyze { bundles, output, scope, force, accept_changed } => {
            bundles.iter().try_for_each(|bundle| place::refuse_special(bundle))?;
            let options = &analyze::Options::new(scope, *accept_changed);
            let (folder, replace, common) = (output, *force, &cli.common);
            bundles::analyze(&bundles::Request { bundles, folder, options, replace, common }, &mut out)
        }
        Command::Inspect { files } => {
            let whole = inspect::run(files, &cli.common, &mut out)?;
            Ok(if whole { Outcome::Complete } else { Outcome::WithProblems })
        }
    }
}

/// One page for the program and one for each command.
fn write_man_pages(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", collector::shown(folder)))?;
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("cannot write the man pages into {}", collector::shown(folder)))?;
    Ok(())
}
