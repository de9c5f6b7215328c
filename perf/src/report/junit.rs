//! `junit.xml`: one case per phase, so that a CI platform's test tab shows the gates.
//!
//! A warning is a passed case that says so in its output, because JUnit has no word for it; what was not measured is
//! skipped with its reason. Messages stand in the attribute and in the element: readers differ.

use junit_report::{Duration, Error, OffsetDateTime, ReportBuilder, TestCase, TestResult, TestSuite};
use stella::report::plain;

use super::duration::measured;
use crate::{
    judge::Outcome,
    result::{PhaseStats, Results},
};

/// The file.
pub fn bytes(results: &Results) -> Result<Vec<u8>, Error> {
    let seconds = results.started.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    let suite = TestSuite {
        name: "stella-perf".to_owned(),
        package: "stella-perf".to_owned(),
        timestamp: OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        hostname: "localhost".to_owned(),
        testcases: results.phases.iter().map(case).collect(),
        system_out: (!results.planted.is_empty())
            .then(|| section(&format!("planted slow-downs: {}", results.planted.join(", ")))),
        system_err: None,
    };
    let mut out = Vec::new();
    ReportBuilder::new().add_testsuite(suite).build().write_xml(&mut out)?;
    out.push(b'\n');
    Ok(out)
}

fn case(row: &PhaseStats) -> TestCase {
    let reasons: Vec<String> =
        row.judgement.reasons.iter().map(|reason| plain(&reason.message).into_owned()).collect();
    let message = reasons.first().cloned().unwrap_or_else(|| "no reason was given".to_owned());
    let (type_, cause) = ("gate".to_owned(), Some(section(&reasons.join("\n"))));
    let result = match row.judgement.outcome {
        Outcome::Pass | Outcome::Warn => TestResult::Success,
        Outcome::NotJudged => TestResult::SkippedWithCause { type_, message, cause },
        Outcome::Fail => TestResult::Failure { type_, message, cause },
    };
    let mut said = row.figures().map(figures).into_iter().collect::<Vec<_>>();
    if row.judgement.outcome == Outcome::Warn {
        said.extend(reasons.iter().map(|reason| format!("warning: {reason}")));
    }
    TestCase {
        name: row.id(),
        time: spent(row),
        result,
        classname: Some("stella-perf".to_owned()),
        filepath: None,
        system_out: (!said.is_empty()).then(|| section(&said.join("\n"))),
        system_err: None,
    }
}

fn figures(figures: &crate::result::Figures) -> String {
    let summary = &figures.summary;
    format!(
        "{} samples, mean {}, P50 {}, P95 {}, P99 {}, {:.2} times its floor",
        summary.samples,
        measured(summary.mean_ms),
        measured(summary.p50_ms),
        measured(summary.p95_ms),
        measured(summary.p99_ms),
        figures.floor.ratio_p50,
    )
}

/// All samples together: what the case took.
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
fn spent(row: &PhaseStats) -> Duration {
    let seconds = row.figures().map_or(0.0, |f| f.summary.mean_ms * f.summary.samples as f64 / 1e3);
    Duration::checked_seconds_f64(seconds).unwrap_or(Duration::ZERO)
}

/// The crate writes a cause and an output as a CDATA section without looking for its end in the text.
fn section(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}
