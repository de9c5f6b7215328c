//! `stella`: parse, run, map to an exit code.

mod analyse;
mod args;
mod asked;
mod attested;
mod base;
mod build;
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
mod names;
mod output;
mod progress;
mod remote;
mod reports;
mod role;
mod sbom;
mod settings;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

use clap::CommandFactory;

use args::{Cli, Colour, Command, Origins, Policy};
use exit::{Exit, Failure};
use log::{Level, Log};
use role::{Commands, Role};
use settings::{Environment, Prefix};

/// How the program was started.
pub struct Start<'a> {
    /// When.
    pub at: Instant,
    /// With which variables.
    pub environment: &'a Environment,
    /// Where the settings of its command line have their values from.
    pub origins: &'a Origins,
}

fn main() -> ExitCode {
    names::of_this_program();
    let at = Instant::now();
    let commands = match Role::of(std::env::args_os().collect(), Environment::of_process()) {
        Ok(Role::Commands(commands)) => commands,
        Ok(Role::Metadata) => return print(&role::metadata()).into(),
        Err(failure) => return told(&failure, Log { level: Level::Normal }).into(),
    };
    let Commands { lines, prefix, environment } = commands;
    if prefix == Some(Prefix::PLUGIN)
        && let Err(failure) = args::no_settings(&environment)
    {
        return told(&failure, Log { level: Level::Normal }).into();
    }
    let run = |words| {
        let (cli, origins) = Cli::read(words, &environment, prefix);
        line(&cli, &Start { at, environment: &environment, origins: &origins })
    };
    // One that ends badly keeps no other from being run.
    lines.into_iter().map(run).max().unwrap_or(Exit::Pass).into()
}

/// One command line.
fn line(cli: &Cli, start: &Start<'_>) -> Exit {
    match cli.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    let log = Log { level: if cli.quiet { Level::Quiet } else { Level::Normal } };
    run(cli, log, start).unwrap_or_else(|failure| told(&failure, log))
}

fn told(failure: &Failure, log: Log) -> Exit {
    log.error(&failure.message);
    if !failure.advice.is_empty() {
        log.plain(format_args!("  help: {}", failure.advice));
    }
    failure.exit
}

/// Writes to stdout.
fn print(text: &str) -> Exit {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Pass,
        Err(_) => Exit::Unfinished,
    }
}

fn run(cli: &Cli, log: Log, start: &Start<'_>) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Gate(args) => gate::run(args, log, start),
        Command::Build(args) => build::run(args, log, start),
        Command::Convert(args) => convert::run(args, log),
        Command::Sbom(args) => sbom::run(args, log, start.environment),
        Command::Layers(args) => layers::run(args, log, start.environment),
        Command::Policy(Policy::Check { files }) => {
            for file in files {
                settings::read_policy(file)?;
                log.note(format_args!("{} is a valid policy", file.display()));
            }
            Ok(Exit::Pass)
        }
        Command::Feeds(command) => feeds::run(command, start.environment, log),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "stella", &mut std::io::stdout());
            Ok(Exit::Pass)
        }
        Command::Man { directory } => {
            let failed = |error| Failure::unfinished(format!("{}: {error}", directory.display()));
            clap_mangen::generate_to(Cli::command(), directory).map_err(failed)?;
            Ok(Exit::Pass)
        }
        Command::Settings => {
            let lines = args::settings_of_gate()
                .iter()
                .map(|setting| Ok(serde_json::to_string(setting)? + "\n"))
                .collect();
            let lines: Result<String, serde_json::Error> = lines;
            Ok(print(&lines.map_err(Failure::unfinished)?))
        }
        Command::Debug(command) => layers::debug(command, log, start.environment),
    }
}
