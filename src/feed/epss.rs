//! EPSS, FIRST's forecast of exploitation: the daily CSV of <https://www.first.org/epss/data_stats>
//! (`epss_scores-current.csv.gz`, `epss_scores-2026-09-29.csv.gz`), as models of 2021 to 2026 write it:
//!
//! ```text
//! #model_version:v2026.06.15,score_date:2026-09-29T12:00:22Z
//! cve,epss,percentile
//! CVE-1999-0001,0.03351,0.88255
//! ```

use jiff::Timestamp;

use super::{Source, cve, sink::Sink, walk::Document};
use crate::advisory::{Fact, Forecast};

/// Forecasts of the database `epss`.
pub(super) struct Epss;

/// The columns that every model has had, in this order.
const HEADER: &str = "cve,epss,percentile";

impl Source for Epss {
    fn name(&self) -> &'static str {
        "epss"
    }

    fn knows(&self, document: &Document) -> bool {
        let head = document.head();
        document.is_named(".csv")
            && (head.starts_with(b"#model_version:") || head.starts_with(HEADER.as_bytes()))
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let name = &document.name;
        let (mut time, mut header) = (None, false);
        for (index, line) in document.bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_start_matches('\u{feff}').trim();
            if let Some(comment) = line.strip_prefix('#') {
                time = time.or_else(|| score_date(comment));
            } else if !header && line.starts_with(HEADER) {
                header = true;
            } else if !line.is_empty() {
                sink.count();
                match row(line) {
                    Some((id, forecast)) => {
                        sink.kept();
                        let fact = Fact { forecast: Some(forecast), ..Fact::default() };
                        sink.fact(id.to_owned(), "epss", time, fact);
                    }
                    None => {
                        let line: String = line.chars().take(80).collect();
                        sink.skip(
                            format!("{name}:{}", index + 1),
                            "malformed",
                            &format!("want {HEADER}: {line:?}"),
                        );
                    }
                }
            }
            if sink.over() {
                return;
            }
        }
    }
}

/// The date in `model_version:v2026.06.15,score_date:2026-09-29T12:00:22Z`; older files write `+0000` for `Z`.
fn score_date(comment: &str) -> Option<Timestamp> {
    comment.split(',').find_map(|part| cve::time(part.trim().strip_prefix("score_date:")?))
}

fn row(line: &str) -> Option<(&str, Forecast)> {
    let mut fields = line.split(',').map(str::trim);
    let id = fields.next().filter(|id| cve::is_id(id))?;
    let probability = hundred_thousandths(fields.next()?)?;
    let percentile = hundred_thousandths(fields.next()?)?;
    Some((id, Forecast { probability, percentile }))
}

/// A decimal from 0 to 1 in hundred-thousandths: what is written, rounded half up from its sixth digit; some writers leave
/// out trailing zeros, or write `1e-05`. No binary fraction is made of it, for 0.00003 has none.
fn hundred_thousandths(text: &str) -> Option<u32> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.strip_prefix('-')?.parse::<usize>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let known = |digits: &str| digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !known(whole) || !known(fraction) || exponent > 30 {
        return None;
    }
    // All digits, as if the point stood `exponent` places further left; then the five after it, and the sixth.
    let all = format!("{}{whole}{fraction}", "0".repeat(exponent));
    let (whole, fraction) = all.split_at(whole.len());
    let digit = |index: usize| fraction.as_bytes().get(index).map_or(0, |byte| u32::from(byte - b'0'));
    let parts = (0..5)
        .fold(whole.parse::<u32>().ok()?, |sum, index| sum.saturating_mul(10).saturating_add(digit(index)));
    Some(parts.saturating_add(u32::from(digit(5) >= 5))).filter(|parts| *parts <= 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::import::import_document,
    };

    #[test]
    fn decimals_are_read_as_they_are_written() {
        for (text, parts) in [
            ("0.03351", 3351),
            ("0.9248", 92_480),
            ("0.00003", 3),
            ("1e-05", 1),
            ("9.5e-4", 95),
            ("0.123455", 12_346),
            ("0.1234549", 12_345),
            ("0.999996", 100_000),
            ("1", 100_000),
            ("1.0", 100_000),
            ("0", 0),
        ] {
            assert_eq!(hundred_thousandths(text), Some(parts), "{text}");
        }
        for text in ["", ".5", "1.00001", "-0.1", "2", "nan", "1e5", "1e-999999999999", "0x1", "0.5%", "٣"] {
            assert_eq!(hundred_thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn rows_become_facts_and_the_newest_day_counts() {
        let mut compiler = Compiler::default();
        let text = "#model_version:v2025.03.14,score_date:2025-03-17T00:00:00+0000\r\ncve,epss,percentile\r\n\
            CVE-1999-0001,0.03351,0.88255\r\nCVE-1999-0002,1.5,0.1\r\nCVE-X,0.1,0.1\r\n";
        let outcome = import_document("a.csv", text.as_bytes(), &mut compiler);
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (3, 1, 2));
        assert!(outcome.named().into_iter().any(|skipped| skipped.what == "a.csv:4"), "{outcome:?}");
        let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
        let forecast = Some(Forecast { probability: 3351, percentile: 88_255 });
        let fact = Fact { forecast, ..Fact::default() };
        assert_eq!(snapshot.facts("CVE-1999-0001").unwrap(), [("epss".to_owned(), fact)]);
        for (text, time) in [
            ("model_version:v1,score_date:2025-03-17T00:00:00+0000", "2025-03-17T00:00:00Z"),
            ("model_version:v1,score_date:2026-09-29T12:00:22Z", "2026-09-29T12:00:22Z"),
        ] {
            assert_eq!(score_date(text), time.parse().ok(), "{text}");
        }
    }
}
