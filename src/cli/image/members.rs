//! A walk over the members of a tar, from a file or from a stream.
//!
//! Only an image archive is walked here, never a layer. Long names are bounded, which the `tar` crate's own walk does
//! not do, and a size in a PAX header moves the walk, as it does for the container engine.

use std::io::{self, Read};

use super::Error;

/// `archive members`: most entries of one archive; `docker save` writes four for each layer.
const MOST_MEMBERS: u64 = 100_000;

/// `archive name`: bytes of one long name or PAX header.
const MOST_NAME_BYTES: u64 = 64 << 10;

const BLOCK: u64 = 512;

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
    /// A directory, a device, or a form that no image archive uses.
    Other,
}

/// Where the bytes come from.
pub(super) trait Input: Read {
    /// Passes over `count` bytes; an error if there are fewer.
    fn skip(&mut self, count: u64) -> io::Result<()>;
}

/// The walk. Between two calls of [`next`](Self::next) it reads as the current member's bytes.
pub(super) struct Members<R> {
    input: R,
    place: String,
    position: u64,
    /// Bytes of the current member still to come, without padding.
    left: u64,
    /// Bytes after it up to the next block.
    padding: u64,
    count: u64,
}

#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size_bytes: Option<u64>,
}

impl<R: Input> Members<R> {
    pub fn new(input: R, place: String) -> Self {
        Self { input, place, position: 0, left: 0, padding: 0, count: 0 }
    }

    /// The next member; `None` at the end blocks or at the end of the input.
    pub fn next(&mut self) -> Result<Option<Member>, Error> {
        let mut extended = Extended::default();
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let size_bytes = header.entry_size().map_err(|error| self.damaged(error.to_string()))?;
            let kind = header.entry_type();
            if kind.is_pax_local_extensions() || kind.is_gnu_longname() || kind.is_gnu_longlink() {
                let bytes = self.extension(size_bytes)?;
                let text = || bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
                if kind.is_gnu_longname() {
                    extended.path = Some(text());
                } else if kind.is_gnu_longlink() {
                    extended.link = Some(text());
                } else {
                    self.pax(&bytes, &mut extended)?;
                }
                continue;
            }
            if kind.is_pax_global_extensions() {
                self.extension(size_bytes)?;
                continue;
            }
            let path = extended.path.take().unwrap_or_else(|| header.path_bytes().into_owned());
            let link =
                extended.link.take().or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
            let link = String::from_utf8_lossy(&link.unwrap_or_default()).into_owned();
            let kind = if kind.is_file() || kind.is_contiguous() {
                Kind::File
            } else if kind.is_symlink() {
                Kind::SymbolicLink(link)
            } else if kind.is_hard_link() {
                Kind::HardLink(clean(&link).to_owned())
            } else {
                Kind::Other
            };
            // Links have no bytes, whatever their header says.
            let has_bytes = !matches!(kind, Kind::SymbolicLink(_) | Kind::HardLink(_));
            let size_bytes = if has_bytes { extended.size_bytes.unwrap_or(size_bytes) } else { 0 };
            self.enter(size_bytes)?;
            let path = clean(&String::from_utf8_lossy(&path)).to_owned();
            return Ok(Some(Member { path, kind, offset: self.position, size_bytes }));
        }
    }

    fn enter(&mut self, size_bytes: u64) -> Result<(), Error> {
        if self.position.checked_add(size_bytes).and_then(|end| end.checked_add(BLOCK)).is_none() {
            return Err(self.damaged(format!("a member claims {size_bytes} bytes")));
        }
        self.left = size_bytes;
        self.padding = size_bytes.next_multiple_of(BLOCK) - size_bytes;
        Ok(())
    }

    /// Leaves the current member and reads a header.
    fn header(&mut self) -> Result<Option<tar::Header>, Error> {
        let rest = self.left + self.padding;
        self.input.skip(rest).map_err(|error| self.failed(error))?;
        self.position += rest;
        (self.left, self.padding) = (0, 0);
        let Some(block) = self.block()? else { return Ok(None) };
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        self.count += 1;
        if self.count > MOST_MEMBERS {
            let (name, place) = ("the list of members".to_owned(), self.place.clone());
            let (limit, most, found) = ("archive members", MOST_MEMBERS, self.count);
            return Err(Error::Limit { name, place, limit, most, found });
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { (*byte).into() })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(self.damaged("not a tar header: its checksum is wrong".to_owned()));
        }
        Ok(Some(header))
    }

    fn block(&mut self) -> Result<Option<[u8; 512]>, Error> {
        let mut block = [0; 512];
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.damaged("it ends inside a header".to_owned())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.position += BLOCK;
        Ok(Some(block))
    }

    fn extension(&mut self, size_bytes: u64) -> Result<Vec<u8>, Error> {
        if size_bytes > MOST_NAME_BYTES {
            let (name, place) = ("a name".to_owned(), self.place.clone());
            let (limit, most, found) = ("archive name", MOST_NAME_BYTES, size_bytes);
            return Err(Error::Limit { name, place, limit, most, found });
        }
        self.enter(size_bytes)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        Ok(bytes)
    }

    fn pax(&self, bytes: &[u8], extended: &mut Extended) -> Result<(), Error> {
        for record in tar::PaxExtensions::new(bytes) {
            let record = record.map_err(|error| self.damaged(error.to_string()))?;
            match record.key_bytes() {
                b"path" => extended.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => extended.link = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|value| value.parse().ok());
                    extended.size_bytes =
                        Some(size.ok_or_else(|| self.damaged("a PAX size is no number".to_owned()))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn damaged(&self, why: String) -> Error {
        Error::Archive { place: self.place.clone(), offset: self.position, why }
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends inside a member".to_owned()),
            _ => Error::Read { name: "a member".to_owned(), place: self.place.clone(), source: error },
        }
    }
}

impl<R: Input> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

fn clean(path: &str) -> &str {
    let mut path = path.trim_end_matches('/');
    while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix('/')) {
        path = rest;
    }
    path
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

    impl Input for Bytes<'_> {
        fn skip(&mut self, count: u64) -> io::Result<()> {
            let rest = usize::try_from(count).ok().and_then(|count| self.0.get(count..));
            self.0 = rest.ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(())
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

    fn header(path: &str, size_bytes: u64, kind: tar::EntryType) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_size(size_bytes);
        header.set_entry_type(kind);
        header.set_cksum();
        header
    }

    #[test]
    fn long_names_and_pax_sizes() {
        let mut builder = tar::Builder::new(Vec::new());
        let long = "d/".repeat(80) + "f";
        let mut file = tar::Header::new_gnu();
        file.set_size(3);
        builder.append_data(&mut file, &long, &b"abc"[..]).unwrap();
        builder.append_pax_extensions([("path", &b"other"[..]), ("size", b"600")]).unwrap();
        builder.append(&header("short", 0, tar::EntryType::Regular), io::empty()).unwrap();
        builder.get_mut().extend([7; 1024]);
        builder.append(&header("./last", 0, tar::EntryType::Regular), io::empty()).unwrap();
        let found = names(&builder.into_inner().unwrap()).unwrap();
        assert_eq!(found, [(long, 3), ("other".into(), 600), ("last".into(), 0)]);
    }

    #[test]
    fn damage_is_told_from_the_end() {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header("a", 1000, tar::EntryType::Regular), &[1; 1000][..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        assert_eq!(names(&bytes[..1536]).unwrap().len(), 1, "end blocks may be absent");
        for cut in [100, 1000] {
            assert!(matches!(names(&bytes[..cut]), Err(Error::Archive { .. })), "{cut}");
        }
        let mut changed = bytes.clone();
        changed[0] = b'b';
        assert!(matches!(names(&changed), Err(Error::Archive { offset: 512, .. })));
        let long = header("l", 1 << 40, tar::EntryType::GNULongName);
        assert!(matches!(names(long.as_bytes()), Err(Error::Limit { limit: "archive name", .. })));
        let huge = header("l", 1 << 32, tar::EntryType::Regular);
        assert!(matches!(names(huge.as_bytes()), Err(Error::Archive { .. })));
    }
}
