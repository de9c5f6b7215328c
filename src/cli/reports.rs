//! One report, written where it is wanted: the same for whoever found what stands in it.

use std::io;

use jiff::Timestamp;
use stella::{
    report::{Report, codequality, github, gitlab, json, junit, markdown, metrics, sarif, table},
    sbom::Sbom,
};

use super::{
    exit::Failure,
    output::{Output, ReportFormat},
};

/// Writes one report; an SBOM, as of a moment, only where one is given. With `ignored`, findings that the policy ignores stand
/// also where they are left out else.
pub fn write(
    report: &Report,
    sbom: Option<(&Sbom, Timestamp)>,
    output: &Output,
    ignored: bool,
) -> Result<(), Failure> {
    output.write(|out| match output.format {
        ReportFormat::Table => table::write(report, look(output, ignored), out),
        ReportFormat::Json => json::write(report, out),
        ReportFormat::Sarif => sarif::write(report, sarif::Options { ignored }, out),
        ReportFormat::Junit => junit::write(report, out),
        ReportFormat::GitLab(version) => gitlab::write(report, version, out),
        ReportFormat::CodeQuality => codequality::write(report, out),
        ReportFormat::Markdown => markdown::write(report, out),
        ReportFormat::GitHub => github::write(report, out),
        ReportFormat::Metrics => metrics::write(report, out),
        ReportFormat::Sbom(format) => match sbom {
            Some((sbom, now)) => format.write(sbom, report.results.first(), now, out),
            None => Err(io::Error::other("the report does not say what the image holds")),
        },
    })
}

/// A file is nobody's terminal: neither colours nor a width.
fn look(output: &Output, ignored: bool) -> table::Options {
    if output.file.is_some() {
        return table::Options { ignored, ..table::Options::default() };
    }
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let width = terminal_size::terminal_size_of(std::io::stdout())
        .map(|(terminal_size::Width(width), _)| usize::from(width));
    table::Options { colour, width, ignored }
}
