//! One report, written where it is wanted: the same for whoever found what stands in it.

use std::{
    io,
    num::NonZero,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use jiff::Timestamp;
use stella::{
    report::{Report, codequality, dotenv, github, gitlab, json, junit, markdown, metrics, sarif, table},
    sbom::Sbom,
};

use super::{
    exit::Failure,
    output::{Output, ReportFormat},
};

/// Writes every report, as many at a time as there are processors, what goes to stdout one after the other; gives what could not
/// be written. One that cannot be written keeps no other from being written.
pub fn write_all(
    report: &Report,
    sbom: Option<(&Sbom, Timestamp)>,
    outputs: &[&Output],
    ignored: bool,
) -> Vec<Failure> {
    let (stdout, files): (Vec<&Output>, Vec<&Output>) =
        outputs.iter().partition(|output| output.file.is_none());
    let mut tasks: Vec<&[&Output]> = files.chunks(1).collect();
    tasks.extend(Some(stdout.as_slice()).filter(|outputs| !outputs.is_empty()));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(outputs) = tasks.get(index) else { return failed };
            let failures = outputs.iter().filter_map(|output| write(report, sbom, output, ignored).err());
            failed.extend(failures.map(|failure| (index, failure)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(tasks.len());
    let mut failed = thread::scope(|scope| {
        // Whoever cannot be started leaves the work to the others.
        let others: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut failed = work();
        for other in others {
            failed.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        failed
    });
    failed.sort_by_key(|(index, _)| *index);
    failed.into_iter().map(|(_, failure)| failure).collect()
}

/// Writes one report; an SBOM, as of a moment, only where one is given. With `ignored`, findings that the policy ignores stand
/// also where they are left out else.
fn write(
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
        ReportFormat::Dotenv => dotenv::write(report, out),
        ReportFormat::Sbom(format) => match sbom {
            Some((sbom, now)) => format.write(sbom, report.results.first(), now, out),
            None => Err(io::Error::other("the report does not say what the image holds")),
        },
    })
}

/// Findings that a terminal or a log gets: GitLab ends a job's log at 4 MB, and the verdict comes last.
const MOST_LISTED: usize = 3_000;

/// A file is nobody's terminal: neither colours nor a width.
fn look(output: &Output, ignored: bool) -> table::Options {
    if output.file.is_some() {
        return table::Options { ignored, ..table::Options::default() };
    }
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let width = terminal_size::terminal_size_of(std::io::stdout())
        .map(|(terminal_size::Width(width), _)| usize::from(width));
    table::Options { colour, width, ignored, most: Some(MOST_LISTED) }
}
