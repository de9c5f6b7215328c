//! One package as rpm keeps it in every form of its database: the header's index and store, without the magic that it has in a
//! package file; "RPM V4 package format", header structure.

use super::Error;
use crate::package::{Ecosystem, Owned, Package, Source, lossy};

/// Bytes of an entry of the index.
const ENTRY_BYTES: usize = 16;

/// Directories that a package may have files in; the largest have some ten thousand.
const MOST_DIRECTORIES: u32 = 200_000;

/// Tags that are read; rpm's tag table.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const DIRECTORY_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIRECTORY_NAMES: u32 = 1118;
const MODULARITY_LABEL: u32 = 5096;

/// Types of values.
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRINGS: u32 = 8;

/// The package of a header, its files added to `owned`; `None` for a key that is kept as if it were one.
pub(super) fn package(blob: &[u8], owned: &mut Owned) -> Result<Option<Package>, Error> {
    let header = Header::new(blob)?;
    let name = header.text(NAME)?.ok_or(Error::Header("no name"))?;
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    let version = header.text(VERSION)?.ok_or(Error::Header("no version"))?;
    let release = header.text(RELEASE)?.ok_or(Error::Header("no release"))?;
    let epoch = header.number(EPOCH)?.filter(|epoch| *epoch != 0);
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let source = header.text(SOURCE_RPM)?.filter(|file| is_something(file));
    let source = source
        .map(|file| source_of(file).ok_or(Error::Header("a source rpm of another form")))
        .transpose()?;
    let source =
        source.map(|(name, version)| Source { name: name.to_owned(), version: format!("{epoch}{version}") });
    let version = format!("{epoch}{version}-{release}");
    let text = |tag| Ok(header.text(tag)?.filter(|text| is_something(text)).map(str::to_owned));
    header.files(|directory, name_in_it| owned.add_in(directory, name_in_it, name))?;
    Ok(Some(Package {
        arch: text(ARCH)?,
        source: source.filter(|source| source.name != name || source.version != version),
        module: text(MODULARITY_LABEL)?,
        ..Package::new(Ecosystem::Rpm, name, version)
    }))
}

/// `(none)` is what rpm writes where there is nothing.
fn is_something(text: &str) -> bool {
    !text.is_empty() && text != "(none)"
}

/// Name and `VERSION-RELEASE` of `NAME-VERSION-RELEASE.src.rpm`.
pub(crate) fn source_of(file: &str) -> Option<(&str, &str)> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let release = stem.rfind('-')?;
    let version = stem[..release].rfind('-')?;
    (version > 0).then(|| (&stem[..version], &stem[version + 1..]))
}

struct Header<'a> {
    index: &'a [u8],
    store: &'a [u8],
}

impl<'a> Header<'a> {
    fn new(blob: &'a [u8]) -> Result<Self, Error> {
        let cut = || Error::Header("shorter than it says");
        let (entries, size) = (super::be32(blob, 0).ok_or_else(cut)?, super::be32(blob, 4).ok_or_else(cut)?);
        let index_bytes = (entries as usize).checked_mul(ENTRY_BYTES).ok_or_else(cut)?;
        let (index, store) =
            blob.get(8..).and_then(|rest| rest.split_at_checked(index_bytes)).ok_or_else(cut)?;
        Ok(Self { index, store: store.get(..size as usize).ok_or_else(cut)? })
    }

    /// Every file: its base name, and by its index the name of its directory, which ends with a slash.
    fn files(&self, mut take: impl FnMut(&str, &str)) -> Result<(), Error> {
        let Some((names, count)) = self.find(BASE_NAMES, STRINGS)? else { return Ok(()) };
        let (Some((directories, directory_count)), Some((indexes, _))) =
            (self.find(DIRECTORY_NAMES, STRINGS)?, self.find(DIRECTORY_INDEXES, INT32)?)
        else {
            return Err(Error::Header("files without directories"));
        };
        let texts = |bytes: &'a [u8], count: u32| bytes.split(|byte| *byte == 0).take(count as usize);
        if directory_count > MOST_DIRECTORIES {
            return Err(Error::Header("more directories than any package has"));
        }
        let directories: Vec<&[u8]> = texts(directories, directory_count).collect();
        for (at, name) in texts(names, count).enumerate() {
            let index = super::be32(indexes, at * 4).ok_or(Error::Header("a value beyond its end"))?;
            let directory =
                directories.get(index as usize).ok_or(Error::Header("a file without a directory"))?;
            let directory = directory.strip_suffix(b"/").unwrap_or(directory);
            take(&lossy(directory), &lossy(name));
        }
        Ok(())
    }

    /// The store from the first value of `tag` on, and how many values there are.
    fn find(&self, tag: u32, kind: u32) -> Result<Option<(&'a [u8], u32)>, Error> {
        let entry = self.index.chunks_exact(ENTRY_BYTES).find(|entry| super::be32(entry, 0) == Some(tag));
        let Some(entry) = entry else { return Ok(None) };
        let field = |at| super::be32(entry, at).unwrap_or_default();
        if field(4) != kind || field(12) == 0 {
            return Err(Error::Header("a tag of another type"));
        }
        let value = self.store.get(field(8) as usize..).ok_or(Error::Header("a value beyond its end"))?;
        Ok(Some((value, field(12))))
    }

    fn text(&self, tag: u32) -> Result<Option<&'a str>, Error> {
        let Some((value, _)) = self.find(tag, STRING)? else { return Ok(None) };
        let end = value.iter().position(|byte| *byte == 0).ok_or(Error::Header("a text without an end"))?;
        let text =
            std::str::from_utf8(&value[..end]).map_err(|_| Error::Header("a text that is not UTF-8"))?;
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::Header("a name, version or module with blanks"));
        }
        Ok(Some(text))
    }

    fn number(&self, tag: u32) -> Result<Option<u32>, Error> {
        let Some((value, _)) = self.find(tag, INT32)? else { return Ok(None) };
        super::be32(value, 0).map(Some).ok_or(Error::Header("a value beyond its end"))
    }
}
