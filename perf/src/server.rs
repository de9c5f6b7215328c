//! A server of one's own on loopback, stopped by its process id.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{Failure, process};

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running server; it ends with this value.
pub struct Server {
    child: Child,
    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Server {
    /// Starts `program` on a free port and waits until it has named its address on stderr.
    pub fn start(program: &Path, data: &Path, more: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(more);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, or the server would stall on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        // From here on `drop` stops it, whatever goes wrong.
        let mut server = Self { child, url: String::new() };
        let (limit, mut said) = (Instant::now() + START_LIMIT, String::new());
        while let Ok(line) = receiver.recv_timeout(limit.saturating_duration_since(Instant::now())) {
            if let Some(port) = port(&line) {
                server.url = format!("http://127.0.0.1:{port}");
                return Ok(server);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(format!("{} named no address within {START_LIMIT:?}; it said:\n{said}", program.display()).into())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it, gently first, so that its data directory can be copied.
    pub fn stop(mut self) -> Result<(), Failure> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if sent.success() && process::ends_within(&mut self.child, STOP_LIMIT)? {
            return Ok(());
        }
        Err(format!("the server did not stop within {STOP_LIMIT:?}").into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(line: &str) -> Option<u16> {
    let (_, after) = line.split_once("127.0.0.1:")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_port_is_found_in_the_line() {
        assert_eq!(port("listening on http://127.0.0.1:4711 (ready)"), Some(4711));
        assert_eq!(port("will bind 127.0.0.1:0"), None);
        assert_eq!(port("ready"), None);
    }
}
