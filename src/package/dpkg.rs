//! dpkg's `status` file and the files of `status.d`; deb-control(5), and distroless images for the latter.

use super::{Ecosystem, Error, Fact, Package, Source, utf8};

/// A status file starts with a stanza; `status.d` files are one stanza, without a `Status` in some images. Package
/// indexes of apt start alike, have no `Status`, and are left out.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let stanza = head.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"package:"));
    let in_status_d = || path.rsplit('/').nth(1) == Some("status.d");
    let name = path.rsplit('/').next().unwrap_or_default();
    // dpkg's backup of its own file: a link that leads here is named as not read by the merge.
    if head.is_empty() {
        return path.ends_with("dpkg/status"); // an empty database is one with no packages
    }
    stanza && name != "status-old" && (in_status_d() || name == "status" || has_status(head))
}

fn has_status(head: &[u8]) -> bool {
    head.windows(8).any(|window| window.eq_ignore_ascii_case(b"\nstatus:"))
}

/// Reads all stanzas.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let mut packages = Vec::new();
    let mut stanza = Stanza::default();
    for (index, line) in utf8(bytes)?.lines().enumerate() {
        if line.trim().is_empty() {
            packages.extend(std::mem::take(&mut stanza).package(index)?);
        } else if !line.starts_with([' ', '\t']) {
            let (field, value) = line.split_once(':').ok_or_else(|| Error::Line {
                line: index + 1,
                why: "neither a field nor a continuation".to_owned(),
            })?;
            stanza.set(field, value.trim());
        }
    }
    packages.extend(stanza.package(bytes.iter().filter(|byte| **byte == b'\n').count())?);
    packages.sort();
    packages.dedup();
    Ok(Some(Fact::Dpkg { packages }))
}

#[derive(Default)]
struct Stanza<'a> {
    package: Option<&'a str>,
    version: Option<&'a str>,
    arch: Option<&'a str>,
    source: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> Stanza<'a> {
    fn set(&mut self, field: &str, value: &'a str) {
        let slot = match field.to_ascii_lowercase().as_str() {
            "package" => &mut self.package,
            "version" => &mut self.version,
            "architecture" => &mut self.arch,
            "source" => &mut self.source,
            "status" => &mut self.status,
            _ => return,
        };
        *slot = Some(value);
    }

    /// The package, unless dpkg says that its files are not there; `line` is where the stanza ends.
    fn package(self, line: usize) -> Result<Option<Package>, Error> {
        let Some(name) = self.package else { return Ok(None) };
        // "want flag state": `deinstall ok config-files` has left nothing but configuration behind.
        let state = self.status.and_then(|status| status.split_ascii_whitespace().nth(2));
        if matches!(state, Some("not-installed" | "config-files")) {
            return Ok(None);
        }
        let version = self
            .version
            .filter(|version| !version.is_empty())
            .ok_or_else(|| Error::Line { line, why: format!("package {name} has no version") })?;
        let source = self.source.map(|source| match source.split_once('(') {
            Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
            None => (source, version),
        });
        Ok(Some(Package {
            ecosystem: Ecosystem::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            arch: self.arch.map(str::to_owned),
            source: source
                .filter(|source| *source != (name, version))
                .map(|(name, version)| Source { name: name.to_owned(), version: version.to_owned() }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n\
        Version: 3.0.11-1~deb12u2\nDescription: x\n Package: not-one\n\n\
        Package: jq\nStatus: deinstall ok config-files\nVersion: 1.6-2.1\n\n\
        Package: perl-base\nStatus: hold ok half-configured\nVersion: 5.36.0-7\nSource: perl (5.36.0-7+x)\n";

    #[test]
    fn states_and_sources() {
        let Some(Fact::Dpkg { packages }) = read("var/lib/dpkg/status", STATUS.as_bytes()).unwrap() else {
            panic!()
        };
        let got: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.source())).collect();
        assert_eq!(
            got,
            [("libssl3", ("openssl", "3.0.11-1~deb12u2")), ("perl-base", ("perl", "5.36.0-7+x"))]
        );
    }

    #[test]
    fn told_by_content_not_by_place() {
        assert!(recognise("data/odd-name", STATUS.as_bytes()));
        assert!(recognise("var/lib/dpkg/status.d/base", b"Package: base-files\nVersion: 12\n"));
        assert!(!recognise("var/lib/apt/lists/x_Packages", b"Package: base-files\nVersion: 12\n"));
        assert!(!recognise("var/lib/dpkg/status.d/base.md5sums", b"d41d8cd9  usr/share/x\n"));
    }

    #[test]
    fn a_package_without_version_is_an_error() {
        let error = read("", b"Package: a\nStatus: install ok installed\n").unwrap_err();
        assert_eq!(error, Error::Line { line: 2, why: "package a has no version".to_owned() });
    }
}
