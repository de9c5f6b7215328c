//! A program that is run in the place of this one: with its input, its output and the signals that are meant for it.

use std::{ffi::OsString, io, process::Stdio};

use tokio::process::Command;

use crate::exit::Failure;

/// Runs a command to its end. Gives its exit code; of one that a signal ended, 128 and the signal's number, as shells have it.
pub fn run(words: &[OsString]) -> Result<u8, Failure> {
    let name = words.first().map(|word| word.display().to_string()).unwrap_or_default();
    let failed = |error: io::Error| Failure::unfinished(format!("{name} cannot be run: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        // Before the program is there: what comes in between is for it.
        let mut signals = Signals::new().map_err(failed)?;
        let mut command = Command::new(words.first().map(OsString::as_os_str).unwrap_or_default());
        let mut child = command.args(&words[1..]).spawn().map_err(failed)?;
        loop {
            tokio::select! {
                status = child.wait() => return Ok(code(status.map_err(failed)?)),
                signal = signals.next() => signal.pass_to(&child),
            }
        }
    })
}

/// Runs a command that is only asked something; gives what it says where it ends well.
pub fn ask(words: &[OsString]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let mut command = std::process::Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(unix)]
fn code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(not(unix))]
fn code(status: std::process::ExitStatus) -> u8 {
    // Codes of Windows have 32 bits: what is not 0 stays so.
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

#[cfg(unix)]
mod signals {
    use std::io;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use tokio::{
        process::Child,
        signal::unix::{self, SignalKind},
    };

    /// Signals that would end this program.
    pub struct Signals {
        interrupt: unix::Signal,
        terminate: unix::Signal,
        hang_up: unix::Signal,
        quit: unix::Signal,
    }

    impl Signals {
        pub fn new() -> io::Result<Self> {
            Ok(Self {
                interrupt: unix::signal(SignalKind::interrupt())?,
                terminate: unix::signal(SignalKind::terminate())?,
                hang_up: unix::signal(SignalKind::hangup())?,
                quit: unix::signal(SignalKind::quit())?,
            })
        }

        pub async fn next(&mut self) -> Caught {
            tokio::select! {
                _ = self.interrupt.recv() => Caught(Signal::INT),
                _ = self.terminate.recv() => Caught(Signal::TERM),
                _ = self.hang_up.recv() => Caught(Signal::HUP),
                _ = self.quit.recv() => Caught(Signal::QUIT),
            }
        }
    }

    /// One that came.
    pub struct Caught(Signal);

    impl Caught {
        /// Sends it on. What a terminal's keys send goes to all programs in its foreground, and has come there by itself: Docker
        /// gives up at once when it is asked to stop several times.
        pub fn pass_to(&self, child: &Child) {
            if matches!(self.0, Signal::INT | Signal::QUIT) && is_in_foreground() {
                return;
            }
            let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            if let Some(pid) = pid {
                // It may have ended by now.
                let _ = kill_process(pid, self.0);
            }
        }
    }

    fn is_in_foreground() -> bool {
        let terminal = std::fs::File::open("/dev/tty");
        terminal
            .is_ok_and(|terminal| rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    use tokio::process::Child;

    /// On Windows every program of a console is told by the system.
    pub struct Signals;

    impl Signals {
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn next(&mut self) -> Caught {
            loop {
                // Told, and not ended by it.
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    }

    pub struct Caught;

    impl Caught {
        pub fn pass_to(&self, _child: &Child) {}
    }
}

use signals::Signals;
