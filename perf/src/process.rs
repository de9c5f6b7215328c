//! One process from its start to its end: wall time, processor time, peak memory.

use std::{
    io::{self, Read as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use wait4::Wait4 as _;

use crate::Failure;

/// What a process came to.
pub struct Ended {
    /// From before its start to after its end, milliseconds.
    pub wall_ms: f64,
    /// User and system time, milliseconds.
    pub cpu_ms: f64,
    /// The most memory it held at once, bytes.
    pub peak_bytes: u64,
    /// How it ended.
    pub status: ExitStatus,
    /// What it said on stderr.
    pub said: String,
}

/// Runs `command` with nothing on stdin and stdout thrown away.
pub fn run(command: &mut Command) -> Result<Ended, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    forget_peak();
    let start = Instant::now();
    let mut child =
        command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_end(&mut said)?;
    }
    let used = child.wait4()?;
    Ok(Ended {
        wall_ms: start.elapsed().as_secs_f64() * 1e3,
        cpu_ms: (used.rusage.utime + used.rusage.stime).as_secs_f64() * 1e3,
        peak_bytes: used.rusage.maxrss,
        status: used.status,
        said: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// Forgets the most memory that this process ever held (proc(5), `clear_refs`). A child begins as its parent, so Linux counts that
/// as the child's; what is left is what is held now, which is little. Where it cannot be forgotten, a peak is too large, never too small.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// How often an end is looked for.
const LOOK: Duration = Duration::from_millis(2);

/// Waits for a process, and gives whether it ended within `limit`.
pub fn ends_within(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let until = Instant::now() + limit;
    while child.try_wait()?.is_none() {
        if Instant::now() >= until {
            return Ok(false);
        }
        // The standard library waits for ever or not at all.
        thread::sleep(LOOK);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_peak_is_the_childs_own() {
        drop(std::hint::black_box(vec![1_u8; 512 << 20]));
        let ended = run(&mut Command::new("true")).unwrap();
        assert!(ended.peak_bytes < 256 << 20, "{} bytes", ended.peak_bytes);
    }
}
