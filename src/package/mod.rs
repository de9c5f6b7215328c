//! Packages, and the analysers that find them in single files.
//!
//! An analyser sees one file: its path and its bytes. It never sees an image, so its word about a file holds in
//! whatever image the file's layer is used. Adding one is a new file here and a line in [`ANALYSERS`].

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    io,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod alpm;
mod apk;
mod archive;
mod asar;
mod bitnami;
mod chisel;
mod composer;
mod conda;
mod count;
mod dpkg;
mod ecosystem;
mod egg;
mod elixir;
mod end_of_life;
mod entries;
mod executable;
mod fact;
mod gem;
#[cfg(test)]
mod hostile;
mod java;
mod lock;
mod node;
mod nuget;
mod opkg;
mod os_release;
mod owned;
mod place;
mod purl;
mod python;
mod r;
mod rpm;
mod zipped;

pub use ecosystem::Ecosystem;
pub use end_of_life::end_of_life;
pub use fact::{Fact, Form, Unpinned};
pub use lock::{Lines, Locks, is_lock_file, locked};
pub use os_release::OLDER_FILES;
pub use owned::Owned;
pub use place::{Place, is_python_metadata};
pub use purl::{Purl, PurlError, os_id, purl};
pub(crate) use python::normal_name as normal_python_name;
pub(crate) use rpm::{module_stream, settle};

/// Why a file that matters could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not text.
    #[error("not UTF-8 at byte {0}")]
    Encoding(usize),
    /// A line that breaks the file's form.
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Not JSON of the shape.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// A database that breaks its form.
    #[error("{0}")]
    Database(String),
    /// A field that must be there.
    #[error("no {0}")]
    Field(&'static str),
    /// A file of another form that has parts, such as an archive or an executable, and is damaged.
    #[error("{form}: {why}")]
    Damaged {
        /// Such as `zip` or `ELF`.
        form: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A limit on what one file may cost.
    #[error("over the limit `{name}`, {limit}")]
    Limit {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
}

/// How an analyser reads a file. Both give `None` when it turns out to be something else.
#[derive(Debug, Clone, Copy)]
pub enum Read {
    /// All of its bytes at once: databases and metadata, which are small.
    Whole(fn(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error>),
    /// Parts of it, where they lie: archives and executables, which may be larger than what memory may hold.
    Parts(fn(path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error>),
}

/// A file that is read in parts.
pub trait File: io::Read + io::Seek {}

impl<F: io::Read + io::Seek> File for F {}

/// Tells from a path and the first bytes (4 KiB, or the whole file) whether a file may matter.
type Recognise = fn(path: &str, head: &[u8]) -> bool;

/// Every analyser: how to tell its files, and how to read them.
///
/// Files are told by content where the content has a shape of its own, because a link in another layer may lead to
/// them from anywhere.
const ANALYSERS: &[(Recognise, Read)] = &[
    // Whatever else it looks like, at its place it is this.
    (node::is_named, Read::Whole(node::read)),
    (opkg::recognise, Read::Whole(opkg::read)),
    (dpkg::recognise, Read::Whole(dpkg::read)),
    (owned::recognise, Read::Whole(owned::read)),
    (chisel::recognise, Read::Whole(chisel::read)),
    (apk::recognise, Read::Whole(apk::read)),
    // Their names say more than their content: many are JSON objects, as `package.json` is.
    (lock::recognise, Read::Whole(lock::read)),
    (alpm::recognise, Read::Whole(alpm::read)),
    (r::recognise, Read::Whole(r::read)),
    (python::recognise, Read::Whole(python::read)),
    (egg::recognise, Read::Parts(egg::read)),
    (gem::recognise, Read::Whole(gem::read)),
    (elixir::recognise, Read::Whole(elixir::read)),
    // The two that count anywhere come first: at the places of the others the merge asks for a word of theirs.
    (bitnami::recognise, Read::Whole(bitnami::read)),
    (nuget::recognise, Read::Whole(nuget::read)),
    (composer::recognise, Read::Whole(composer::read)),
    (conda::recognise, Read::Whole(conda::read)),
    (node::recognise, Read::Whole(node::read)),
    (os_release::recognise, Read::Whole(os_release::read)),
    (rpm::recognise, Read::Whole(rpm::read)),
    (java::recognise, Read::Parts(java::read)),
    (zipped::recognise, Read::Parts(zipped::read)),
    (asar::recognise, Read::Parts(asar::read)),
    (java::recognise_unpacked, Read::Whole(java::read_unpacked)),
    (executable::recognise, Read::Parts(executable::read)),
];

/// The analyser for a file, if it may matter.
pub fn recognise(path: &str, head: &[u8]) -> Option<Read> {
    ANALYSERS.iter().find(|(recognise, _)| recognise(path, head)).map(|(_, read)| *read)
}

impl Error {
    /// Whether a limit was passed: the file has the form, and too much in it.
    fn is_limit(&self) -> bool {
        match self {
            Self::Limit { .. } => true,
            // What reads JSON passes errors on as text.
            Self::Json(why) => why.starts_with("over the limit"),
            _ => false,
        }
    }

    /// What it says, cut where a file's own text makes it long.
    pub(crate) fn shown(&self) -> String {
        let mut shown = Shown(String::new());
        // It fails where it is full.
        let _ = write!(shown, "{self}");
        shown.0
    }

    /// Whether the file matters wherever it lies: by its content it holds packages.
    pub(crate) fn matters_anywhere(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Limit { .. })
    }
}

/// What stands in a text for a byte that is not UTF-8: ASCII's own mark, SUBSTITUTE, which takes no more memory than what
/// it stands for.
const SUBSTITUTE: char = '\u{1a}';

/// Text in an encoding of which only the ASCII is read.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n(SUBSTITUTE, chunk.invalid().len()));
    }
    Cow::Owned(text)
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| Error::Encoding(error.valid_up_to()))
}

/// The beginning of a text.
struct Shown(String);

impl Shown {
    const MOST_BYTES: usize = 1000;
}

impl fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = Self::MOST_BYTES.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.0.push_str(&text[..end]);
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// Reads JSON; a byte order mark before it is nobody's.
fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    hold_texts(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| Error::Json(error.to_string()))
}

/// `JSON text`: bytes of one text. Nothing that is read has so much, and an error would repeat it.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// Looks for a text of JSON that is too long.
fn hold_texts(json: &[u8]) -> Result<(), Error> {
    let mut rest = json;
    while let Some(start) = memchr::memchr(b'"', rest) {
        rest = &rest[start + 1..];
        let mut end = 0;
        loop {
            match memchr::memchr2(b'"', b'\\', rest.get(end..).unwrap_or_default()) {
                Some(at) if rest[end + at] == b'\\' => end += at + 2,
                Some(at) => break end += at,
                None => break end = rest.len(),
            }
        }
        if end > MAX_TEXT_BYTES {
            let over = Error::Limit { name: "JSON text", limit: MAX_TEXT_BYTES as u64 };
            return Err(Error::Json(over.to_string()));
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(())
}

/// Whether the first bytes of a file are those of a JSON object or array, and have all of `keys` among them, each in its
/// quotes.
fn is_json_with(head: &[u8], keys: &[&str]) -> bool {
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    matches!(start.first(), Some(b'{' | b'[')) && keys.iter().all(|key| holds(head, key.as_bytes()))
}

/// Whether `needle` is somewhere in `head`.
fn holds(head: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = head;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// What was read of a file, at whose place only a good one may lie; elsewhere a broken one is of another form.
fn at_place(placed: bool, read: Result<Fact, Error>) -> Result<Option<Fact>, Error> {
    match read {
        Err(_) if !placed => Ok(None),
        read => read.map(Some),
    }
}

/// The name of a file.
pub(crate) fn file_name(path: &str) -> &str {
    split(path).0
}

/// The name of a file, and the path of its directory.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').map_or((path, ""), |(directory, name)| (name, directory))
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// Name as the ecosystem normalises it.
    pub name: String,
    /// Version as installed.
    pub version: String,
    /// Architecture, where the ecosystem has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The source package it was built from; `None` means the package itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The module that an rpm was built in, `NAME:STREAM:VERSION:CONTEXT` such as
    /// `nodejs:12:8030020200410173826:30b713e6`: it keeps streams of one name apart. Nothing but rpm has one.
    ///
    /// Nothing is matched by it, because no advisory that is read names a module: the OSV records of Rocky, AlmaLinux
    /// and Red Hat have it in a title at most (Red Hat's are made without the qualifiers of their purls).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
}

/// A distribution's source package; its advisories are written against this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Name of the source package.
    pub name: String,
    /// Version of the source package.
    pub version: String,
}

impl Package {
    /// A package of a language: neither architecture nor source.
    pub fn new(ecosystem: Ecosystem, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { ecosystem, name: name.into(), version: version.into(), arch: None, source: None, module: None }
    }

    /// Sets the source; one of the package's own name and version is none.
    pub fn set_source(&mut self, source: Option<Source>) {
        self.source = source.filter(|source| source.name != self.name || source.version != self.version);
    }

    /// Name and version that advisories are written against.
    pub fn source(&self) -> (&str, &str) {
        self.source.as_ref().map_or((&self.name, &self.version), |source| (&source.name, &source.version))
    }
}

/// What `os-release` says; os-release(5). Older files that name a system are told in its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OsRelease {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`; empty on rolling releases.
    #[serde(default)]
    pub version: String,
    /// `VERSION_CODENAME`, such as `bookworm`; empty where there is none. CentOS Stream, which differs from CentOS Linux in
    /// its `NAME` alone, is `stream`.
    #[serde(default)]
    pub codename: String,
    /// `SUPPORT_END`, a day as `YYYY-MM-DD`; empty where it is not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub support_end: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_json_are_bounded() {
        let long = "a".repeat(MAX_TEXT_BYTES - 2);
        for (text, is_held) in [
            (format!(r#""\\\"{long}" 1"#), false),
            (format!(r#"{{"{long}\"": "{long}"}}"#), true),
            (format!(r#"{{"{long}": "\{long}"}}"#), true),
            (format!(r#"["{long}", "{long}aaa"]"#), false),
            (format!(r#"["{long}", "{long}aaa"#), false),
            (r#"["\"#.to_owned(), true),
        ] {
            assert_eq!(hold_texts(text.as_bytes()).is_ok(), is_held, "{}", &text[..20.min(text.len())]);
        }
    }

    #[test]
    fn reasons_are_short() {
        let why = Error::Line { line: 1, why: "\u{e9}".repeat(10_000) }.shown();
        assert!(
            why.starts_with("line 1: \u{e9}") && why.ends_with("\u{e9}\u{2026}") && why.len() <= 1003,
            "{}",
            why.len()
        );
        assert_eq!(Error::Field("a").shown(), "no a");
    }

    #[test]
    fn what_is_not_utf8_takes_no_more_room() {
        assert_eq!(lossy(b"a\xff\xfe\xc3\xa9\xc3"), "a\u{1a}\u{1a}\u{e9}\u{1a}");
    }
}
