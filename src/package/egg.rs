//! Zipped Python distributions, `*.egg`; setuptools' "The Internal Structure of Python Eggs".

use std::io::SeekFrom;

use super::{
    Error, Fact, File, Form,
    archive::{Archive, METADATA_ENTRY_BYTES, Spent, damaged},
    python,
};

const METADATA: &[u8] = b"EGG-INFO/PKG-INFO";

/// By name, since as archives go there are others: whoever reads those by content must not lose one to an egg.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let end = path.get(path.len().saturating_sub(4)..);
    head.starts_with(b"PK\x03\x04") && end.is_some_and(|end| end.eq_ignore_ascii_case(".egg"))
}

/// Reads `EGG-INFO/PKG-INFO`; without one it is another archive.
pub(super) fn read(path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error> {
    let end = file.seek(SeekFrom::End(0)).map_err(damaged)?;
    let mut spent = Spent::default();
    let mut archive = Archive::open(file, 0..end, &mut spent)?.ok_or_else(|| damaged("no end record"))?;
    let mut found = None;
    archive.entries(&mut spent, |_, name, entry| {
        // Of two with one name, Python takes the last, too.
        found = if name == METADATA { Some(entry) } else { found };
        Ok(())
    })?;
    let Some(entry) = found else { return Ok(None) };
    let over = Error::Limit { name: "archive metadata entry", limit: METADATA_ENTRY_BYTES };
    let text = archive.metadata(entry, &mut spent, |_| false)?.ok_or(over)?;
    match python::read(path, &text)? {
        Some(Fact::Python { package }) => Fact::one(Form::Egg, package).map(Some),
        _ => Ok(None),
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
    fn bombs_end_at_a_limit() {
        let zeros = vec![0; 9 << 20];
        let over = Err(Error::Limit { name: "archive metadata entry", limit: METADATA_ENTRY_BYTES });
        assert_eq!(told(archive(&[("EGG-INFO/PKG-INFO", &zeros)])), over);
    }
}
