//! The JSON report: [`Report`] as it is. Its JSON Schema is `schemas/report.schema.json`.

use std::io;

use super::Report;

/// Writes the report, indented by two spaces, with a newline at the end.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}
