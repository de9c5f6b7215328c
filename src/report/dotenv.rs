//! What a gate came to as variables, one `NAME=VALUE` per line: for the steps and jobs behind it. GitLab's `dotenv` report
//! (<https://docs.gitlab.com/ci/yaml/artifacts_reports/>: 5 KB, names of letters, digits and underscores); the GitHub Action
//! makes its outputs of it.
//!
//! Values are words of ours and numbers: nothing that an image or a feed says becomes a variable.

use std::io;

use super::{Report, words};
use crate::{finding::Severity, policy::Outcome};

/// Writes the report: counts are of all platforms together, the verdict is the worst. It is that of the gate, as the exit code has
/// it: an image that is clean in a report which nobody can read did not pass.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let worst = report.results.iter().map(|result| result.verdict.outcome).max();
    let verdict = match worst {
        Some(Outcome::Fail) => "fail",
        _ if report.run.unwritten => "unfinished",
        Some(Outcome::Pass) => "pass",
        Some(Outcome::Warn) => "warn",
        Some(Outcome::Unfinished) | None => "unfinished",
    };
    writeln!(out, "STELLA_VERDICT={verdict}")?;
    let findings = || words::counted(&report.results);
    writeln!(out, "STELLA_FINDINGS={}", findings().count())?;
    for severity in Severity::ALL {
        let count = findings().filter(|judged| judged.finding.severity == severity).count();
        writeln!(out, "STELLA_FINDINGS_{}={count}", severity.as_str().to_ascii_uppercase())?;
    }
    let skipped = report.results.iter().map(|result| result.looked_at.skipped.len()).sum::<usize>();
    let run = &report.run;
    writeln!(out, "STELLA_SKIPPED={skipped}")?;
    writeln!(out, "STELLA_NEW_LAYERS={}", run.layers.misses)?;
    writeln!(out, "STELLA_CACHED_LAYERS={}", run.layers.hits)?;
    writeln!(out, "STELLA_DEGRADED={}", report.is_degraded())?;
    writeln!(out, "STELLA_ELAPSED_MS={:.0}", run.timings_ms.total)
}
