//! Where reports go: `-o FORMAT[=FILE]`, each file whole or not at all.

use std::{
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use jiff::Timestamp;
use stella::{
    report::{ScanResult, cyclonedx, gitlab, spdx},
    sbom::Sbom,
};

use super::exit::Failure;

/// Names of forms that one command writes.
pub trait Format: Copy + PartialEq + 'static {
    /// By name; the first is the default.
    const NAMES: &'static [(&'static str, Self)];
    /// Where to get a form that another command writes; empty where there is none.
    const ELSEWHERE: &'static str;

    /// Whether it is for a log, in which it may stand beside others.
    fn is_for_a_log(self) -> bool {
        false
    }
}

/// A form of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    Table,
    Json,
    Sarif,
    Junit,
    GitLab(gitlab::Version),
    CodeQuality,
    Markdown,
    GitHub,
    Metrics,
    Dotenv,
    /// Of what the image holds, with what was found in it where the form has room for that.
    Sbom(SbomFormat),
}

impl Format for ReportFormat {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("table", Self::Table),
        ("json", Self::Json),
        ("sarif", Self::Sarif),
        ("junit", Self::Junit),
        ("gitlab", Self::GitLab(gitlab::Version::V15_1)),
        ("gitlab-15.1", Self::GitLab(gitlab::Version::V15_1)),
        ("gitlab-15.0", Self::GitLab(gitlab::Version::V15_0)),
        ("gitlab-15.2", Self::GitLab(gitlab::Version::V15_2)),
        ("codequality", Self::CodeQuality),
        ("markdown", Self::Markdown),
        ("github", Self::GitHub),
        ("metrics", Self::Metrics),
        ("dotenv", Self::Dotenv),
        ("cyclonedx", Self::Sbom(SbomFormat::CycloneDx(cyclonedx::Version::V1_6))),
        ("cyclonedx-1.5", Self::Sbom(SbomFormat::CycloneDx(cyclonedx::Version::V1_5))),
        ("spdx", Self::Sbom(SbomFormat::Spdx)),
    ];
    const ELSEWHERE: &'static str = "";

    fn is_for_a_log(self) -> bool {
        matches!(self, Self::Table | Self::GitHub)
    }
}

/// A form of SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SbomFormat {
    CycloneDx(cyclonedx::Version),
    Spdx,
    /// SPDX in an in-toto statement.
    SpdxStatement,
}

impl Format for SbomFormat {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("cyclonedx", Self::CycloneDx(cyclonedx::Version::V1_6)),
        ("cyclonedx-1.5", Self::CycloneDx(cyclonedx::Version::V1_5)),
        ("spdx", Self::Spdx),
        ("spdx-statement", Self::SpdxStatement),
    ];
    const ELSEWHERE: &'static str = "; reports on findings are written by `stella gate`";
}

impl SbomFormat {
    /// Writes an SBOM as of `now`, with what was found in the image.
    pub fn write(
        self,
        sbom: &Sbom,
        result: Option<&ScanResult>,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::CycloneDx(version) => cyclonedx::write(sbom, result, version, now, out),
            Self::Spdx => spdx::write(sbom, now, out),
            Self::SpdxStatement => spdx::write_statement(sbom, now, out),
        }
    }
}

/// One report to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<F = ReportFormat> {
    /// Its form.
    pub format: F,
    /// `None` for stdout.
    pub file: Option<PathBuf>,
}

impl<F: Format> Output<F> {
    /// Parses every `-o`; the default on stdout where there is none.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, Failure> {
        let mut outputs = Vec::new();
        // Whoever puts a list together may leave a comma at its end.
        for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
            let (name, file) = match text.split_once('=') {
                Some((name, file)) => (name, Some(file)),
                None => (text, None),
            };
            let known = || F::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let Some((_, format)) = F::NAMES.iter().find(|(known, _)| *known == name) else {
                return Err(Failure::usage(format!("-o {text:?}: {name:?} is no format")).advise(format!(
                    "write FORMAT or FORMAT=FILE with one of: {}{}",
                    known(),
                    F::ELSEWHERE
                )));
            };
            let file = match file {
                Some("") => return Err(Failure::usage(format!("-o {text:?} names no file"))),
                Some("-") | None => None,
                Some(file) => Some(PathBuf::from(file)),
            };
            outputs.push(Self { format: *format, file });
        }
        if outputs.is_empty() {
            outputs.push(Self { format: F::NAMES[0].1, file: None });
        }
        // `./a` is `a`.
        let clean = |path: &PathBuf| path.components().filter(|part| *part != Component::CurDir).collect();
        // What is for a log stands beside others that are.
        let logged = |output: &Self| output.file.is_none() && output.format.is_for_a_log();
        let is_log = outputs.iter().filter(|output| output.file.is_none()).all(logged);
        let place = |output: &Self| match output.file.as_ref() {
            None if is_log => Place::Log(F::NAMES.iter().position(|(_, format)| *format == output.format)),
            None => Place::Stdout,
            Some(path) => Place::File(clean(path)),
        };
        let mut places: Vec<Place> = outputs.iter().map(place).collect();
        places.sort_unstable();
        if let Some(twice) = places.windows(2).find(|pair| pair[0] == pair[1]) {
            let place = match &twice[0] {
                Place::File(path) => path.display().to_string(),
                Place::Stdout | Place::Log(_) => "stdout".to_owned(),
            };
            return Err(Failure::usage(format!("two reports go to {place}"))
                .advise("give each its own file: -o FORMAT=FILE"));
        }
        Ok(outputs)
    }

    /// Removes the file that an earlier run wrote; what is no file stays, and what is not there is fine.
    pub fn remove(&self) -> Result<(), Failure> {
        let is_ours = |path: &&PathBuf| path.is_file() && !is_of_the_system(path);
        let Some(path) = self.file.as_ref().filter(is_ours) else { return Ok(()) };
        std::fs::remove_file(path).map_err(|error| {
            Failure::unfinished(format!("the earlier report {} cannot be removed: {error}", path.display()))
        })
    }

    /// Writes what `render` makes: to stdout, or to a file that appears whole or not at all.
    pub fn write(&self, render: impl Fn(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let failed = |place: &str, error: io::Error| {
            Failure::unfinished(format!("the report cannot be written to {place}: {error}"))
        };
        let Some(path) = &self.file else {
            let mut out = io::BufWriter::new(io::stdout().lock());
            return match render(&mut out).and_then(|()| out.flush()) {
                // A reader that has seen enough (`| head`) is no error.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed("stdout", error)),
                _ => Ok(()),
            };
        };
        let place = path.display().to_string();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            if std::env::var_os(STEP_SUMMARY).is_some_and(|summary| summary == path.as_os_str()) {
                let mut report = Vec::new();
                render(&mut report)?;
                return std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(&report);
            }
            std::fs::create_dir_all(parent)?;
            // Devices and pipes are written as they are; only a file can be replaced. A link is replaced too: it is the checkout's,
            // and may lead anywhere.
            if is_of_the_system(path) || path.exists() && !path.is_file() {
                let mut out = io::BufWriter::new(std::fs::OpenOptions::new().append(true).open(path)?);
                render(&mut out)?;
                return out.flush();
            }
            let mut file = io::BufWriter::new(new_file(parent)?);
            render(&mut file)?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.persist(path)?;
            Ok(())
        };
        write().map_err(|error| failed(&place, error))
    }
}

/// Whether a path is one of the system's own, such as `/dev/stdout`, which leads to a file where the output was sent into one;
/// `/dev/shm` is a place for files like any other.
fn is_of_the_system(path: &Path) -> bool {
    let is_device = path.parent() == Some(Path::new("/dev")) || path.starts_with("/dev/fd");
    (is_device || path.starts_with("/proc")) && path.exists()
}

/// Names the file that a step of a GitHub job adds its summary to. Whatever else the step runs adds to it too, so it is never
/// replaced.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Where a report goes; two cannot go to one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Stdout,
    /// Stdout, where all that goes there is for a log; of each form one.
    Log(Option<usize>),
    File(PathBuf),
}

/// A temporary file with the rights that an ordinary new file would get.
fn new_file(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".stella-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask applies on top.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Vec<Output>, Failure> {
        Output::parse_all(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_of_the_system_and_what_only_lies_there() {
        for (path, is) in [
            ("/dev/null", true),
            ("/dev/stdout", true),
            ("/proc/self/fd/1", true),
            ("/dev/shm/report.json", false),
            ("/dev/nothing", false),
            ("device/null", false),
        ] {
            assert_eq!(is_of_the_system(Path::new(path)), is, "{path}");
        }
    }

    #[test]
    fn formats_and_places() {
        let outputs = parse(&["sarif=a/b=c.sarif", "json"]).unwrap();
        assert_eq!(outputs[0], Output { format: ReportFormat::Sarif, file: Some("a/b=c.sarif".into()) });
        assert_eq!(outputs[1], Output { format: ReportFormat::Json, file: None });
        assert_eq!(parse(&[]).unwrap()[0].format, ReportFormat::Table);
        for wrong in [
            &["sarrif=x"][..],
            &["json="],
            &["json", "table=-"],
            &["table", "table"],
            &["github", "json"],
            &["json=x", "junit=x"],
            &["json=x/y", "junit=./x//y"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse(&["table", "github", "json=x"]).unwrap().len(), 3);
        let elsewhere = Output::<SbomFormat>::parse_all(&["sarif".to_owned()]).unwrap_err();
        assert!(elsewhere.advice.contains("stella gate"), "{elsewhere:?}");
    }
}
