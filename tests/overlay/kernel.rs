//! The kernel's word: layers unpacked as overlayfs-backed container engines do it, mounted, and walked.

use std::{
    ffi::{CString, OsStr},
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, XattrFlags, fsetxattr, linkat, major,
        minor, mkdirat, mknodat, open, openat, openat2, readlinkat, statat, symlinkat, unlinkat,
    },
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount},
};
use stella::{
    digest::Digest,
    inventory::{Entry, EntryKind},
    layer::{Builder, Contents, Fragment, Kind, Limits, path},
    package,
};

use super::stack::{Layer, Put, What};

/// Below all others: without a writable one overlayfs wants two layers.
const EMPTY: [&str; 2] = ["empty", "nothing"];

/// A file system of memory: overlayfs does not stack on the overlayfs that a container's own disk is. Nothing outlives
/// it: when it is dropped, on a panic too, it is unmounted with all that is mounted below.
pub struct Memory(tempfile::TempDir);

impl Memory {
    pub fn mount() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        mount("tmpfs", directory.path(), "tmpfs", MountFlags::empty(), c"mode=0700")?;
        let memory = Self(directory);
        // Other mount namespaces need not follow what is mounted here.
        mount_change(memory.path(), MountPropagationFlags::PRIVATE)?;
        Ok(memory)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}

/// Layers mounted upon each other, read-only.
pub struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// The layers of one stack, unpacked side by side.
pub struct Unpacked {
    directory: PathBuf,
    layers: usize,
    /// Files with hard links: their bytes, and two of their paths.
    linked: Vec<(Vec<u8>, [Vec<u8>; 2])>,
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Unpacked {
    /// A place for layers; `directory` does not exist.
    pub fn new(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir(&directory)?;
        for name in EMPTY.iter().chain(&["merged"]) {
            fs::create_dir(directory.join(name))?;
        }
        Ok(Self { directory, layers: 0, linked: Vec::new() })
    }

    /// Mounts the lowest `count` layers.
    pub fn mount(&self, count: usize) -> io::Result<Mounted> {
        let lower = (0..count).rev().map(|layer| self.directory.join(layer.to_string()));
        let lower: Vec<PathBuf> = lower.chain(EMPTY.map(|name| self.directory.join(name))).collect();
        let target = self.directory.join("merged");
        let lower: Vec<&[u8]> = lower.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let options = CString::new([b"lowerdir=".to_vec(), lower.join(&b':')].concat())?;
        mount("overlay", &target, "overlay", MountFlags::RDONLY, options.as_c_str())?;
        Ok(Mounted(target))
    }

    /// Unpacks one more layer, each entry as container engines do: its parents made where they are missing, links of
    /// this layer followed below its root, what is there replaced unless both are directories.
    ///
    /// Whiteouts become devices 0:0, markers the attribute `trusted.overlay.opaque`.
    ///
    /// The error names the entry that cannot be unpacked.
    pub fn unpack(&mut self, layer: &Layer) -> Result<(), (usize, io::Error)> {
        let directory = self.directory.join(self.layers.to_string());
        let root = fs::create_dir(&directory)
            .and_then(|()| Ok(open(&directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?))
            .map_err(|error| (0, error))?;
        for (at, put) in layer.iter().enumerate() {
            self.put(&root, put).map_err(|error| (at, error))?;
        }
        self.layers += 1;
        Ok(())
    }

    fn put(&mut self, root: &OwnedFd, Put { path, what }: &Put) -> io::Result<()> {
        let clean = clean(path);
        let Some((directory, name)) = path::split(&clean) else { return Ok(()) };
        let parent = parent(root, directory)?;
        if name == b".wh..wh..opq" {
            let directory = open_below(root, directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
            return Ok(fsetxattr(directory, c"trusted.overlay.opaque", b"y", XattrFlags::empty())?);
        }
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            return match mknodat(&parent, hidden, FileType::CharacterDevice, Mode::empty(), 0) {
                Err(Errno::EXIST) if is_whiteout(&statat(&parent, hidden, AtFlags::SYMLINK_NOFOLLOW)?) => {
                    Ok(())
                }
                done => Ok(done?),
            };
        }
        match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if kind(&there) == FileType::Directory => match what {
                What::Directory => return Ok(()),
                _ => remove(&parent, name)?,
            },
            Ok(_) => unlinkat(&parent, name, AtFlags::empty())?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match what {
            What::Directory => mkdirat(&parent, name, Mode::RWXU)?,
            What::File(data) => write(&parent, name, data)?,
            What::Link(target) => symlinkat(target.as_slice(), &parent, name)?,
            What::Pipe => mknodat(&parent, name, FileType::Fifo, Mode::RWXU, 0)?,
            What::HardLink(target) => {
                let target = self::clean(target);
                let linked = at(root, &target).and_then(|(below, last)| {
                    linkat(&below, last, &parent, name, AtFlags::empty())?;
                    self.remember([(&below, last), (&parent, name)])
                });
                match linked {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.copy(&target, &parent, name)?;
                    }
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// What a hard link to a lower layer is: the kernel copies its target up. The target is that of the layers below.
    fn copy(&mut self, target: &[u8], parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
        let mounted = self.mount(self.layers)?;
        let root = open(&mounted.0, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let (below, last) = at(&root, target)?;
        match kind(&statat(&below, last, AtFlags::SYMLINK_NOFOLLOW)?) {
            FileType::RegularFile => {
                write(parent, name, &read(&below, last)?)?;
                self.remember([(&below, last), (parent, name)])
            }
            FileType::Symlink => Ok(symlinkat(readlinkat(&below, last, Vec::new())?, parent, name)?),
            FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
            other => Ok(mknodat(parent, name, other, Mode::RWXU, 0)?),
        }
    }

    /// Takes down two names of one file, if it is one.
    fn remember(&mut self, names: [(&OwnedFd, &[u8]); 2]) -> io::Result<()> {
        let (parent, name) = names[1];
        if kind(&statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?) != FileType::RegularFile {
            return Ok(());
        }
        let mut places = names.iter().map(|(parent, name)| -> io::Result<Vec<u8>> {
            let whole = fs::read_link(descriptor(parent))?.join(OsStr::from_bytes(name));
            // What follows is the name of the layer or of the view.
            let below = whole.strip_prefix(&self.directory).map_err(io::Error::other)?;
            Ok(below.iter().skip(1).collect::<PathBuf>().into_os_string().into_encoded_bytes())
        });
        if let (Some(first), Some(second)) = (places.next(), places.next()) {
            let places = [first?, second?];
            self.linked.push((read(parent, name)?, places));
        }
        Ok(())
    }

    /// Whether there is a hard-linked file that says one thing under one of its names and another under the next. Stella
    /// reads it under the first alone.
    pub fn told_by_name(&self) -> bool {
        let said = |name: &[u8], data: &[u8]| match contents(name, data) {
            Contents::Unread { .. } => None,
            said => Some(said),
        };
        self.linked.iter().any(|(data, [first, second])| said(first, data) != said(second, data))
    }

    /// Whether a hard link of layer `layer` to `target` would find something in the layers below that can be linked to.
    pub fn links_to(&self, layer: usize, target: &[u8]) -> io::Result<bool> {
        let mounted = self.mount(layer)?;
        let root = open(&mounted.0, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let target = clean(target);
        let found =
            at(&root, &target).and_then(|(below, last)| Ok(statat(below, last, AtFlags::SYMLINK_NOFOLLOW)?));
        Ok(found.is_ok_and(|found| kind(&found) != FileType::Directory))
    }
}

/// What the merged view holds: every entry, and the one fragment of the view read as a directory.
pub struct View {
    pub listing: Vec<Entry>,
    pub fragment: Fragment,
}

impl Mounted {
    /// Walks the view.
    pub fn view(&self) -> io::Result<View> {
        let mut listing = Vec::new();
        let mut builder = Builder::new(&Limits::default());
        let mut open = vec![(self.0.clone(), Vec::new())];
        while let Some((directory, below)) = open.pop() {
            for entry in fs::read_dir(&directory)? {
                let name = entry?.file_name();
                let whole = directory.join(&name);
                let inner = match below.is_empty() {
                    true => name.as_bytes().to_vec(),
                    false => [&below, b"/".as_slice(), name.as_bytes()].concat(),
                };
                let metadata = match fs::symlink_metadata(&whole) {
                    Ok(metadata) => metadata,
                    // In a directory of one layer overlayfs shows the name of a whiteout, and nothing behind it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let mut target = None;
                let (kind, said) = if metadata.is_dir() {
                    open.push((whole, inner.clone()));
                    (EntryKind::Directory, Kind::Directory)
                } else if metadata.is_symlink() {
                    let raw = fs::read_link(&whole)?.as_os_str().as_bytes().to_vec();
                    target = Some(path::escape(&raw));
                    (EntryKind::Link, Kind::Link(raw))
                } else if metadata.is_file() {
                    (EntryKind::File, Kind::File(contents(&inner, &fs::read(&whole)?)))
                } else {
                    (EntryKind::Device, Kind::Device)
                };
                builder.entry(&inner, said).map_err(io::Error::other)?;
                listing.push(Entry { path: path::escape(&inner), kind, target });
            }
        }
        listing.sort();
        Ok(View { listing, fragment: builder.finish(Digest::of(b""), 0) })
    }
}

/// What a file of a directory says.
fn contents(inner: &[u8], data: &[u8]) -> Contents {
    let inner = path::escape(inner);
    let head = &data[..data.len().min(stella::layer::HEAD_BYTES)];
    match package::recognise(&inner, head) {
        None => Contents::Plain,
        Some(package::Read::Whole(read)) => Contents::said(read(&inner, data)),
        Some(package::Read::Parts(read)) => Contents::said(read(&inner, &mut io::Cursor::new(data))),
    }
}

/// As Go's `filepath.Clean` of a path taken from the root.
fn clean(raw: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in raw.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join(&b'/')
}

/// Opens a path as a process would whose root is `root`.
fn open_below(root: impl AsFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let path = OsStr::from_bytes(if path.is_empty() { b"." } else { path });
    loop {
        match openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT) {
            // Something was mounted somewhere while the kernel walked over `..`.
            Err(Errno::AGAIN) => {}
            opened => return Ok(opened?),
        }
    }
}

/// The directory of a path, and its last name.
fn at<'a>(root: &OwnedFd, path: &'a [u8]) -> io::Result<(OwnedFd, &'a [u8])> {
    let (directory, name) = path::split(path).ok_or(io::ErrorKind::IsADirectory)?;
    Ok((open_below(root, directory, OFlags::PATH | OFlags::DIRECTORY)?, name))
}

/// The directory at `path`, made where it is missing.
fn parent(root: &OwnedFd, path: &[u8]) -> io::Result<OwnedFd> {
    let mut opened = open_below(root, b"", OFlags::PATH | OFlags::DIRECTORY)?;
    let ends = (0..=path.len()).filter(|at| *at > 0 && (*at == path.len() || path[*at] == b'/'));
    let mut start = 0;
    for end in ends {
        opened = match open_below(root, &path[..end], OFlags::PATH | OFlags::DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                mkdirat(&opened, &path[start..end], Mode::RWXU)?;
                open_below(root, &path[..end], OFlags::PATH | OFlags::DIRECTORY)?
            }
            opened => opened?,
        };
        start = end + 1;
    }
    Ok(opened)
}

fn read(parent: &OwnedFd, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let file = openat(parent, name, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty())?;
    fs::File::from(file).read_to_end(&mut data)?;
    Ok(data)
}

fn write(parent: &OwnedFd, name: &[u8], data: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    fs::File::from(openat(parent, name, flags, Mode::RWXU)?).write_all(data)
}

/// Removes a directory with all that is in it.
fn remove(parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
    fs::remove_dir_all(descriptor(parent).join(OsStr::from_bytes(name)))
}

/// The path under which the kernel shows what is open.
fn descriptor(of: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", of.as_raw_fd()))
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn is_whiteout(stat: &Stat) -> bool {
    kind(stat) == FileType::CharacterDevice && (major(stat.st_rdev), minor(stat.st_rdev)) == (0, 0)
}

/// Whether this process may mount overlayfs; the reason why not otherwise.
pub fn possible(memory: &Memory) -> Result<(), String> {
    let mut unpacked = Unpacked::new(memory.path().join("trial")).map_err(|error| error.to_string())?;
    unpacked
        .unpack(&vec![Put { path: b"d/.wh..wh..opq".to_vec(), what: What::File(Vec::new()) }])
        .map_err(|(_, error)| error.to_string())?;
    let mounted = unpacked.mount(1).map_err(|error| format!("overlayfs cannot be mounted: {error}"))?;
    statat(CWD, mounted.0.join("d"), AtFlags::empty()).map_err(|error| error.to_string())?;
    Ok(())
}
