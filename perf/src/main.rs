//! `stella-perf`: the benchmark phases, the floor that every figure is compared with, and the gates.
//!
//! ```text
//! phases -> samples -> statistics -> gates -> bench-artifacts/ -> trend, dashboard
//! ```

mod arguments;
mod engine;
mod floor;
mod gate;
mod image;
mod judge;
mod layout;
mod machine;
mod phase;
mod plant;
mod process;
mod report;
mod result;
mod run;
mod server;
mod statistics;
mod store;
mod targets;
mod ticket;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

use arguments::{Arguments, Command};

/// What stops a measurement; there is nobody to recover, so the text is all that is needed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell it to when stderr is closed.
            let _ = writeln!(io::stderr(), "stella-perf: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run(arguments) => return arguments.run(),
        Command::Floor { streaming, repeat, files } => {
            let mode = if streaming { floor::Mode::Streaming } else { floor::Mode::Whole };
            let report = floor::measure(&files, mode, repeat)?;
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
        }
        Command::Engine(arguments) => {
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&engine::measure(&arguments)?)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
