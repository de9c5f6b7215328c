//! Files that are there whole or not at all.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use tempfile::NamedTempFile;

/// How files that are being written are named: dotted, and told from everybody else's.
const ASIDE: (&str, &str) = (".stella-advisories-", ".part");

/// One that was made just now may not be locked yet.
const STALE: Duration = Duration::from_secs(60 * 60);

/// A file that is being written aside. It is gone when it is dropped; what a killed run left of one, the next removes.
pub struct Aside(NamedTempFile);

impl Aside {
    /// In the folder of `path`, and of a name that nobody else has.
    pub fn of(path: &Path) -> io::Result<Self> {
        let parent = folder(path);
        remove_stale(parent)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(ASIDE.0).suffix(ASIDE.1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The rights of an ordinary new file: the process's umask applies on top.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let aside = builder.tempfile_in(parent)?;
        // Held while this run lives, so that another one sees that the file is not stale. Where files cannot be locked,
        // nothing is removed either.
        let _ = aside.as_file().try_lock();
        Ok(Self(aside))
    }

    /// Where it is until it is put in place.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts it in place of `path` in one step, so that a reader sees the old file or the new one, and a crash leaves the old one.
    pub fn put(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.0.persist(path)?;
        // The new name must survive a power cut as the bytes do.
        fs::File::open(folder(path))?.sync_all()
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes the file aside first, then puts it in place.
pub fn write_whole(path: &Path, pieces: &[&[u8]]) -> io::Result<()> {
    let mut aside = Aside::of(path)?;
    for piece in pieces {
        aside.write_all(piece)?;
    }
    aside.put(path)
}

/// Puts a file that was written whole in another's place in one step, in the same folder; a power cut afterwards does not undo it.
pub fn replace(path: &Path, with: &Path) -> io::Result<()> {
    fs::rename(with, path)?;
    fs::File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what killed runs left.
fn remove_stale(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(ASIDE.0) && name.ends_with(ASIDE.1) && entry.file_type()?.is_file() {
            let is_old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > STALE);
            let dead = is_old && fs::File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if dead {
                // It may be another's, or gone by now; neither is a reason not to import.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    Ok(())
}
