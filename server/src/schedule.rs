//! When the next update is due: at one time of each day, a little later for each server.

use std::path::Path;

use jiff::{Timestamp, ToSpan, civil::Date, tz::Offset};
use stella::digest::Digest;

use crate::config::Schedule;

/// After the time that is set, servers begin within so many seconds, each with its own delay.
const JITTER_SECONDS: u64 = 15 * 60;

/// The time that is set, the first after `since`. A clock that was set back takes `since` along, so that nobody waits longer than
/// from one time to the next.
pub fn planned(
    schedule: Schedule,
    since: &mut Timestamp,
    now: Timestamp,
    delay_seconds: u64,
) -> Option<Timestamp> {
    *since = now.min(*since);
    next(schedule, *since, delay_seconds)
}

/// The first moment after `after` that is set.
fn next(schedule: Schedule, after: Timestamp, delay_seconds: u64) -> Option<Timestamp> {
    let Schedule::Daily { hour, minute } = schedule else { return None };
    let delay = i64::try_from(delay_seconds).ok()?.seconds();
    let of = |day: Date| Offset::UTC.to_timestamp(day.at(hour, minute, 0, 0)).ok()?.checked_add(delay).ok();
    let today = Offset::UTC.to_datetime(after).date();
    // Yesterday's may be delayed into today.
    [today.yesterday().ok()?, today, today.tomorrow().ok()?]
        .into_iter()
        .filter_map(of)
        .find(|moment| *moment > after)
}

/// The same for one data directory each time, and another for the next one.
pub fn delay_seconds(data_dir: &Path) -> u64 {
    let mut text = std::path::absolute(data_dir).unwrap_or_default().into_os_string().into_encoded_bytes();
    #[cfg(unix)]
    if let Ok(directory) = std::fs::metadata(data_dir) {
        use std::os::unix::fs::MetadataExt;
        // Many servers have it at the same place, each on its own disk.
        text.extend(directory.dev().to_le_bytes());
        text.extend(directory.ino().to_le_bytes());
    }
    let digest = Digest::of(&text);
    let (head, _) = digest.bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*head) % JITTER_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_is_the_first_that_is_set_after_now() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let daily = Schedule::Daily { hour: 1, minute: 0 };
        for (after, delay_seconds, want) in [
            ("2026-02-28T00:59:59Z", 0, "2026-02-28T01:00:00Z"),
            ("2026-02-28T01:00:00Z", 0, "2026-03-01T01:00:00Z"),
            ("2026-02-28T01:00:00Z", 60, "2026-02-28T01:01:00Z"),
        ] {
            assert_eq!(next(daily, at(after), delay_seconds), Some(at(want)), "{after}");
        }
        let late = Schedule::Daily { hour: 23, minute: 59 };
        assert_eq!(
            next(late, at("2026-03-01T00:01:00Z"), 120),
            Some(at("2026-03-01T00:01:00Z") + 23.hours() + 60.minutes())
        );
        assert_eq!(next(late, at("2026-03-01T00:00:30Z"), 120), Some(at("2026-03-01T00:01:00Z")));
        assert_eq!(next(Schedule::Off, at("2026-03-01T00:00:00Z"), 0), None);
    }

    #[test]
    fn a_clock_that_is_set_makes_nobody_wait_longer() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let daily = Schedule::Daily { hour: 1, minute: 0 };
        let mut since = at("2026-03-08T02:00:00Z");
        let mut due = |now: &str| planned(daily, &mut since, at(now), 0).unwrap();
        assert_eq!(due("2026-03-08T03:00:00Z"), at("2026-03-09T01:00:00Z"));
        assert_eq!(due("2026-03-09T01:00:30Z"), at("2026-03-09T01:00:00Z"), "over, and still to be done");
        // It was a week ahead.
        assert_eq!(due("2026-03-01T00:10:00Z"), at("2026-03-01T01:00:00Z"));
        assert_eq!(due("2026-03-20T00:00:00Z"), at("2026-03-01T01:00:00Z"), "and ahead again: due at once");
    }

    #[test]
    fn each_data_directory_has_its_own_delay() {
        let directories = [(); 8].map(|()| tempfile::tempdir().unwrap());
        let delays: std::collections::BTreeSet<u64> =
            directories.iter().map(|directory| delay_seconds(directory.path())).collect();
        assert!(delays.len() > 1 && delays.iter().all(|delay| *delay < JITTER_SECONDS), "{delays:?}");
        assert_eq!(delay_seconds(directories[0].path()), delay_seconds(directories[0].path()));
    }
}
