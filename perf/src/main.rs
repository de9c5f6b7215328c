//! `stella-perf`: the floor that every figure is compared with, and the benchmark of the delta scenario.

mod delta;
mod engine;
mod floor;
mod gate;
mod image;
mod server;
mod statistics;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Measures Stella against the least work that its task can cost.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The least work for these layer blobs: inflate, hash both forms, walk the tar headers, on two threads.
    Floor {
        /// Decompress in pieces (zlib-rs) instead of whole members (libdeflate), for members too large for memory.
        #[arg(long)]
        streaming: bool,
        /// How often to measure.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        repeat: u32,
        /// Layer blobs: plain, gzip or zstd, told from their bytes.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// The delta scenario: a server knows every layer of an image but one.
    Delta(delta::Arguments),
    /// An image of the Docker engine against `docker save` of it.
    Engine(engine::Arguments),
    /// Writes the images that figures are taken on: the same bytes on every machine.
    Images {
        /// Where; a directory that holds them is left as it is.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when stderr is closed.
            let _ = writeln!(io::stderr(), "stella-perf: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What stops a measurement; there is nobody to recover, so the text is all that is needed.
type Failure = Box<dyn std::error::Error>;

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Floor { streaming, repeat, files } => {
            let mode = if streaming { floor::Mode::Streaming } else { floor::Mode::Whole };
            let report = floor::measure(&files, mode, repeat)?;
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
        }
        Command::Delta(arguments) => {
            let text = serde_json::to_string_pretty(&delta::measure(&arguments)?)?;
            if let Some(out) = &arguments.out {
                fs::write(out, format!("{text}\n"))?;
            }
            writeln!(io::stdout(), "{text}")?;
        }
        Command::Engine(arguments) => {
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&engine::measure(&arguments)?)?)?;
        }
        Command::Images { out } => {
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&image::write(&out)?)?)?;
        }
    }
    Ok(())
}
