//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{benchmark, engine, image, peers, report, trend, worker};

/// Measures Stella against the least work that its task can cost.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Measures phases, judges them, and keeps the results.
    ///
    /// Exit codes: 0 every gate passed (warnings allowed), 1 a gate closed, 2 the call is wrong, 3 could not measure or could
    /// not compare: something broke, a phase that was named is not built or not possible here, the baseline measured something
    /// else or its programs do not run here, or the metrics could not be pushed.
    Run(benchmark::Arguments),
    /// Takes samples when stdin says so: what `run` calls of this program, and of its baseline's.
    #[command(hide = true)]
    Worker(worker::Arguments),
    /// Compares two kept runs, phase by phase, as `run` compares with the stored one.
    ///
    /// Exit codes: 0 no phase got slower beyond noise, 1 one did, 3 nothing could be compared.
    Compare(benchmark::Compare),
    /// The last weeks' 95th percentile of each phase, as a plot and a page.
    Trend(trend::Arguments),
    /// Every file of a kept run, made again from its results.
    Export(report::export::Export),
    /// Stella beside Syft and Trivy: the same images, in turns.
    Peers(peers::Arguments),
    /// An image of the Docker engine against `docker save` of it.
    Engine(engine::Arguments),
    /// The seeded images that the phases are measured on.
    Images(image::Arguments),
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
}
