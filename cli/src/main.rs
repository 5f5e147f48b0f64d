//! The program `comtrail`: the one place that sees every crate, prints, reads the clock and exits.

mod args;
mod catalogue;
mod parse;
mod progress;

use args::{Cli, Command, ListFormat};
use clap::{CommandFactory, Parser};
use progress::printable;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything was done and nothing was wrong with the evidence.
    Complete,
    /// Everything was done; what was wrong with the evidence stands in the output.
    WithProblems,
    /// `verify` found something wrong.
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
            complain(&format!("{error:#}"));
            ExitCode::from(1)
        }
        Err(_) => {
            complain(&format!("a fault of this program: {}", parse::panics().last().map_or("", String::as_str)));
            ExitCode::from(1)
        }
    }
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
        _ => anyhow::bail!("not there yet"),
    }
}

/// One page for the program and one for each command.
fn write_man_pages(folder: &Path) -> anyhow::Result<()> {
    use anyhow::Context;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("cannot write the man pages into {}", folder.display()))?;
    Ok(())
}
