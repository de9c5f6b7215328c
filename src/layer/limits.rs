//! Named limits on what a hostile image may cost. Each error names the limit it hit.

use super::ANALYZER;
use crate::package;

/// Bounds on one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `layer size`: bytes of one uncompressed layer.
    pub layer_size_bytes: u64,
    /// `layer entries`: entries of one layer's tar.
    pub layer_entries: u64,
    /// `layer names`: bytes of all paths and link targets of one layer.
    pub layer_names_bytes: u64,
    /// `layer packages`: packages that all files of one layer name. The largest layers name some ten thousand.
    pub layer_packages: u64,
    /// `layer package text`: bytes of their names, versions and sources.
    pub layer_package_text_bytes: u64,
    /// `path length`: bytes of one path; PATH_MAX of Linux.
    pub path_bytes: usize,
    /// `database size`: bytes of one package database or metadata file.
    pub database_bytes: u64,
    /// `file size`: bytes of one archive or executable that is read in parts.
    pub file_bytes: u64,
    /// `extended header size`: bytes of one PAX or GNU extended header; Go's own limit.
    pub extended_header_bytes: u64,
    /// `fragment size`: bytes of one fragment, uncompressed.
    pub fragment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_size_bytes: 32 << 30,
            layer_entries: 2_000_000,
            layer_names_bytes: 256 << 20,
            layer_packages: 200_000,
            layer_package_text_bytes: 64 << 20,
            path_bytes: 4096,
            database_bytes: 64 << 20,
            file_bytes: 2 << 30,
            extended_header_bytes: 1 << 20,
            fragment_bytes: 256 << 20,
        }
    }
}

impl Limits {
    /// Sets the limit called `name` (blanks or hyphens between its words); `false` when there is none.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        match name.replace('-', " ").as_str() {
            "layer size" => self.layer_size_bytes = value,
            "layer entries" => self.layer_entries = value,
            "layer names" => self.layer_names_bytes = value,
            "layer packages" => self.layer_packages = value,
            "layer package text" => self.layer_package_text_bytes = value,
            "path length" => self.path_bytes = usize::try_from(value).unwrap_or(usize::MAX),
            "database size" => self.database_bytes = value,
            "file size" => self.file_bytes = value,
            "extended header size" => self.extended_header_bytes = value,
            "fragment size" => self.fragment_bytes = value,
            _ => return false,
        }
        true
    }

    /// What sets the limit called `name`, for whoever means an image to be so; `None` for a limit that nothing sets.
    pub fn way_out(name: &str) -> Option<String> {
        let name = name.replace(' ', "-");
        Self::NAMES.contains(&name.as_str()).then(|| format!("--limit {name}=N"))
    }

    /// The analyser that these limits make: what a layer says depends on which of its files are too large to be read,
    /// so a layer that was read under others is not a hit.
    pub fn analyzer(&self) -> String {
        let usual = Self::default();
        let mut analyzer = ANALYZER.to_owned();
        for (name, own, usual) in [
            ("database-size", self.database_bytes, usual.database_bytes),
            ("file-size", self.file_bytes, usual.file_bytes),
        ] {
            if own != usual {
                analyzer += &format!("+{name}={own}");
            }
        }
        analyzer
    }

    /// Holds the size of a file to the limit of its kind.
    pub fn hold_file(&self, read: &package::Read, size_bytes: u64) -> Result<(), Exceeded> {
        match read {
            package::Read::Whole(_) => hold("database size", size_bytes, self.database_bytes),
            package::Read::Parts(_) => hold("file size", size_bytes, self.file_bytes),
        }
    }

    /// The names that [`set`](Self::set) knows.
    pub const NAMES: [&str; 10] = [
        "layer-size",
        "layer-entries",
        "layer-names",
        "layer-packages",
        "layer-package-text",
        "path-length",
        "database-size",
        "file-size",
        "extended-header-size",
        "fragment-size",
    ];
}

/// A limit that was passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("over the limit `{name}`, {limit}")]
pub struct Exceeded {
    /// The limit's name.
    pub name: &'static str,
    /// Its value.
    pub limit: u64,
}

/// Holds `value` to `limit`.
pub fn hold(name: &'static str, value: u64, limit: u64) -> Result<(), Exceeded> {
    if value <= limit { Ok(()) } else { Err(Exceeded { name, limit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_sets_a_limit() {
        for name in Limits::NAMES {
            let mut limits = Limits::default();
            assert!(limits.set(name, 7), "{name}");
            assert_ne!(limits, Limits::default(), "{name}");
            assert_eq!(Limits::way_out(&name.replace('-', " ")), Some(format!("--limit {name}=N")));
        }
        assert_eq!(Limits::way_out("merge steps"), None);
        assert!(!Limits::default().set("layer", 7));
    }

    #[test]
    fn what_changes_a_fragment_makes_another_analyser() {
        let mut limits = Limits { layer_entries: 7, ..Limits::default() };
        assert_eq!(limits.analyzer(), ANALYZER);
        limits.file_bytes = 7;
        assert_eq!(limits.analyzer(), format!("{ANALYZER}+file-size=7"));
    }
}
