//! The machine, as far as it has a say in the figures.

use std::{fs, path::Path, process::Command, thread};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a run took place, and of which state of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Model name of the first processor.
    pub cpu: String,
    /// How many processors this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Name and release of the kernel.
    pub kernel: String,
    /// File system and device that the images are on; they are in the page cache when they are read.
    pub disk: String,
    /// File system that caches, servers' data and reports are on.
    pub work: String,
    /// Commit of the source; with `+changes` where the tree was not clean, `unknown` outside a checkout.
    pub commit: String,
}

impl Machine {
    /// Looks around. `images` and `work` are directories that exist.
    pub fn look(images: &Path, work: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
                .map_or(0, |kib| kib * 1024),
            kernel: ["/proc/sys/kernel/ostype", "/proc/sys/kernel/osrelease"]
                .map(|path| fs::read_to_string(path).unwrap_or_default().trim().to_owned())
                .join(" "),
            disk: mount(&mounts, images),
            work: mount(&mounts, work),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// Whether figures of the two can be compared: as many processors of the same model.
    pub fn is_like(&self, other: &Self) -> bool {
        self.cpu == other.cpu && self.cores == other.cores
    }
}

/// The value of the first line `NAME : VALUE`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let (_, value) =
        text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// `FILE-SYSTEM on DEVICE` of the mount that holds `path`.
fn mount(mounts: &str, path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let held = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
        path.starts_with(point).then_some((point.len(), format!("{kind} on {device}")))
    });
    // The last of equally long mount points is the one on top.
    held.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, said)| said)
}

/// Of the checkout that this program was built in, which is not always where it was called.
fn commit() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(program.parent()?).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { head } else { format!("{head}+changes") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_holds_the_path() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n";
        assert_eq!(mount(mounts, Path::new("/dev/shm/x")), "tmpfs on tmpfs");
        assert_eq!(mount(mounts, Path::new("/dev/shmx")), "ext4 on /dev/a");
    }
}
