//! Programs that are run in the place of this one: with its input, its output and the signals that are meant for it.

use std::{
    ffi::OsString,
    io,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use signals::Signals;

use crate::{exit::Failure, settings::Environment};

/// Runs programs, one after the other.
pub struct Children {
    /// What they get beside this program's own variables: what Docker's flags said.
    variables: Vec<(OsString, OsString)>,
    signals: Signals,
}

impl Children {
    /// From now on, a signal that would end this program goes to the one that is run in its place. Where none is, it ends this one,
    /// and the directory `work` is removed first: nothing is published after somebody said stop.
    pub fn new(environment: &Environment, work: &Path) -> Result<Self, Failure> {
        let failed =
            |error: io::Error| Failure::unfinished(format!("signals cannot be listened to: {error}"));
        Ok(Self { variables: environment.overrides(), signals: Signals::watch(work).map_err(failed)? })
    }

    /// Runs a command to its end. Gives its exit code; of one that a signal ended, 128 and the signal's number, as shells have it.
    pub fn run(&self, words: &[OsString]) -> Result<u8, Failure> {
        let name = words.first().map(|word| word.display().to_string()).unwrap_or_default();
        let failed = |error: io::Error| Failure::unfinished(format!("{name} cannot be run: {error}"));
        let status = self.signals.pass_while(&mut self.command(words)).map_err(failed)?;
        Ok(code(status))
    }

    /// Runs a command that is only asked something; gives what it says where it ends well.
    pub fn ask(&self, words: &[OsString]) -> Option<String> {
        let mut command = self.command(words);
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, words: &[OsString]) -> Command {
        let (program, arguments) =
            words.split_first().map_or((OsString::new(), words), |(first, rest)| (first.clone(), rest));
        let mut command = Command::new(program);
        command.args(arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> u8 {
    // Codes of Windows have 32 bits: what is not 0 stays so.
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

#[cfg(unix)]
mod signals {
    use std::{
        fs, io,
        path::{Path, PathBuf},
        process::{Command, ExitStatus},
        sync::{Arc, Mutex, PoisonError, mpsc},
        thread,
    };

    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process, waitid};
    use tokio::{
        runtime,
        signal::unix::{self, SignalKind},
    };

    /// Signals that would end this program, and whom they go to.
    pub struct Signals {
        /// The program that is run in the place of this one.
        child: Arc<Mutex<Option<Pid>>>,
    }

    impl Signals {
        /// Listens for as long as the program lasts.
        pub fn watch(work: &Path) -> io::Result<Self> {
            let child: Arc<Mutex<Option<Pid>>> = Arc::default();
            let (kept, work) = (Arc::clone(&child), work.to_owned());
            let (ready, is_ready) = mpsc::channel();
            thread::Builder::new().name("signals".to_owned()).spawn(move || {
                let listen = || runtime::Builder::new_current_thread().enable_all().build();
                match listen() {
                    Ok(runtime) => runtime.block_on(listen_to_all(&kept, &work, &ready)),
                    Err(error) => drop(ready.send(Err(error))),
                }
            })?;
            is_ready.recv().map_err(io::Error::other)??;
            Ok(Self { child })
        }

        /// Runs a program to its end, which signals go to meanwhile.
        pub fn pass_while(&self, command: &mut Command) -> io::Result<ExitStatus> {
            let lock = || self.child.lock().unwrap_or_else(PoisonError::into_inner);
            // Whatever comes in between waits for the program to be there.
            let mut held = lock();
            let mut child = command.spawn()?;
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            *held = pid;
            drop(held);
            // Its number is its own as long as nobody took its end: so nobody else is sent a signal.
            while let Some(pid) = pid {
                match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                    Err(rustix::io::Errno::INTR) => {}
                    _ => break,
                }
            }
            *lock() = None;
            child.wait()
        }
    }

    async fn listen_to_all(child: &Mutex<Option<Pid>>, work: &PathBuf, ready: &mpsc::Sender<io::Result<()>>) {
        let listen = |kind| unix::signal(kind);
        let signals = (
            listen(SignalKind::interrupt()),
            listen(SignalKind::terminate()),
            listen(SignalKind::hangup()),
            listen(SignalKind::quit()),
        );
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up), Ok(mut quit)) = signals else {
            drop(ready.send(Err(io::Error::last_os_error())));
            return;
        };
        drop(ready.send(Ok(())));
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::INT,
                _ = terminate.recv() => Signal::TERM,
                _ = hang_up.recv() => Signal::HUP,
                _ = quit.recv() => Signal::QUIT,
            };
            // Held while the signal is sent: the program cannot be another one by then.
            let held = child.lock().unwrap_or_else(PoisonError::into_inner);
            match *held {
                Some(pid) => pass(pid, signal),
                None => {
                    drop(fs::remove_dir_all(work));
                    std::process::exit(128 + signal.as_raw());
                }
            }
        }
    }

    /// Sends it on. What a terminal's keys send goes to all programs in its foreground, and has come there by itself: Docker gives up
    /// at once when it is asked to stop several times.
    fn pass(pid: Pid, signal: Signal) {
        if matches!(signal, Signal::INT | Signal::QUIT) && is_in_foreground() {
            return;
        }
        // It may have ended by now.
        let _ = kill_process(pid, signal);
    }

    fn is_in_foreground() -> bool {
        let terminal = fs::File::open("/dev/tty");
        terminal
            .is_ok_and(|terminal| rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
    }
}

#[cfg(not(unix))]
mod signals {
    use std::{
        fs, io,
        path::Path,
        process::{Command, ExitStatus},
        sync::{Arc, Mutex, PoisonError, TryLockError},
        thread,
    };

    use tokio::{runtime, signal::windows};

    /// What shells take for the end by Ctrl-C.
    const INTERRUPTED: i32 = 130;

    /// On Windows the system tells every program of a console itself that somebody said stop: the one that is run in the place of
    /// this one ends in its own way, and is waited for.
    pub struct Signals {
        /// Held while there is one.
        running: Arc<Mutex<()>>,
    }

    impl Signals {
        /// Listens for as long as the program lasts.
        pub fn watch(work: &Path) -> io::Result<Self> {
            let running: Arc<Mutex<()>> = Arc::default();
            let (held, work) = (Arc::clone(&running), work.to_owned());
            let runtime = runtime::Builder::new_current_thread().build()?;
            let (mut interrupt, mut stop) = (windows::ctrl_c()?, windows::ctrl_break()?);
            thread::Builder::new().name("signals".to_owned()).spawn(move || {
                loop {
                    runtime.block_on(async {
                        tokio::select! {
                            _ = interrupt.recv() => {}
                            _ = stop.recv() => {}
                        }
                    });
                    if !matches!(held.try_lock(), Err(TryLockError::WouldBlock)) {
                        drop(fs::remove_dir_all(&work));
                        std::process::exit(INTERRUPTED);
                    }
                }
            })?;
            Ok(Self { running })
        }

        /// Runs a program to its end.
        pub fn pass_while(&self, command: &mut Command) -> io::Result<ExitStatus> {
            let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            command.status()
        }
    }
}
