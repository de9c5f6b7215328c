//! Zipped Python distributions, `*.egg`; setuptools' "The Internal Structure of Python Eggs".

use std::io::{self, Read, Seek, SeekFrom};

use super::{Error, Fact, File, Form, python};

/// What all reading of one egg may come to: the archive's list of members and the metadata.
const EGG_BYTES: u64 = 8 << 20;

/// By name, since as archives go there are others: whoever reads those by content must not lose one to an egg.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let end = path.get(path.len().saturating_sub(4)..);
    head.starts_with(b"PK\x03\x04") && end.is_some_and(|end| end.eq_ignore_ascii_case(".egg"))
}

/// Reads `EGG-INFO/PKG-INFO`; without one it is another archive.
pub(super) fn read(path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error> {
    let damaged = |why: String| Error::Damaged { form: "zip", why };
    let mut bounded = Bounded { file, left: EGG_BYTES };
    let mut text = Vec::new();
    let read = (|| {
        let mut archive = zip::ZipArchive::new(&mut bounded)?;
        let mut member = archive.by_name("EGG-INFO/PKG-INFO")?;
        // What it says of its own size is its own word.
        member.by_ref().take(EGG_BYTES + 1).read_to_end(&mut text)?;
        Ok(())
    })();
    let over = Error::Limit { name: "egg bytes", limit: EGG_BYTES };
    match read {
        _ if bounded.left == 0 || text.len() as u64 > EGG_BYTES => Err(over),
        Err(zip::result::ZipError::FileNotFound) => Ok(None),
        Err(error) => Err(damaged(error.to_string())),
        Ok(()) => match python::read(path, &text)? {
            Some(Fact::Python { package }) => Fact::one(Form::Egg, package).map(Some),
            _ => Ok(None),
        },
    }
}

/// A file of which only so many bytes may be read, wherever they lie.
struct Bounded<'f> {
    file: &'f mut dyn File,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 && read == 0 && !buffer.is_empty() {
            return Err(io::Error::other("over the limit of bytes"));
        }
        Ok(read)
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// An archive of these members.
    pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn told(bytes: Vec<u8>) -> Result<Option<Fact>, Error> {
        read("site-packages/six-1.egg", &mut Cursor::new(bytes))
    }

    #[test]
    fn the_metadata_inside() {
        let info: &[u8] = b"Metadata-Version: 1.1\nName: Zope.Six\nVersion: 1.16.0\n";
        let egg = archive(&[("EGG-INFO/PKG-INFO", info), ("six.py", b"x")]);
        assert!(recognise("a/SIX.EGG", &egg) && !recognise("a.egg", b"text") && !recognise("a.jar", &egg));
        let Ok(Some(Fact::Installed { packages, .. })) = told(egg) else { panic!() };
        assert_eq!((packages[0].name.as_str(), packages[0].version.as_str()), ("zope-six", "1.16.0"));
        assert_eq!(told(archive(&[("six.py", b"x")])), Ok(None));
        assert!(matches!(told(archive(&[("EGG-INFO/PKG-INFO", b"Name: a\n")])), Err(Error::Field(_))));
        assert!(matches!(told(b"PK\x03\x04".to_vec()), Err(Error::Damaged { .. })));
    }

    #[test]
    fn bombs_end_at_the_limit() {
        let zeros = vec![0; 9 << 20];
        let over = Err(Error::Limit { name: "egg bytes", limit: EGG_BYTES });
        assert_eq!(told(archive(&[("EGG-INFO/PKG-INFO", &zeros)])), over);
        let name = "n".repeat(60_000);
        let names: Vec<String> = (0..160).map(|number| format!("{name}{number}")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
        assert_eq!(told(archive(&members)), over);
    }
}
