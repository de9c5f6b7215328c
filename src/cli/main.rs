//! `stella`: parse, run, map to an exit code.

mod analyse;
mod args;
mod asked;
mod attested;
mod base;
mod cache;
mod client;
mod convert;
mod exit;
mod feeds;
mod gate;
mod image;
mod layers;
mod local;
mod log;
mod name;
mod output;
mod progress;
mod remote;
mod reports;
mod sbom;
mod settings;
mod signer;

use std::{process::ExitCode, time::Instant};

use clap::CommandFactory;

use args::{Cli, Colour, Command, Policy};
use exit::{Exit, Failure};
use log::{Level, Log};

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::read();
    match cli.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    let log = Log { level: if cli.quiet { Level::Quiet } else { Level::Normal } };
    match run(&cli, log, started) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            log.error(&failure.message);
            if !failure.advice.is_empty() {
                log.plain(format_args!("  help: {}", failure.advice));
            }
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli, log: Log, started: Instant) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Gate(args) => gate::run(args, log, started),
        Command::Convert(args) => convert::run(args, log),
        Command::Sbom(args) => sbom::run(args, log),
        Command::Layers(args) => layers::run(args, log),
        Command::Policy(Policy::Check { files }) => {
            for file in files {
                settings::read_policy(file)?;
                log.note(format_args!("{} is a valid policy", file.display()));
            }
            Ok(Exit::Pass)
        }
        Command::Feeds(command) => feeds::run(command, log),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "stella", &mut std::io::stdout());
            Ok(Exit::Pass)
        }
        Command::Debug(command) => layers::debug(command, log),
    }
}
