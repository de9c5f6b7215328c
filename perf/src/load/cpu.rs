//! Processor time of a running process.

use std::{fs, time::Duration};

use crate::Failure;

/// User and system time of all threads of `process`, those that ended too; the system counts in hundredths of a second.
pub fn time(process: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let ticks = ticks(&text).ok_or_else(|| format!("{path}: {text:?}"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs(ticks) / u32::try_from(per_second)?)
}

/// `utime` and `stime`, fields 14 and 15 of proc_pid_stat(5). The name, field 2, may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_counted_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1 0";
        assert_eq!(ticks(stat), Some(175));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn work_of_an_ended_thread_counts() {
        const WORK: u64 = 20;
        let before = time(std::process::id()).unwrap();
        // By the thread's own count: how long that takes is the machine's affair.
        let own = || ticks(&fs::read_to_string("/proc/thread-self/stat").unwrap()).unwrap();
        std::thread::spawn(move || while own() < WORK {}).join().unwrap();
        let used = time(std::process::id()).unwrap() - before;
        let work =
            Duration::from_secs(WORK) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap();
        // User and system time are rounded down, each on its own.
        assert!(used >= work * 8 / 10, "{used:?} of {work:?}");
    }
}
