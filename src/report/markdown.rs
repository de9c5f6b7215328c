//! Markdown, for a job summary or a comment.

use std::io;

use super::Report;

/// Writes the report.
pub fn write(_report: &Report, _out: &mut dyn io::Write) -> io::Result<()> {
    Ok(())
}
