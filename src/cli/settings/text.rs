//! The caller's small files, read by one function: regular and bounded, so that none hangs the gate or fills memory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::Path,
};

use stella::policy::MAX_POLICY_BYTES;

/// `settings size`, and `policy size` and `signer size` too: bytes of one such file.
pub const MAX_BYTES: usize = MAX_POLICY_BYTES;

/// What a symbolic link in the file's place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The file it leads to: the caller named it, and mounted configuration is made of links.
    Follow,
    /// An error: whoever can edit the checkout could show any file of the machine.
    Refuse,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's words.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A link, a directory, a device, a pipe.
    #[error("is {0}, and no regular file")]
    NotRegular(&'static str),
    /// Longer than any such file needs to be.
    #[error("is over the limit `{0} size`, {MAX_BYTES} bytes")]
    Size(&'static str),
    /// Other bytes than text.
    #[error("is no UTF-8 text")]
    Encoding,
}

impl Error {
    /// Whether there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a text file; `what` names it in the limit.
pub fn read(path: &Path, what: &'static str, links: Links) -> Result<String, Error> {
    let file = open_regular(path, links)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(Error::Size(what));
    }
    String::from_utf8(bytes).map_err(|_| Error::Encoding)
}

/// Opens a regular file and nothing else.
pub fn open_regular(path: &Path, links: Links) -> Result<File, Error> {
    let file = open(path, links)?;
    // Of what was opened, not of what the path names by now.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::NotRegular(if metadata.is_dir() { "a directory" } else { "a device or a pipe" }));
    }
    Ok(file)
}

/// Opens without waiting for a pipe's other end.
fn open(path: &Path, links: Links) -> Result<File, Error> {
    if links == Links::Refuse && path.is_symlink() {
        return Err(Error::NotRegular("a symbolic link"));
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A link that came after the look above fails here.
        let nofollow = if links == Links::Refuse { libc::O_NOFOLLOW } else { 0 };
        options.custom_flags(libc::O_NONBLOCK | nofollow);
    }
    Ok(options.open(path)?)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("text"), "a: 1\n").unwrap();
        std::fs::write(at("large"), vec![b' '; MAX_BYTES + 1]).unwrap();
        std::fs::write(at("bytes"), [0xff]).unwrap();
        symlink("text", at("link")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for (name, links, want) in [
            ("text", Links::Refuse, Ok("a: 1\n")),
            ("link", Links::Follow, Ok("a: 1\n")),
            ("link", Links::Refuse, Err("is a symbolic link, and no regular file")),
            ("zero", Links::Follow, Err("is a device or a pipe, and no regular file")),
            ("pipe", Links::Refuse, Err("is a device or a pipe, and no regular file")),
            ("", Links::Refuse, Err("is a directory, and no regular file")),
            ("large", Links::Refuse, Err("is over the limit `policy size`, 1048576 bytes")),
            ("bytes", Links::Refuse, Err("is no UTF-8 text")),
        ] {
            let found = read(&at(name), "policy", links).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{name} {links:?}");
        }
        assert!(read(&at("nosuch"), "policy", Links::Refuse).unwrap_err().is_absent());
    }
}
