//! What every phase stands on: programs, images, corpus, a place to work.

use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
};

use crate::{Failure, corpus, image};

/// What every phase stands on.
pub struct Ground {
    /// The program.
    pub stella: PathBuf,
    /// The server's program.
    pub server: PathBuf,
    /// Where images, corpus and advisories are kept.
    pub cache: PathBuf,
    /// Real feeds, where some are given.
    pub feeds: Option<PathBuf>,
    images: OnceCell<image::Set>,
    /// A directory of this run, on tmpfs where there is one; servers' data and reports go there.
    pub work: PathBuf,
}

/// The variable that names real feeds, for a worker too: the baseline's may not know it, and then measures without.
pub const FEEDS: &str = "STELLA_PERF_FEEDS";

/// What is measured, and where what it is measured on is kept.
#[derive(clap::Args)]
// Two commands take it along with arguments of their own, of the same name.
#[group(skip)]
pub struct Arguments {
    /// Where the seeded images and feeds are kept between runs.
    #[arg(long, value_name = "DIR", default_value = "target/stella-perf")]
    pub cache: PathBuf,
    /// Real feeds, as FEED_MERGE measures beside the seeded ones: archives, and folders of files.
    #[arg(long, value_name = "DIR", env = FEEDS)]
    feeds: Option<PathBuf>,
    /// The program.
    #[arg(long, value_name = "FILE", default_value = "target/release/stella")]
    stella: PathBuf,
    /// The server's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/stella-server")]
    server: PathBuf,
}

impl Arguments {
    /// Checks that everything is there but what a phase may write.
    pub fn open(&self, work: &Path) -> Result<Ground, Failure> {
        let built = |path: &Path| {
            path.canonicalize().map_err(|error| format!("{}: {error}: build it first", path.display()))
        };
        let (stella, server) = (built(&self.stella)?, built(&self.server)?);
        let feeds = self.feeds.as_ref().map(|feeds| {
            feeds.canonicalize().map_err(|error| format!("--feeds {}: {error}", feeds.display()))
        });
        fs::create_dir_all(&self.cache).map_err(|error| format!("{}: {error}", self.cache.display()))?;
        // Gates run in directories of their own, where a relative path would lead elsewhere.
        let cache = self.cache.canonicalize()?;
        let why = |error| format!("--cache {}: nothing can be written there: {error}", cache.display());
        tempfile::tempfile_in(&cache).map_err(why)?;
        let feeds = feeds.transpose()?;
        Ok(Ground { stella, server, cache, feeds, images: OnceCell::new(), work: work.to_owned() })
    }
}

/// A directory on tmpfs, so that no disk's noise is in the figures; in the system's temporary directory where there is none.
pub fn work() -> Result<tempfile::TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("stella-perf-");
    Ok(builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir())?)
}

impl Ground {
    /// A new empty directory in [`Ground::work`].
    pub fn directory(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.work.join(name);
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// The seeded image of that name; the images are written where they are not there.
    pub fn image(&self, name: &str) -> Result<&image::Image, Failure> {
        if self.images.get().is_none() {
            let set = image::write(&self.cache.join(image::directory_name()))?;
            self.images.get_or_init(|| set);
        }
        let set = self.images.get().ok_or("no images")?;
        Ok(set.image(name)?)
    }

    /// The corpus, written where it is not there.
    pub fn corpus(&self) -> Result<PathBuf, Failure> {
        let corpus = self.cache.join(corpus::directory_name());
        corpus::write(&corpus)?;
        Ok(corpus)
    }

    /// Advisories, compiled from the corpus once a run: each program reads its own form of them.
    pub fn advisories(&self) -> Result<PathBuf, Failure> {
        let advisories = self.work.join("advisories");
        if !advisories.exists() {
            corpus::compile(&self.corpus()?, &self.stella, &advisories)?;
        }
        Ok(advisories)
    }

    /// The server's arguments that name the advisories.
    pub fn server_arguments(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["--advisories".to_owned(), self.advisories()?.display().to_string()])
    }
}
