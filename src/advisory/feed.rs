//! A feed of a snapshot, and how old it is.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// One feed of a snapshot: what is known of the packages of an ecosystem, or what a database says of vulnerabilities
/// themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// What it covers, such as `Debian:12` or `PyPI`; of a database its own name, such as `nvd`.
    pub name: String,
    /// Distinct advisories; of a database, vulnerabilities.
    pub records: u64,
    /// The newest `modified` among them, RFC 3339; empty where the feed gives none.
    pub as_of: String,
    /// The last day (UTC) on which all that it is made of was the newest that its publishers had; `None` where nobody
    /// asked them.
    pub checked: Option<Date>,
    /// Records of which a part was not understood when they were imported: what it affects may be missed.
    pub not_understood: u64,
}

/// How far ahead a day is believed. A record of a later one says nothing of how old a feed is.
const FAR_DAYS: i32 = 366;

/// Whether a day is too far ahead of `today` to be believed.
pub fn is_far(day: Date, today: Date) -> bool {
    day >= today.checked_add(FAR_DAYS.days()).unwrap_or(Date::MAX)
}

impl Feed {
    /// Whether its newest record is of a day that is not believed.
    pub fn is_newest_far(&self, today: Date) -> bool {
        self.newest().is_some_and(|day| is_far(day, today))
    }

    fn newest(&self) -> Option<Date> {
        Some(TimeZone::UTC.to_datetime(self.as_of.parse::<Timestamp>().ok()?).date())
    }

    /// The last day (UTC) of which the feed certainly knows: that of the last check, else that of its newest record. `None`
    /// where it has neither.
    pub fn known_until(&self) -> Option<Date> {
        self.checked.or_else(|| self.newest())
    }

    /// The same, unless that is a day which will not come soon.
    pub fn believed_until(&self, today: Date) -> Option<Date> {
        self.known_until().filter(|day| !is_far(*day, today))
    }

    /// How many days ago the feed certainly knew everything: by its last check, else by its newest record, unless that is of a
    /// day which will not come soon. `None` where nobody knows; a record of a later day counts, in a look from the past.
    pub fn age_days(&self, today: Date) -> Option<i64> {
        let known_until = self.believed_until(today)?;
        Some((today.duration_since(known_until).as_hours() / 24).max(0))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_check_says_more_than_the_newest_record() {
        let feed = Feed { as_of: "2024-01-03T23:59:59Z".into(), ..Feed::default() };
        assert_eq!(feed.known_until(), Some(date(2024, 1, 3)));
        let checked = Some(date(2024, 2, 1));
        assert_eq!(Feed { checked, ..feed }.known_until(), checked);
        assert_eq!(Feed::default().known_until(), None);
    }
}
