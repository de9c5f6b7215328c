//! NVD's interface of vulnerabilities, version 2.0: <https://nvd.nist.gov/developers/vulnerabilities>. Pages are counted by
//! records; what changed is asked for by a window of at most 120 days. Without a key it takes 5 requests in 30 seconds, with one
//! 50: <https://nvd.nist.gov/developers/start-here>.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _, civil::DateTime, tz::TimeZone};
use reqwest::{Url, header::HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Ask, Begun, Error, Fault, Form, Job, MOST_PAGE_BYTES, Page, headers};
use crate::feeds::fetch::error::Passing;

/// The variable of the key.
pub const KEY: &str = "STELLA_NVD_API_KEY";

/// As one page has them, and as the files for each year do.
pub const FORM: Form =
    Form { open: b"{\"format\":\"NVD_CVE\",\"vulnerabilities\":[\n", between: b",\n", close: b"\n]}\n" };

/// Between two requests, without a key and with one.
const PAUSES: [Duration; 2] = [Duration::from_secs(6), Duration::from_millis(700)];

/// Its window of requests: who asked too often is heard after it.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// Records that a page may have.
const PAGE_RECORDS: u64 = 2000;

/// The widest window of changes; beyond it all of it is fetched.
const MOST_DAYS: i64 = 119;

/// What changed is asked for from so long before the last answer: a record may be seen later than it changed.
const OVERLAP_HOURS: i64 = 2;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    start_index: u64,
    total_results: u64,
    format: String,
    timestamp: String,
    #[serde(borrow)]
    vulnerabilities: Vec<&'a RawValue>,
}

/// What tells one page from the next.
#[derive(Deserialize)]
struct Item {
    cve: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// `START/END`, of what changed since the interface was asked at `until`, in its form and its zone.
pub fn window(until: &str, now: Timestamp) -> Option<String> {
    let until: DateTime = until.trim_end_matches('Z').parse().ok()?;
    let now = TimeZone::UTC.to_datetime(now);
    if until > now.checked_add(2.days()).ok()? {
        return None; // not a moment that was
    }
    let start = until.checked_sub(OVERLAP_HOURS.hours()).ok()?;
    // Where this clock is behind, what is asked for is at least not nothing.
    let end = now.max(until);
    let is_narrow = start.checked_add(MOST_DAYS.days()).ok()? > end;
    is_narrow.then(|| format!("{start:.3}/{end:.3}"))
}

impl Job<'_> {
    pub(super) async fn nvd_page(&mut self, url: &Url, begun: &Begun) -> Result<Page, Fault> {
        let key = self.fetcher.keys.nvd.clone();
        if !begun.next.is_empty() {
            self.pause(url, PAUSES[usize::from(key.is_some())]).await?;
        }
        let start: u64 = begun.next.parse().unwrap_or_default();
        let mut ask = Ask {
            url: url.clone(),
            headers: headers(key.map(|key| (HeaderName::from_static("apikey"), key)))?,
            body: None,
        };
        let mut query = format!("startIndex={start}&resultsPerPage={PAGE_RECORDS}");
        if let Some((from, to)) = begun.window.split_once('/') {
            query += &format!("&lastModStartDate={from}&lastModEndDate={to}");
        }
        ask.url.set_query(Some(&query));
        let mut answered = self.answer(&ask, MOST_PAGE_BYTES).await?;
        if let Some(Fault { error, passing }) = answered.refused.take() {
            // Its reasons are in a header; 403 is how it says that it was asked too often.
            let error = answered.header("message").map_or(error, |text| answered.says(&ask.url, text));
            let is_rate = matches!(answered.status.as_u16(), 403 | 429);
            let after = crate::feeds::http::retry_after(&answered.headers);
            let rate =
                is_rate.then(|| Passing { after: Some(after.unwrap_or(RATE_WINDOW)), progress: false });
            return Err(Fault { error, passing: rate.or(passing) });
        }
        read(&answered.body, start, begun)
            .map_err(|why| Error::Answer { url: ask.url.to_string(), why }.into())
    }
}

fn read(body: &[u8], start: u64, begun: &Begun) -> Result<Page, String> {
    let Answer { start_index, total_results, format, timestamp, vulnerabilities } =
        serde_json::from_slice(body).map_err(|error| format!("is no page of vulnerabilities: {error}"))?;
    if format != "NVD_CVE" || start_index != start {
        return Err("is another page than was asked for".to_owned());
    }
    if timestamp.trim_end_matches('Z').parse::<DateTime>().is_err() {
        return Err("does not say when it is of".to_owned());
    }
    let next = start + vulnerabilities.len() as u64;
    if vulnerabilities.is_empty() && next < total_results {
        return Err(format!("has {next} records, and says that there are {total_results}"));
    }
    if total_results < begun.total {
        // What was on a page that is to come may have moved to one that came.
        return Err(format!("says that there are {total_results} records, after {} before", begun.total));
    }
    if vulnerabilities.iter().any(|record| !record.get().starts_with("{\"cve\"")) {
        return Err("has a record of another form".to_owned());
    }
    let first = match vulnerabilities.first() {
        Some(record) => serde_json::from_str::<Item>(record.get()).map_err(|error| error.to_string())?.cve.id,
        None => String::new(),
    };
    let records =
        vulnerabilities.iter().map(|record| record.get().as_bytes()).collect::<Vec<_>>().join(FORM.between);
    // Of the first page: what changed since is asked for the next time.
    let until = if begun.until.is_empty() { timestamp } else { begun.until.clone() };
    Ok(Page {
        records,
        first,
        next: (next < total_results).then(|| next.to_string()),
        until,
        total: total_results,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_of_at_most_120_days() {
        let now: Timestamp = "2026-11-27T08:00:00Z".parse().unwrap();
        let of = |until: &str| window(until, now);
        assert_eq!(of("2026-11-26T10:00:00.125").unwrap(), "2026-11-26T08:00:00.125/2026-11-27T08:00:00.000");
        assert_eq!(of("2026-11-27T09:00:00.000").unwrap(), "2026-11-27T07:00:00.000/2026-11-27T09:00:00.000");
        assert_eq!((of("2026-07-01T00:00:00.000"), of("yesterday")), (None, None));
        assert_eq!(of("2027-01-01T00:00:00.000"), None);
    }
}
