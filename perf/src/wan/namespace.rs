//! A network namespace of one's own.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd as _,
    panic,
    process::{Command, Stdio},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

use super::Error;

/// A network namespace with its loopback up; it ends with this value, its processes and its sockets.
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// A fresh one. [`Error::NotPossible`] without the privilege, or without the program `ip`.
    pub fn new() -> Result<Self, Error> {
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| {
                Error::NotPossible(format!(
                    "no network namespace may be made ({}): run as root, in a container with --privileged, \
                     or within `unshare --user --map-root-user`",
                    errno.desc()
                ))
            })?;
            iproute2("ip", &["link", "set", "lo", "up"])?;
            Ok(Self { file: File::open("/proc/thread-self/ns/net")? })
        })
    }

    /// What `work` gives, done in this namespace: processes, sockets and threads that it starts live there.
    ///
    /// It has a thread of its own, because a thread may be allowed into a namespace and not back.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        on_own_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
            Ok(work())
        })
    }

    /// Where other processes find it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// Runs `ip` or `tc` in the thread's namespace. [`Error::NotPossible`] where it is missing or refuses.
pub fn iproute2(program: &str, arguments: &[&str]) -> Result<(), Error> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|error| {
        Error::NotPossible(format!("the program `{program}` ({error}): install the package iproute2"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::NotPossible(format!("`{program} {}` says {:?}", arguments.join(" "), said.trim())))
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(value) => value,
        Err(panicked) => panic::resume_unwind(panicked),
    })
}
