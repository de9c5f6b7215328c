//! The members of an image archive, from a file or from a stream.
//!
//! One engine unpacks the archive, another looks members up by name, the first or the last of several. Both must find
//! the same bytes under every name, or the archive is refused.

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
const MOST_MEMBERS: u64 = 100_000;

/// `extended header size` of an image archive: bytes of one long name or PAX header.
const MOST_EXTENDED_BYTES: u64 = 64 << 10;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Without `./` in front and without a slash at the end.
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
    /// A directory.
    Directory,
    /// What no image archive uses.
    Device,
}

/// The walk. Between two calls of [`next`](Self::next) it reads as the current member's bytes.
pub(super) struct Members<R> {
    archive: Archive<R>,
    place: String,
    count: u64,
    /// Whether each path so far is a directory; those that members lie in are.
    seen: BTreeMap<String, bool>,
}

impl<R: Source> Members<R> {
    pub fn new(source: R, place: String) -> Self {
        let limits = Limits {
            layer_size_bytes: u64::MAX,
            extended_header_bytes: MOST_EXTENDED_BYTES,
            ..Limits::default()
        };
        Self { archive: Archive::new(source, &limits), place, count: 0, seen: BTreeMap::new() }
    }

    /// The next member; `None` at the end blocks, where engines end too, or at the end of the source.
    pub fn next(&mut self) -> Result<Option<Member>, Error> {
        while let Some(entry) = self.archive.next_entry().map_err(|error| self.damaged(error))? {
            self.count += 1;
            if self.count > MOST_MEMBERS {
                let (name, place) = ("the list of members".to_owned(), self.place.clone());
                let (limit, most, found) = ("archive members", MOST_MEMBERS, self.count);
                return Err(Error::Limit { name, place, limit, most, found });
            }
            let path = self.clean(&entry.path)?;
            let kind = match entry.kind {
                tar::Kind::File => Kind::File,
                tar::Kind::Directory => Kind::Directory,
                tar::Kind::Device => Kind::Device,
                tar::Kind::Link(target) => Kind::SymbolicLink(path::escape(&target)),
                tar::Kind::HardLink(target) => Kind::HardLink(self.clean(&target)?),
                tar::Kind::Global => continue,
            };
            // The root itself.
            if path.is_empty() && kind == Kind::Directory {
                continue;
            }
            self.see(&path, kind == Kind::Directory)?;
            let offset = self.archive.offset();
            return Ok(Some(Member { path, kind, offset, size_bytes: entry.size_bytes }));
        }
        Ok(None)
    }

    /// A path that means the same before and after unpacking.
    fn clean(&self, raw: &[u8]) -> Result<String, Error> {
        if path::components(raw).any(|part| part == b"..") {
            return Err(self.refused(path::escape(raw), "has the component `..`"));
        }
        match path::clean(raw, Limits::default().path_bytes) {
            Ok(clean) => Ok(path::escape(&clean)),
            Err(error) => Err(self.refused(path::escape(raw), &format!("is refused: {error}"))),
        }
    }

    fn see(&mut self, path: &str, directory: bool) -> Result<(), Error> {
        for (slash, _) in path.match_indices('/') {
            let parent = &path[..slash];
            match self.seen.get(parent) {
                Some(true) => {}
                Some(false) => {
                    let why = format!("lies below {parent:?}, which is a link or a file");
                    return Err(self.refused(path.to_owned(), &why));
                }
                None => _ = self.seen.insert(parent.to_owned(), true),
            }
        }
        match self.seen.insert(path.to_owned(), directory) {
            Some(before) if !(before && directory) => {
                Err(self
                    .refused(path.to_owned(), "is there twice, and engines do not agree on which one counts"))
            }
            _ => Ok(()),
        }
    }

    fn refused(&self, path: String, why: &str) -> Error {
        Error::Member { place: self.place.clone(), path, why: why.to_owned() }
    }

    fn damaged(&self, source: tar::Error) -> Error {
        match source {
            tar::Error::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
                Error::Read { name: "a member".to_owned(), place: self.place.clone(), source }
            }
            source => Error::Archive { place: self.place.clone(), source },
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
    use ::tar::{Builder, EntryType, Header};

    struct Bytes<'a>(&'a [u8]);

    impl Read for Bytes<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Source for Bytes<'_> {
        fn pass(&mut self, count: u64) -> io::Result<u64> {
            let count = usize::try_from(count).unwrap().min(self.0.len());
            self.0 = &self.0[count..];
            Ok(count as u64)
        }
    }

    fn names(bytes: &[u8]) -> Result<Vec<(String, u64)>, Error> {
        let mut members = Members::new(Bytes(bytes), "x.tar".into());
        let mut found = Vec::new();
        while let Some(member) = members.next()? {
            found.push((member.path, member.size_bytes));
        }
        Ok(found)
    }

    fn header(path: &str, size_bytes: u64, kind: EntryType) -> Header {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(size_bytes);
        header.set_entry_type(kind);
        if kind.is_symlink() {
            header.set_link_name("e").unwrap();
        }
        header.set_cksum();
        header
    }

    #[test]
    fn long_names_and_pax_sizes() {
        let mut builder = Builder::new(Vec::new());
        let long = "d/".repeat(80) + "f";
        let mut file = Header::new_gnu();
        file.set_size(3);
        builder.append_data(&mut file, &long, &b"abc"[..]).unwrap();
        builder.append_pax_extensions([("path", &b"other"[..]), ("size", b"300000")]).unwrap();
        builder.append(&header("short", 0, EntryType::Regular), io::empty()).unwrap();
        builder.get_mut().extend([7; 300_032]);
        builder.append(&header("./last", 0, EntryType::Regular), io::empty()).unwrap();
        let found = names(&builder.into_inner().unwrap()).unwrap();
        assert_eq!(found, [(long, 3), ("other".into(), 300_000), ("last".into(), 0)]);
    }

    #[test]
    fn damage_is_told_from_the_end() {
        let mut builder = Builder::new(Vec::new());
        builder.append(&header("a", 1000, EntryType::Regular), &[1; 1000][..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        assert_eq!(names(&bytes[..1536]).unwrap().len(), 1, "end blocks may be absent");
        for cut in [100, 1000] {
            assert!(matches!(names(&bytes[..cut]), Err(Error::Archive { .. })), "{cut}");
        }
        let mut changed = bytes.clone();
        changed[0] = b'b';
        let checksum = |at| tar::Error::Checksum { at }.to_string();
        assert!(
            matches!(names(&changed), Err(Error::Archive { source, .. }) if source.to_string() == checksum(0))
        );
        let long = header("l", 1 << 31, EntryType::GNULongName);
        assert!(matches!(
            names(long.as_bytes()),
            Err(Error::Archive { source: tar::Error::Limit(limit), .. }) if limit.limit == MOST_EXTENDED_BYTES
        ));
        let huge = header("l", 1 << 32, EntryType::Regular);
        assert!(matches!(names(huge.as_bytes()), Err(Error::Archive { .. })));
    }

    #[test]
    fn one_name_means_one_member() {
        use EntryType::{Directory, Regular, Symlink};
        for (entries, why) in [
            (&[("./", Directory), ("d/", Directory), ("d/f", Regular), ("d", Directory)][..], ""),
            (&[("a/layer.tar", Regular), ("b/layer.tar", Symlink)], ""),
            (&[("f", Regular), ("./f", Regular)], r#""f" in archive x.tar is there twice"#),
            (&[("e", Directory), ("d", Symlink), ("d/f", Regular)], r#"lies below "d""#),
            (&[("d/f", Regular), ("d", Symlink)], r#""d" in archive x.tar is there twice"#),
            (&[("d", Symlink), ("d/", Directory)], "is there twice"),
            (&[("d/../f", Regular)], "`..`"),
            (&[("/f", Regular)], "absolute path"),
        ] {
            let blocks: Vec<u8> =
                entries.iter().flat_map(|(path, kind)| *header(path, 0, *kind).as_bytes()).collect();
            let said = names(&blocks).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(if why.is_empty() { said.is_empty() } else { said.contains(why) }, "{entries:?}: {said}");
        }
        // A directory has no data whatever its size says: what follows is read as members, as the engines do.
        let hidden = [header("d", 512, Directory), header("f", 0, Regular)];
        let blocks: Vec<u8> = hidden.iter().flat_map(|header| *header.as_bytes()).collect();
        assert_eq!(names(&blocks).unwrap().len(), 2);
        let [a, b] = ["a", "b"].map(|path| header(path, 0, Regular));
        let lone = [&a.as_bytes()[..], &[0; 512], b.as_bytes()].concat();
        assert!(matches!(
            names(&lone),
            Err(Error::Archive { source: tar::Error::LoneZeroBlock { at: 512 }, .. })
        ));
    }
}
