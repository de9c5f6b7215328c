//! A stack of layers as data: what each entry of each tar is, and its bytes.

use std::fmt;

use stella::layer::path;

/// One entry of a layer's tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The raw name, whiteouts included.
    pub path: Vec<u8>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Directory,
    File(Vec<u8>),
    Link(Vec<u8>),
    HardLink(Vec<u8>),
    Pipe,
}

/// Entries in the order of the tar.
pub type Layer = Vec<Put>;

/// Layers, bottom to top.
#[derive(Clone)]
pub struct Stack(pub Vec<Layer>);

impl fmt::Display for Stack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, layer) in self.0.iter().enumerate() {
            writeln!(out, "  layer {number}")?;
            for Put { path, what } in layer {
                let path = path::escape(path);
                match what {
                    What::Directory => writeln!(out, "    directory {path:?}")?,
                    What::File(data) => writeln!(out, "    file      {path:?} {:?}", path::escape(data))?,
                    What::Link(target) => {
                        writeln!(out, "    link      {path:?} -> {:?}", path::escape(target))?;
                    }
                    What::HardLink(target) => {
                        writeln!(out, "    hard link {path:?} => {:?}", path::escape(target))?;
                    }
                    What::Pipe => writeln!(out, "    pipe      {path:?}")?,
                }
            }
        }
        Ok(())
    }
}

/// The layer's tar, names and targets as they are: the crate's own setters refuse what layers may hold.
pub fn tar(layer: &[Put]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for Put { path, what } in layer {
        let (kind, data, target): (_, &[u8], &[u8]) = match what {
            What::Directory => (tar::EntryType::Directory, b"", b""),
            What::File(data) => (tar::EntryType::Regular, data, b""),
            What::Link(target) => (tar::EntryType::Symlink, b"", target),
            What::HardLink(target) => (tar::EntryType::Link, b"", target),
            What::Pipe => (tar::EntryType::Fifo, b"", b""),
        };
        let mut header = header(kind, data);
        let old = header.as_old_mut();
        for (field, value, long) in [
            (&mut old.name, path.as_slice(), tar::EntryType::GNULongName),
            (&mut old.linkname, target, tar::EntryType::GNULongLink),
        ] {
            let fits = value.len().min(field.len());
            field[..fits].copy_from_slice(&value[..fits]);
            if value.len() > fits {
                let whole = [value, b"\0"].concat();
                let mut before = self::header(long, &whole);
                before.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
                before.set_cksum();
                builder.append(&before, whole.as_slice()).unwrap();
            }
        }
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn header(kind: tar::EntryType, data: &[u8]) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header
}
