//! One layer: a tar as a container engine writes it.

use std::{collections::HashSet, io};

use tar::{Builder, EntryType, Header};

use crate::random::Random;

/// 2023-11-14T22:13:20Z, the newest time of any file.
pub const CREATED: u64 = 1_700_000_000;
const DAY_SECONDS: u64 = 86_400;
/// What a ustar header holds of a name.
const NAME_BYTES: usize = 100;

/// A layer under construction. Paths are relative to the root; the directories above an entry are added before it.
pub struct Layer {
    tar: Builder<Vec<u8>>,
    directories: HashSet<String>,
    /// Every path, since a second entry of one would be an odd layer.
    names: HashSet<String>,
    /// What [`take_paths`](Self::take_paths) gives next.
    paths: Vec<String>,
    file_count: usize,
    file_bytes: usize,
}

impl Layer {
    /// A layer with nothing in it.
    pub fn new() -> Self {
        Self {
            tar: Builder::new(Vec::new()),
            directories: HashSet::new(),
            names: HashSet::new(),
            paths: Vec::new(),
            file_count: 0,
            file_bytes: 0,
        }
    }

    /// Adds a directory, if it is not there.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        self.directory_with(path, 0o755)
    }

    /// Adds a directory with permissions of its own.
    pub fn directory_with(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.above(path)?;
        if self.directories.insert(path.to_owned()) {
            self.append(&format!("{path}/"), EntryType::Directory, mode, None, b"")?;
        }
        Ok(())
    }

    /// Adds a file; what lies in a directory of programs may be run.
    pub fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let program = path.contains("bin/");
        self.above(path)?;
        self.file_count += 1;
        self.file_bytes += content.len();
        self.append(path, EntryType::Regular, if program { 0o755 } else { 0o644 }, None, content)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.above(path)?;
        self.append(path, EntryType::Symlink, 0o777, Some(target), b"")
    }

    /// Adds a second name of a file of this layer.
    pub fn hard_link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.above(path)?;
        self.append(path, EntryType::Link, 0o644, Some(target), b"")
    }

    /// How many files it holds.
    pub fn file_count(&self) -> usize {
        self.file_count
    }

    /// Size of all its files.
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// The entries since the last call, in order, without slashes at their ends.
    pub fn take_paths(&mut self) -> Vec<String> {
        std::mem::take(&mut self.paths)
    }

    /// The whole tar.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.tar.into_inner()
    }

    fn above(&mut self, path: &str) -> io::Result<()> {
        match path.rsplit_once('/') {
            Some((above, _)) if !self.directories.contains(above) => self.directory(above),
            _ => Ok(()),
        }
    }

    fn append(
        &mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        target: Option<&str>,
        content: &[u8],
    ) -> io::Result<()> {
        let name = path.trim_end_matches('/');
        if !self.names.insert(name.to_owned()) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{name} is in the layer already"),
            ));
        }
        // As Go's archive/tar does it, and with it every engine: what does not fit goes to a PAX header, cut in the entry's own.
        let mut long = String::new();
        for (key, value) in [("path", Some(path)), ("linkpath", target)] {
            if let Some(value) = value.filter(|value| value.len() > NAME_BYTES) {
                long.push_str(&record(key, value));
            }
        }
        if !long.is_empty() {
            let mut header = Header::new_ustar();
            header.set_path(cut(&format!("PaxHeaders.0/{path}")))?;
            header.set_entry_type(EntryType::XHeader);
            header.set_size(long.len() as u64);
            header.set_cksum();
            self.tar.append(&header, long.as_bytes())?;
        }
        let mut header = Header::new_ustar();
        header.set_path(cut(path))?;
        if let Some(target) = target {
            header.set_link_name(cut(target))?;
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        let directory = name.rsplit_once('/').map_or("", |(above, _)| above);
        header.set_mtime(CREATED - Random::of(directory).below(600) as u64 * DAY_SECONDS);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.tar.append(&header, content)?;
        self.paths.push(name.to_owned());
        Ok(())
    }
}

/// One record of a PAX header: its own length comes first, and counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn cut(path: &str) -> &str {
    path.get(..NAME_BYTES).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for size in [1, 89, 90, 91, 92, 93, 989, 990, 991] {
            let record = record("path", &"a".repeat(size));
            let (length, _) = record.split_once(' ').unwrap();
            assert_eq!(length, record.len().to_string());
        }
    }

    #[test]
    fn a_path_is_added_once() {
        let mut layer = Layer::new();
        layer.file("etc/passwd", b"").unwrap();
        assert_eq!(layer.file("etc/passwd/a", b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn long_names_come_back_whole() {
        let mut layer = Layer::new();
        let (name, target) = (format!("a/{}/file", "b".repeat(120)), "c".repeat(130));
        layer.file(&name, b"content").unwrap();
        layer.link("link", &target).unwrap();
        let bytes = layer.finish().unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
                (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), target)
            })
            .collect();
        let directory = format!("a/{}/", "b".repeat(120));
        assert_eq!(
            found,
            [("a/".into(), None), (directory, None), (name, None), ("link".into(), Some(target))]
        );
    }
}
