//! Electron's archives, `*.asar`: a tree of files as JSON, then their contents; the description of the format in the
//! repository electron/asar. What lies beside an archive, as it says of some files, is read where it lies.

use std::{fmt, io::SeekFrom};

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{Error, Fact, File, Form, Place, count::Packages, zipped};

const FORM: &str = "asar";
/// `asar header`: the tree of files. Those of the largest applications have some megabytes.
const HEADER_BYTES: u64 = 16 << 20;
/// `asar metadata entry`: one file that tells of a package.
const ENTRY_BYTES: u64 = 1 << 20;
/// `asar metadata`: all of them.
const METADATA_BYTES: u64 = 64 << 20;

/// By name and by its first number, the length of the second.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let end = path.get(path.len().saturating_sub(5)..);
    end.is_some_and(|end| end.eq_ignore_ascii_case(".asar")) && head.starts_with(&[4, 0, 0, 0])
}

/// Reads the packages below `node_modules`.
pub(super) fn read(_path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error> {
    let mut sizes = [0; 16];
    at(file, 0, &mut sizes)?;
    let [_, header, _, text] = [0, 4, 8, 12]
        .map(|at| u64::from(sizes[at..].first_chunk().map_or(0, |number| u32::from_le_bytes(*number))));
    if text > HEADER_BYTES {
        return Err(Error::Limit { name: "asar header", limit: HEADER_BYTES });
    }
    let mut tree = vec![0; usize::try_from(text).unwrap_or(0)];
    at(file, 16, &mut tree)?;
    let mut found = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(&tree);
    let root = Node { place: Place::Plain, tells: false, found: &mut found };
    root.deserialize(&mut parser).and_then(|()| parser.end()).map_err(damaged)?;
    let (mut packages, mut spent) = (Packages::default(), 0_u64);
    for Member { offset, size_bytes } in found {
        if size_bytes > ENTRY_BYTES {
            return Err(Error::Limit { name: "asar metadata entry", limit: ENTRY_BYTES });
        }
        spent += size_bytes;
        if spent > METADATA_BYTES {
            return Err(Error::Limit { name: "asar metadata", limit: METADATA_BYTES });
        }
        let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or(0)];
        at(file, (8 + header).saturating_add(offset), &mut bytes)?;
        packages.extend(zipped::package(Place::NodePackage, &bytes, FORM)?)?;
    }
    Ok((!packages.is_empty()).then(|| Fact::installed(Form::Archive, packages)))
}

fn damaged(why: impl fmt::Display) -> Error {
    Error::Damaged { form: FORM, why: why.to_string() }
}

/// Fills `buffer` from `offset`.
fn at(file: &mut dyn File, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
    let offset = SeekFrom::Start(offset.min(i64::MAX.unsigned_abs()));
    file.seek(offset).and_then(|_| file.read_exact(buffer)).map_err(damaged)
}

/// Where the contents of a file lie.
struct Member {
    /// Behind the header.
    offset: u64,
    size_bytes: u64,
}

/// One file or directory of the tree; the parser bounds its depth.
struct Node<'f> {
    /// What it is, if it is a directory.
    place: Place,
    /// Whether it tells of a package, if it is a file.
    tells: bool,
    found: &'f mut Vec<Member>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a file or a directory")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut offset, mut size, mut is_beside) = (None, None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "files" => map.next_value_seed(Files { place: self.place, found: &mut *self.found })?,
                "offset" => offset = map.next_value::<String>()?.parse().ok(),
                "size" => size = Some(map.next_value::<u64>()?),
                "unpacked" => is_beside = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if self.tells && !is_beside {
            let (Some(offset), Some(size_bytes)) = (offset, size) else {
                return Err(A::Error::custom("metadata of a package has no place in the archive"));
            };
            self.found.push(Member { offset, size_bytes });
        }
        Ok(())
    }
}

/// The files of a directory.
struct Files<'f> {
    place: Place,
    found: &'f mut Vec<Member>,
}

impl<'de> DeserializeSeed<'de> for Files<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Files<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("files by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let tells = self.place == Place::NodePackage && name == "package.json";
            let place = self.place.enter(name.as_bytes());
            map.next_value_seed(Node { place, tells, found: &mut *self.found })?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// An archive of this tree, with these contents behind it.
    pub fn archive(tree: &str, contents: &[u8]) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let padded = tree.len().next_multiple_of(4);
        let mut bytes = [number(4), number(padded + 8), number(padded + 4), number(tree.len())].concat();
        bytes.extend_from_slice(tree.as_bytes());
        bytes.resize(16 + padded, 0);
        [&bytes, contents].concat()
    }

    fn told(bytes: &[u8]) -> Result<Vec<String>, Error> {
        Ok(match read("app.asar", &mut Cursor::new(bytes))? {
            Some(Fact::Installed { packages, .. }) => {
                packages.into_iter().map(|package| package.name + "@" + &package.version).collect()
            }
            _ => Vec::new(),
        })
    }

    pub const TREE: &str = r#"{"files": {"package.json": {"size": 9, "offset": "0"}, "node_modules": {"files": {
        "a": {"files": {"package.json": {"size": 28, "offset": "2"}, "main.js": {"size": 1, "offset": "0", "executable": true},
            "test": {"files": {"package.json": {"size": 1, "offset": "0"}}}}},
        "b": {"files": {"package.json": {"size": 5, "unpacked": true}}}, "c": {"link": "node_modules/a"}}}}}"#;
    pub const CONTENTS: &[u8] = br#"xx{"name":"a", "version":"1"} "#;

    #[test]
    fn packages_in_the_tree() {
        let good = archive(TREE, CONTENTS);
        assert!(recognise("opt/x/resources/App.ASAR", &good) && !recognise("a.asar", b"text"));
        assert_eq!(told(&good).unwrap(), ["a@1"]);
        assert_eq!(told(&archive(r#"{"files": {}}"#, b"")).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_broken_or_too_much_is_an_error() {
        let good = archive(TREE, CONTENTS);
        for cut in [1, 15, 17, good.len() - 2] {
            assert!(matches!(told(&good[..cut]), Err(Error::Damaged { form: FORM, .. })), "{cut}");
        }
        let of = |file: &str| {
            archive(
                &format!(
                    r#"{{"files":{{"node_modules":{{"files":{{"a":{{"files":{{"package.json":{file}}}}}}}}}}}}}"#
                ),
                b"{",
            )
        };
        for file in [
            r#"{"size": 1}"#,
            r#"{"size": 1, "offset": "0"}"#,
            r#"{"size": 9, "offset": "99999999999999999999"}"#,
            "1",
        ] {
            assert!(matches!(told(&of(file)), Err(Error::Damaged { .. })), "{file}");
        }
        assert!(matches!(told(&of(r#"{"size": 1048577, "offset": "0"}"#)), Err(Error::Limit { .. })));
        let deep = archive(&r#"{"files":{"a":"#.repeat(10_000), b"");
        assert!(matches!(told(&deep), Err(Error::Damaged { .. })));
        assert!(matches!(
            told(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]),
            Err(Error::Limit { .. })
        ));
    }
}
