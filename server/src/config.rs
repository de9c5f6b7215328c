//! The server's configuration: where things are, and every limit and deadline by name.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;

/// All that a server needs to know.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where the embedded store is.
    pub data_dir: PathBuf,
    /// The compiled advisories; without them the server runs and is not ready.
    pub advisories: Option<PathBuf>,
    /// Bounds and deadlines.
    pub settings: Settings,
}

/// The configuration file: YAML, every key optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What one caller, and all of them, may cost.
    pub limits: Limits,
    /// How long things may take.
    pub deadlines: Deadlines,
}

/// What one caller, and all of them, may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one JSON body.
    pub request_bytes: usize,
    /// Bytes of one fragment, compressed.
    pub fragment_bytes: usize,
    /// Bytes of one SBOM, uncompressed.
    pub sbom_bytes: usize,
    /// Bytes of all bodies that are being read or worked on.
    pub bodies_bytes: usize,
    /// Connections at a time, and never more than the process may have files open; more wait to be accepted.
    pub connections: usize,
    /// Requests worked on at a time; 0 for two per processor, because some of them wait for the disk.
    pub work: usize,
    /// Requests that wait for their turn; more are answered 503.
    pub queue: usize,
    /// Bytes of decoded fragments held in memory.
    pub fragment_cache_bytes: usize,
    /// Bytes of the store's pages held in memory.
    pub store_cache_bytes: usize,
    /// Scans that are remembered.
    pub scans: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 8 << 20,
            fragment_bytes: 64 << 20,
            sbom_bytes: 64 << 20,
            bodies_bytes: 512 << 20,
            connections: 4096,
            work: 0,
            queue: 128,
            fragment_cache_bytes: 256 << 20,
            store_cache_bytes: 64 << 20,
            scans: 10_000,
        }
    }
}

/// How long things may take, milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// From the first byte of a connection or the last answer to the end of the next request's headers.
    pub headers_ms: u64,
    /// Reading one request's body.
    pub body_ms: u64,
    /// One request from its headers to its answer.
    pub request_ms: u64,
    /// What the store gets to answer `/readyz`.
    pub ready_ms: u64,
    /// What running requests get to finish after a stop was asked for. Container engines kill after ten seconds.
    pub shutdown_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { headers_ms: 30_000, body_ms: 60_000, request_ms: 120_000, ready_ms: 2_000, shutdown_ms: 8_000 }
    }
}

impl Deadlines {
    /// [`body_ms`](Self::body_ms) as a duration.
    pub fn body(&self) -> Duration {
        Duration::from_millis(self.body_ms)
    }

    /// [`ready_ms`](Self::ready_ms) as a duration.
    pub fn ready(&self) -> Duration {
        Duration::from_millis(self.ready_ms)
    }

    /// [`request_ms`](Self::request_ms) as a duration.
    pub fn request(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("configuration {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// It is not of the form.
    #[error("configuration {}: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        why: String,
    },
}

impl Settings {
    /// Reads a configuration file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|why| Error::Read { path: path.to_owned(), why })?;
        serde_saphyr::from_str(&text)
            .map_err(|error| Error::Form { path: path.to_owned(), why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path())
    }

    #[test]
    fn what_is_not_named_keeps_its_default() {
        let settings = read("limits:\n  connections: 9\n").unwrap();
        assert_eq!(settings.limits, Limits { connections: 9, ..Limits::default() });
        assert_eq!(settings.deadlines, Deadlines::default());
    }

    #[test]
    fn a_typo_is_named_with_its_line() {
        let error = read("limits:\n  conections: 9\n").unwrap_err().to_string();
        assert!(error.contains("conections") && error.contains('2'), "{error}");
    }
}
