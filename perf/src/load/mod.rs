//! Open-loop load, corrected for coordinated omission.
//!
//! Requests start at their planned moments, whether or not earlier ones are answered, and their latency counts from the
//! planned moment: a server that stalls is charged for every request that was to start meanwhile, and so is a generator
//! that is late. A closed loop would ask one question less often and call that fast.
//!
//! Each of a bounded number of connections has a thread that takes the next request, sleeps until its moment, asks and
//! reads. Blocking calls on purpose: no event loop's timer (a millisecond) and no queue of its own come between the
//! planned moment and the system call.

mod call;
mod connection;
mod cpu;
mod plan;
mod tally;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroU64,
    sync::{
        Barrier, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use call::{Call, json, request};
pub use connection::Connection;
pub use plan::{Planned, poisson};
pub use tally::Tally;

use crate::Failure;

/// From the moment that every thread is ready to the beginning of the plan.
const LEAD: Duration = Duration::from_millis(5);

/// Whom to load, and with how many connections at most.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Process id of the server, for its processor time.
    pub server: u32,
    /// Requests in flight at most; one more starts late, is charged for it, and counted.
    pub connections: usize,
}

/// One request that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The plan's entry.
    pub planned: Planned,
    /// When its connection was free and waited for its moment, or turned to it too late.
    pub taken: Duration,
    /// When it was sent.
    pub began: Duration,
    /// When its answer was here in full.
    pub ended: Duration,
    /// What was wrong with the answer.
    pub wrong: Option<String>,
}

impl Made {
    /// From the planned moment to the end of the answer, milliseconds.
    pub fn latency_ms(&self) -> f64 {
        self.ended.saturating_sub(self.planned.at).as_secs_f64() * 1e3
    }

    /// How late it started, milliseconds.
    pub fn lag_ms(&self) -> f64 {
        self.began.saturating_sub(self.planned.at).as_secs_f64() * 1e3
    }

    /// Whether it was late because every connection waited for an answer.
    pub fn found_no_connection(&self) -> bool {
        self.taken > self.planned.at
    }
}

/// What one window came to.
#[derive(Debug)]
pub struct Window {
    /// Every request, in the order of the plan.
    pub made: Vec<Made>,
    /// From before the first request to after the last answer.
    pub took: Duration,
    /// Processor time of this process over that span.
    pub generator_cpu: Duration,
    /// Processor time of the server over that span.
    pub server_cpu: Duration,
}

impl Window {
    /// All of it where every answer was right. A wrong one is no sample, and no load to judge a server by.
    pub fn right(self) -> Result<Self, Failure> {
        let wrong: Vec<&String> = self.made.iter().filter_map(|made| made.wrong.as_ref()).collect();
        match wrong.first() {
            None => Ok(self),
            Some(first) => {
                Err(format!("{} of {} answers were wrong, the first: {first}", wrong.len(), self.made.len())
                    .into())
            }
        }
    }
}

impl Load {
    /// Makes the requests of `plan` out of `calls`, on new connections.
    pub fn window(&self, plan: &[Planned], calls: &[Call]) -> Result<Window, Failure> {
        let connections =
            (0..self.connections).map(|_| Connection::open(self.address)).collect::<io::Result<Vec<_>>>()?;
        let used = || Ok::<_, Failure>((cpu::time(std::process::id())?, cpu::time(self.server)?));
        let (before, began) = (used()?, Instant::now());
        let (ready, start, next) = (Barrier::new(connections.len()), OnceLock::new(), AtomicUsize::new(0));
        let worker = |connection| {
            ready.wait();
            let start = *start.get_or_init(|| Instant::now() + LEAD);
            Worker { load: self, connection, start }.run(plan, calls, &next)
        };
        let mut made: Vec<(usize, Made)> = thread::scope(|scope| {
            let threads: Vec<_> =
                connections.into_iter().map(|connection| scope.spawn(|| worker(connection))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let (took, after) = (began.elapsed(), used()?);
        if made.len() != plan.len() {
            return Err(format!("{} of {} requests were made", made.len(), plan.len()).into());
        }
        made.sort_by_key(|(index, _)| *index);
        Ok(Window {
            made: made.into_iter().map(|(_, made)| made).collect(),
            took,
            generator_cpu: after.0.saturating_sub(before.0),
            server_cpu: after.1.saturating_sub(before.1),
        })
    }
}

/// Asks one question after the other: milliseconds from before the request to the end of the right answer.
pub fn closed_loop_ms(connection: &mut Connection, call: &Call) -> Result<f64, Failure> {
    let start = Instant::now();
    let answer = connection.ask(&call.request)?;
    let took = start.elapsed();
    call.check(answer)?;
    Ok(took.as_secs_f64() * 1e3)
}

/// One connection's thread.
struct Worker<'a> {
    load: &'a Load,
    connection: Connection,
    start: Instant,
}

impl Worker<'_> {
    fn run(mut self, plan: &[Planned], calls: &[Call], next: &AtomicUsize) -> Vec<(usize, Made)> {
        // By default the system wakes sleepers up to 50 us late. Where it refuses, the lag says so.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut made = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&planned) = plan.get(index) else { return made };
            made.push((index, self.make(planned, &calls[planned.call])));
        }
    }

    fn make(&mut self, planned: Planned, call: &Call) -> Made {
        let taken = self.start.elapsed();
        // Until it is planned to begin, if that is still to come.
        thread::sleep((self.start + planned.at).saturating_duration_since(Instant::now()));
        let began = self.start.elapsed();
        let answer = self.connection.ask(&call.request);
        let ended = self.start.elapsed();
        let wrong = match answer {
            Ok(answer) => call.check(answer).err(),
            Err(error) => Some(self.reconnect(&error)),
        };
        Made { planned, taken, began, ended, wrong }
    }

    fn reconnect(&mut self, error: &io::Error) -> String {
        match Connection::open(self.load.address) {
            Ok(connection) => {
                self.connection = connection;
                error.to_string()
            }
            Err(again) => format!("{error}, then {again}"),
        }
    }
}

#[cfg(test)]
mod tests;
