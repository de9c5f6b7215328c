//! `stella-perf export`: the files of a run that was kept, made again from its results.

use std::{fs, path::PathBuf};

use super::push;
use crate::{Failure, store::Kept};

/// Makes every file of a kept run again, and can push its metrics.
#[derive(clap::Args)]
pub struct Export {
    /// The run's directory.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Where the files go, instead of the run's directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Send the metrics to this Prometheus Pushgateway.
    #[arg(long, value_name = "URL")]
    push: Option<String>,
}

impl Export {
    /// Does it; every file is written before anything is sent.
    pub fn run(&self) -> Result<(), Failure> {
        let kept = Kept::read(&self.from)?;
        let out = self.out.as_ref().unwrap_or(&self.from);
        fs::create_dir_all(out)?;
        for (name, bytes) in super::files(&kept.results, &kept.samples)? {
            let path = out.join(name);
            fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        self.push.as_deref().map_or(Ok(()), |url| push::send(url, &kept.results))
    }
}
