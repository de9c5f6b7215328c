//! `stella-perf`: the benchmark phases, the floor that every figure is compared with, and the gates.
//!
//! ```text
//! phases -> samples -> statistics -> gates -> bench-artifacts/ -> trend, dashboard
//! ```

mod arguments;
mod baseline;
mod benchmark;
mod corpus;
mod engine;
mod floor;
mod gate;
mod image;
mod judge;
mod layout;
mod load;
mod machine;
mod peers;
mod phase;
mod plant;
mod process;
mod random;
mod report;
mod result;
mod run;
mod server;
mod statistics;
mod store;
mod targets;
mod ticket;
mod trend;
mod wan;
mod worker;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use serde::Serialize;

use arguments::{Arguments, Command};

/// What stops a measurement; there is nobody to recover, so the text is all that is needed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(3)
        }
    }
}

/// Tells people, on stderr.
fn say(what: &str) {
    // Nobody is left to tell it to when stderr is closed.
    let _ = writeln!(io::stderr(), "stella-perf: {what}");
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run(arguments) => return arguments.run(),
        Command::Compare(arguments) => return arguments.run(),
        Command::Worker(arguments) => arguments.run()?,
        Command::Trend(arguments) => arguments.run(benchmark::now()?)?,
        Command::Export(arguments) => arguments.run()?,
        Command::Peers(arguments) => write!(io::stdout(), "{}", peers::measure(&arguments)?)?,
        Command::Engine(arguments) => print(&engine::measure(&arguments)?)?,
        Command::Images(arguments) => print(&image::write(&arguments.out)?)?,
        Command::Floor { streaming, repeat, files } => {
            let mode = if streaming { floor::Mode::Streaming } else { floor::Mode::Whole };
            print(&floor::measure(&files, mode, repeat)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(figures: &impl Serialize) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{}", serde_json::to_string_pretty(figures)?)?)
}
