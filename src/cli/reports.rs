//! One report, written where it is wanted: the same for whoever found what stands in it.

use stella::report::{Report, codequality, github, gitlab, json, junit, markdown, metrics, sarif, table};

use super::{
    exit::Failure,
    output::{Output, ReportFormat},
};

/// Writes one report. With `ignored`, findings that the policy ignores stand also where they are left out else.
pub fn write(report: &Report, output: &Output, ignored: bool) -> Result<(), Failure> {
    output.write(|out| match output.format {
        ReportFormat::Table => table::write(report, look(output), out),
        ReportFormat::Json => json::write(report, out),
        ReportFormat::Sarif => sarif::write(report, sarif::Options { ignored }, out),
        ReportFormat::Junit => junit::write(report, out),
        ReportFormat::GitLab(version) => gitlab::write(report, version, out),
        ReportFormat::CodeQuality => codequality::write(report, out),
        ReportFormat::Markdown => markdown::write(report, out),
        ReportFormat::GitHub => github::write(report, out),
        ReportFormat::Metrics => metrics::write(report, out),
    })
}

/// A file is nobody's terminal: neither colours nor a width.
fn look(output: &Output) -> table::Options {
    if output.file.is_some() {
        return table::Options::default();
    }
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let width = terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| usize::from(width));
    table::Options { colour, width }
}
