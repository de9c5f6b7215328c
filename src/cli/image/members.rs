//! The members of the tar that an image comes in, from a file or from a stream.
//!
//! Read by the same strict walk as a layer. An engine unpacks the archive before it reads it, so whatever would make the
//! unpacked files others than the members that are named here is refused.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use stella::layer::{
    Limits, path,
    tar::{self, Archive, Source},
};

use super::Error;

/// `archive members`: most entries of one archive; `docker save` writes four for each layer.
const MOST_MEMBERS: usize = 100_000;

/// `archive name`: bytes of one long name or PAX header.
const MOST_NAME_BYTES: u64 = 64 << 10;

/// Bytes of one path; PATH_MAX of Linux.
const MOST_PATH_BYTES: usize = 4096;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// From the archive's root, without `.` and `..`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many bytes it has.
    pub size_bytes: u64,
}

/// The kinds of entry that matter in an image archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A symbolic link, relative to its directory.
    SymbolicLink(String),
    /// A hard link, from the archive's root.
    HardLink(String),
    /// A directory or a device.
    Other,
}

/// The walk. Between two calls of [`next`](Self::next) it reads as the current member's bytes.
pub(super) struct Members<R: Source> {
    archive: Archive<R>,
    place: String,
    /// By path, whether it is a directory.
    seen: BTreeMap<String, bool>,
    count: usize,
}

impl<R: Source> Members<R> {
    pub fn new(input: R, place: String) -> Self {
        let limits = Limits {
            layer_size_bytes: u64::MAX,
            extended_header_bytes: MOST_NAME_BYTES,
            ..Limits::default()
        };
        Self { archive: Archive::new(input, &limits), place, seen: BTreeMap::new(), count: 0 }
    }

    /// How messages name the archive.
    pub fn place(&self) -> String {
        self.place.clone()
    }

    /// The next member; `None` at the end blocks or at the end of the input.
    pub fn next(&mut self) -> Result<Option<Member>, Error> {
        loop {
            let Some(entry) = self.archive.next().map_err(|error| self.failed(error))? else {
                return Ok(None);
            };
            self.count += 1;
            if self.count > MOST_MEMBERS {
                let (most, found) = (MOST_MEMBERS as u64, self.count as u64);
                return Err(self.limit("the list of members", "archive members", most, found));
            }
            let path = match self.clean(&entry.path)? {
                path if path.is_empty() => continue, // the root itself
                path => path,
            };
            let directory = entry.kind == tar::Kind::Directory;
            let kind = match entry.kind {
                tar::Kind::Global => continue,
                tar::Kind::File => Kind::File,
                tar::Kind::Link(target) => Kind::SymbolicLink(path::escape(&target)),
                tar::Kind::HardLink(target) => Kind::HardLink(self.clean(&target)?),
                tar::Kind::Directory | tar::Kind::Device => Kind::Other,
            };
            self.put(&path, directory)?;
            return Ok(Some(Member {
                path,
                kind,
                offset: self.archive.position(),
                size_bytes: entry.size_bytes,
            }));
        }
    }

    /// A path as the engine cleans it before it unpacks the member.
    fn clean(&self, raw: &[u8]) -> Result<String, Error> {
        let clean = path::clean(raw, MOST_PATH_BYTES);
        clean
            .map(|path| path::escape(&path))
            .map_err(|why| self.refused(&path::escape(raw), &why.to_string()))
    }

    /// Unpacked, a member below a link would lie somewhere else, and one in place of a directory would remove others.
    fn put(&mut self, path: &str, directory: bool) -> Result<(), Error> {
        let above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        if let Some(above) = above.into_iter().find(|above| self.seen.get(*above) == Some(&false)) {
            return Err(self.refused(path, &format!("it lies below {above:?}, which is no directory")));
        }
        let below = format!("{path}/");
        let has_below =
            self.seen.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below));
        if !directory && has_below {
            return Err(self.refused(path, "it takes the place of a directory that other members lie in"));
        }
        self.seen.insert(path.to_owned(), directory);
        Ok(())
    }

    fn limit(&self, name: &str, limit: &'static str, most: u64, found: u64) -> Error {
        Error::Limit { name: name.to_owned(), place: self.place.clone(), limit, most, found }
    }

    fn refused(&self, path: &str, why: &str) -> Error {
        let why = format!("member {path:?}: {why}");
        Error::Archive { place: self.place.clone(), offset: self.archive.position(), why }
    }

    fn failed(&self, error: tar::Error) -> Error {
        let (place, offset) = (self.place.clone(), self.archive.position());
        match error {
            tar::Error::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Error::Read { name: "a member".to_owned(), place, source: error }
            }
            tar::Error::Limit(_) => {
                self.limit("a name", "archive name", MOST_NAME_BYTES, MOST_NAME_BYTES + 1)
            }
            error => Error::Archive { place, offset, why: error.to_string() },
        }
    }
}

impl<R: Source> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.archive.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes<'a>(&'a [u8]);

    impl Read for Bytes<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Source for Bytes<'_> {}

    fn names(bytes: &[u8]) -> Result<Vec<(String, u64)>, Error> {
        let mut members = Members::new(Bytes(bytes), "x.tar".into());
        let mut found = Vec::new();
        while let Some(member) = members.next()? {
            found.push((member.path, member.size_bytes));
        }
        Ok(found)
    }

    fn header(path: &str, size_bytes: u64, kind: ::tar::EntryType) -> ::tar::Header {
        let mut header = ::tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_size(size_bytes);
        header.set_entry_type(kind);
        header.set_cksum();
        header
    }

    #[test]
    fn long_names_and_pax_sizes() {
        let mut builder = ::tar::Builder::new(Vec::new());
        let long = "d/".repeat(80) + "f";
        let mut file = ::tar::Header::new_gnu();
        file.set_size(3);
        builder.append_data(&mut file, &long, &b"abc"[..]).unwrap();
        builder.append_pax_extensions([("path", &b"other"[..]), ("size", b"600")]).unwrap();
        builder.append(&header("short", 0, ::tar::EntryType::Regular), io::empty()).unwrap();
        builder.get_mut().extend([7; 1024]);
        builder.append(&header("./last", 0, ::tar::EntryType::Regular), io::empty()).unwrap();
        let found = names(&builder.into_inner().unwrap()).unwrap();
        assert_eq!(found, [(long, 3), ("other".into(), 600), ("last".into(), 0)]);
    }

    #[test]
    fn damage_is_told_from_the_end() {
        let mut builder = ::tar::Builder::new(Vec::new());
        builder.append(&header("a", 1000, ::tar::EntryType::Regular), &[1; 1000][..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        assert_eq!(names(&bytes[..1536]).unwrap().len(), 1, "end blocks may be absent");
        for cut in [100, 1000] {
            assert!(matches!(names(&bytes[..cut]), Err(Error::Archive { .. })), "{cut}");
        }
        let mut changed = bytes.clone();
        changed[0] = b'b';
        assert!(matches!(names(&changed), Err(Error::Archive { offset: 512, .. })));
        let long = header("l", 1 << 40, ::tar::EntryType::GNULongName);
        assert!(matches!(names(long.as_bytes()), Err(Error::Limit { limit: "archive name", .. })));
        let huge = header("l", 1 << 32, ::tar::EntryType::Regular);
        assert!(matches!(names(huge.as_bytes()), Err(Error::Archive { .. })));
    }

    #[test]
    fn what_would_unpack_to_other_files_is_refused() {
        use ::tar::EntryType::{Directory, Regular, Symlink};
        let tar = |entries: &[(&str, ::tar::EntryType)]| {
            let mut builder = ::tar::Builder::new(Vec::new());
            for (path, kind) in entries {
                let mut header = header("x", 0, *kind);
                if *kind == Symlink {
                    header.set_link_name("e").unwrap();
                }
                // Set as bytes: the library refuses the paths that matter here.
                header.as_mut_bytes()[..100].fill(0);
                header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
                header.set_cksum();
                builder.append(&header, io::empty()).unwrap();
            }
            builder.into_inner().unwrap()
        };
        let fine = names(&tar(&[("d", Directory), ("d/l", Symlink), ("d/x", Regular), ("d/../y", Regular)]));
        assert_eq!(
            fine.unwrap().iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["d", "d/l", "d/x", "y"]
        );
        for (bad, word) in [
            (&[("d", Symlink), ("d/x", Regular)][..], "lies below"),
            (&[("d/x", Regular), ("d", Symlink)], "takes the place"),
            (&[("d", Regular), ("d/y/x", Regular)], "lies below"),
            (&[("../x", Regular)], "leads out"),
            (&[("/x", Regular)], "absolute"),
        ] {
            let error = names(&tar(bad)).unwrap_err().to_string();
            assert!(error.contains(word), "{bad:?}: {error}");
        }
        // A directory has no bytes, whatever its header says: what follows is read as the next header.
        let mut hidden = tar(&[("d", Directory), ("x", Regular)]);
        let mut sized = header("d", 512, Directory);
        sized.set_cksum();
        hidden[..512].copy_from_slice(sized.as_bytes());
        assert_eq!(names(&hidden).unwrap().len(), 2);
    }
}
