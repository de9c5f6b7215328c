//! The advisory database: what is fetched for it, and how it is made. For programs; the engine knows no network (feature `feeds`).
//!
//! ```text
//! catalog (what is published where) -> fetch (what changed) -> store (files in a folder) -> import (what changed) -> the database
//! ```

mod bundle;
mod catalog;
mod directory;
mod fetch;
pub mod http;
mod import;
mod loss;
mod mirror;
mod parts;
mod status;
mod store;
mod target;
mod update;

use std::fmt::{self, Display};

pub use bundle::{Key, is_bundle, pack, take};
pub use catalog::help;
pub use directory::own_directory;
pub use fetch::{Keys, Limits};
pub use import::{Allowed, Imported, Input, import};
pub use parts::records_by_source;
pub use status::{Database, Download, Status};
pub use store::Store;
pub use target::Target;
pub use update::{Update, Updated};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Whether the call is wrong; else the work could not be finished.
    pub is_usage: bool,
    /// What went wrong and where.
    pub message: String,
    /// What to do about it; empty where the message says it.
    pub advice: String,
}

impl Error {
    /// The call is wrong.
    pub fn usage(message: impl ToString) -> Self {
        Self { is_usage: true, message: message.to_string(), advice: String::new() }
    }

    /// The work could not be finished.
    pub fn unfinished(message: impl ToString) -> Self {
        Self { is_usage: false, message: message.to_string(), advice: String::new() }
    }

    /// Of something on the disk.
    fn at(path: &std::path::Path, why: &dyn Display) -> Self {
        Self::unfinished(format!("{}: {why}", path.display()))
    }

    /// Adds what to do about it.
    pub fn advise(mut self, advice: impl ToString) -> Self {
        self.advice = advice.to_string();
        self
    }
}

/// A number, in units of 1, 1024 (KB), 1024² (MB) or 1024³ (GB).
pub fn amount(text: &str) -> Option<u64> {
    let units = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];
    let unit = units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1_u64));
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Who hears of the work while it goes on.
pub trait Tell: Sync {
    /// Something worth knowing.
    fn note(&self, text: fmt::Arguments<'_>);
    /// Something that may be wrong.
    fn warn(&self, text: fmt::Arguments<'_>);
    /// Something that is wrong.
    fn error(&self, text: fmt::Arguments<'_>);
    /// Something long begins; it ends when the result is dropped.
    fn begin(&self, work: &str) -> Box<dyn Bar>;
}

/// How far long work is.
pub trait Bar: Sync {
    /// There are so many parts to do, with so many bytes; 0 and `None` where they are not counted.
    fn expect(&self, parts: usize, bytes: Option<u64>);
    /// So many more bytes were read.
    fn bytes(&self, bytes: u64);
    /// One more part is done.
    fn part(&self);
}

/// For nobody to see.
impl Bar for () {
    fn expect(&self, _parts: usize, _bytes: Option<u64>) {}
    fn bytes(&self, _bytes: u64) {}
    fn part(&self) {}
}
