//! Tables like the workbook's.

use std::fmt::Write as _;

use crate::result::Results;

/// The phases, the steps, the histogram of the policy.
pub fn text(results: &Results) -> String {
    let mut out = String::from(
        "| phase | n | mean | P50 | P95 | P99 | floor P50 | x floor | target | gate |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for row in &results.phases {
        match row.figures() {
            Some(f) => {
                let _ = writeln!(
                    out,
                    "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {:?} |",
                    row.id(),
                    f.summary.samples,
                    f.summary.mean_ms,
                    f.summary.p50_ms,
                    f.summary.p95_ms,
                    f.summary.p99_ms,
                    f.floor.p50_ms,
                    f.floor.ratio_p50,
                    row.target.map_or(0.0, |t| t.target_p95_ms),
                    row.judgement.outcome
                );
            }
            None => {
                let _ = writeln!(out, "| {} | {} |", row.id(), row.why_not().unwrap_or_default());
            }
        }
    }
    out
}
