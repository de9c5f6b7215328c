//! Annotations of GitHub Actions: workflow commands, printed to the log.

use std::io;

use super::Report;

/// Writes the report.
pub fn write(_report: &Report, _out: &mut dyn io::Write) -> io::Result<()> {
    Ok(())
}
