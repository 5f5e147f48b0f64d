//! The program `comtrail`: the one place that sees every crate, prints, reads the clock and exits.

mod analyze;
mod args;
mod catalogue;
mod collect;
mod focus;
mod footprint;
mod hosts;
mod inspect;
mod memory;
mod pace;
mod parse;
mod progress;
mod run;
mod say;
mod summary;
mod verify;

use anyhow::Context;
use args::{Cli, Command, ListFormat};
use clap::{CommandFactory, Parser};
use progress::printable;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

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
            let status = if error.use_stderr() { 64 } else { 0 };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    parse::install_panic_hook();
    let outcome = std::panic::catch_unwind(|| run(&cli));
    match outcome {
        Ok(Ok(Outcome::Complete)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::WithProblems)) => ExitCode::from(2),
        Ok(Ok(Outcome::NotValid)) => ExitCode::from(1),
        Ok(Err(error)) => {
            if is_closed_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            complain(&in_words(&error));
            ExitCode::from(1)
        }
        Err(_) => {
            complain(&format!("a fault of this program: {}", parse::panics().last().map_or("", String::as_str)));
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

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "comtrail: {}", printable(text));
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
            collect::keep_to(limits);
            let hosts = hosts::open(source, output, which, limits, &cli.common)?;
            let job = run::Job { source, output, words, limits, scope, common: &cli.common };
            run::run(&job, hosts, &mut out)
        }
        Command::Collect { source, output, which, words, limits } => {
            collect::keep_to(limits);
            let hosts = hosts::open(source, output, which, limits, &cli.common)?;
            let [only] = hosts.as_slice() else {
                anyhow::bail!(
                    "{} holds several hosts, and a bundle is of one: {}; choose one with --host, or use `run`, which makes \
                     a bundle of each",
                    collector::shown(source),
                    hosts::listed(&hosts)
                );
            };
            let collected = collect::collect(&only.opened, output, collect::now(), words, limits, &cli.common)?;
            say::collected(&collected, &cli.common, &mut out)
        }
        Command::Verify { bundles, expected } => {
            if bundles.len() > 1 && (expected.archive.is_some() || expected.log.is_some()) {
                anyhow::bail!("--expect-archive and --expect-log are of one bundle; give one");
            }
            verify::run(bundles, expected, &cli.common, &mut out)
        }
        Command::Analyze { bundle, output, scope } => {
            let analyzed = analyze::analyze(bundle, output, scope.full_timeline, &cli.common)?;
            say::analyzed(&analyzed.report, None, output, &cli.common, &mut out)
        }
        Command::Inspect { files } => {
            let whole = inspect::run(files, cli.common.json, &mut out)?;
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
