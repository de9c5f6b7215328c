//! `stella convert`: a kept JSON report in its other forms. It gates nothing: the verdict stands in the report.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;
use stella::report::{Report, SCHEMA};

use super::{
    args,
    exit::{Exit, Failure},
    log::Log,
    output::{Output, ReportFormat},
    reports,
};

/// `report size`: bytes of the report that is read. One of 30,000 findings has 40 MB; and a list of empty texts, which takes
/// eight times its own size in memory, does not bring a runner down.
const MAX_BYTES: u64 = 256 << 20;
/// Longest complaint of the parser, in characters: it quotes what it does not like, whole.
const MAX_COMPLAINT: usize = 300;

/// Reads the report and writes every form that is wanted.
pub fn run(args: &args::Convert, log: Log) -> Result<Exit, Failure> {
    let outputs = Output::parse_all(&args.reports.output)?;
    if outputs.iter().any(|output| matches!(output.format, ReportFormat::Sbom(_))) {
        return Err(Failure::usage("a report does not say what the image holds, so it is no SBOM")
            .advise("write one with the gate, -o cyclonedx=FILE, or with stella sbom IMAGE"));
    }
    let report = read(&args.report)?;
    let outputs: Vec<_> = outputs.iter().collect();
    let failed = reports::write_all(&report, None, &outputs, args.reports.show_ignored);
    for failure in &failed {
        log.error(&failure.message);
    }
    Ok(if failed.is_empty() { Exit::Pass } else { Exit::Unfinished })
}

/// Reads a file, or stdin for `-`.
fn read(path: &Path) -> Result<Report, Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin { "stdin".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let mut fill = |from: &mut dyn Read| from.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    let filled = if stdin {
        fill(&mut io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| fill(&mut file))
    };
    filled.map_err(|error| Failure::unfinished(format!("the report {name} cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        let why = format!("the report {name} is over the limit `report size`, {MAX_BYTES} bytes");
        return Err(Failure::unfinished(why));
    }
    parse(&name, &bytes)
}

/// All that a report of any version has.
#[derive(Deserialize)]
struct Version {
    schema: u64,
}

fn parse(name: &str, bytes: &[u8]) -> Result<Report, Failure> {
    let parsed = serde_json::from_slice::<Report>(bytes);
    // A report of another version may not parse as one of this: its number says more than what it lacks.
    if let Ok(Version { schema }) = serde_json::from_slice(bytes)
        && schema != u64::from(SCHEMA)
    {
        let message = format!("{name} is a report of schema {schema}; this program reads schema {SCHEMA}");
        return Err(Failure::usage(message).advise("convert it with the program that wrote it"));
    }
    let sorted = parsed.map(|mut report| {
        // Looked up as what is sorted, which a file may not be.
        report.results.iter_mut().for_each(|result| result.verdict.allowed.sort_unstable());
        report
    });
    sorted.map_err(|error| {
        let (line, column, why) = (error.line(), error.column(), error.to_string());
        let why = why.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&why);
        let why: String = why.chars().take(MAX_COMPLAINT).collect();
        Failure::usage(format!("{name}:{line}:{column}: no JSON report of Stella: {why}"))
            .advise("make one with: stella gate IMAGE -o json=FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        parse("r.json", text.as_bytes()).unwrap_err().message
    }

    #[test]
    fn only_a_report_of_this_version_is_read() {
        let report = r#"{"schema":1,"results":[],"run":{"layers":{"hits":0,"misses":0},"uploaded":0,"round_trips":0,
            "retries":0,"bytes_read":0,"degraded":false,"notes":[],"ledger":[],"timings_ms":
            {"missing":0,"analyse":0,"upload":0,"match":0,"policy":0,"report":0,"total":0}}}"#;
        assert_eq!(parse("r.json", report.as_bytes()).unwrap().results, []);
        let other = "r.json is a report of schema 2; this program reads schema 1";
        assert_eq!(complaint(&report.replace("\"schema\":1", "\"schema\":2")), other);
        assert_eq!(complaint(r#"{"schema": 2, "all": "else"}"#), other);
    }

    #[test]
    fn complaints_say_where_and_stay_short() {
        let no = "no JSON report of Stella";
        assert_eq!(
            complaint("{\"schema\": 1,\n \"results\": 7}"),
            format!("r.json:2:13: {no}: invalid type: integer `7`, expected a sequence")
        );
        assert_eq!(complaint(""), format!("r.json:1:0: {no}: EOF while parsing a value"));
        let deep = complaint(&format!("{{\"results\":{}", "[".repeat(100_000)));
        assert!(deep.starts_with("r.json:1:1"), "{deep}");
        let long = complaint(&format!("{{\"schema\":\"{}\"}}", "x".repeat(100_000)));
        assert!(long.len() < 400, "{long}");
    }
}
