//! Where reports go: `-o FORMAT[=FILE]`, each file whole or not at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use stella::report::{self, Report};

use super::exit::Failure;

/// A form of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Sarif,
    Junit,
}

const FORMATS: &[(&str, Format)] =
    &[("table", Format::Table), ("json", Format::Json), ("sarif", Format::Sarif), ("junit", Format::Junit)];

/// One report to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its form.
    pub format: Format,
    /// `None` for stdout.
    pub file: Option<PathBuf>,
}

impl Output {
    /// Parses every `-o`; a table on stdout where there is none.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, Failure> {
        let mut outputs = Vec::new();
        for text in texts {
            let (name, file) = match text.split_once('=') {
                Some((name, file)) => (name, Some(file)),
                None => (text.as_str(), None),
            };
            let known = || FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let Some((_, format)) = FORMATS.iter().find(|(known, _)| *known == name) else {
                return Err(Failure::usage(format!("-o {text:?}: {name:?} is no format"))
                    .advise(format!("write FORMAT or FORMAT=FILE with one of: {}", known())));
            };
            let file = match file {
                Some("") => return Err(Failure::usage(format!("-o {text:?} names no file"))),
                Some("-") | None => None,
                Some(file) => Some(PathBuf::from(file)),
            };
            outputs.push(Self { format: *format, file });
        }
        if outputs.is_empty() {
            outputs.push(Self { format: Format::Table, file: None });
        }
        let mut places: Vec<_> = outputs.iter().map(|output| &output.file).collect();
        places.sort();
        if let Some(twice) = places.windows(2).find(|pair| pair[0] == pair[1]) {
            let place = twice[0].as_deref().map_or("stdout".to_owned(), |path| path.display().to_string());
            return Err(Failure::usage(format!("two reports go to {place}"))
                .advise("give each its own file: -o FORMAT=FILE"));
        }
        Ok(outputs)
    }

    /// Writes the report: to stdout, or to a file that appears whole or not at all.
    pub fn write(&self, report: &Report, colour: bool, width: Option<usize>) -> Result<(), Failure> {
        let failed = |place: &str, error: io::Error| {
            Failure::unfinished(format!("the report cannot be written to {place}: {error}"))
        };
        let Some(path) = &self.file else {
            let mut out = io::BufWriter::new(io::stdout().lock());
            return match self.render(report, colour, width, &mut out).and_then(|()| out.flush()) {
                // A reader that has seen enough (`| head`) is no error.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed("stdout", error)),
                _ => Ok(()),
            };
        };
        let place = path.display().to_string();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            std::fs::create_dir_all(parent)?;
            // Devices and pipes are written as they are; only a file can be replaced.
            if path.exists() && !path.is_file() {
                let mut out = io::BufWriter::new(std::fs::OpenOptions::new().write(true).open(path)?);
                self.render(report, false, None, &mut out)?;
                return out.flush();
            }
            let mut file = io::BufWriter::new(new_file(parent)?);
            self.render(report, false, None, &mut file)?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.persist(path)?;
            Ok(())
        };
        write().map_err(|error| failed(&place, error))
    }

    fn render(
        &self,
        report: &Report,
        colour: bool,
        width: Option<usize>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self.format {
            Format::Table => report::table::write(report, report::table::Options { colour, width }, out),
            Format::Json => report::json::write(report, out),
            Format::Sarif => report::sarif::write(report, out),
            Format::Junit => report::junit::write(report, out),
        }
    }
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
    fn formats_and_places() {
        let outputs = parse(&["sarif=a/b=c.sarif", "json"]).unwrap();
        assert_eq!(outputs[0], Output { format: Format::Sarif, file: Some("a/b=c.sarif".into()) });
        assert_eq!(outputs[1], Output { format: Format::Json, file: None });
        assert_eq!(parse(&[]).unwrap()[0].format, Format::Table);
        for wrong in [&["sarrif=x"][..], &["json="], &["json", "table=-"], &["json=x", "junit=x"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
