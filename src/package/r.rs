//! `DESCRIPTION` of an R package; "Writing R Extensions", section 1.1.1. Installing writes `Built` into it: without that, it
//! is a source's, which may ask for other packages.

use super::{Ecosystem, Error, Fact, Form, Package, Unpinned, holds, lossy, split};

/// By name and the field of its own name, or by the fields that an installed one has.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let is_field = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'@');
    // Nearly every file of an image comes by here.
    let starts = || head.iter().find(|byte| !is_field(byte)) == Some(&b':');
    let has = |field: &[u8]| head.starts_with(&field[1..]) || holds(head, field);
    starts() && has(b"\nPackage:") && (split(path).0 == "DESCRIPTION" || has(b"\nBuilt: R "))
}

/// Reads `Package` and `Version` where there is `Built`.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let (mut name, mut version, mut built, mut asks) = (None, None, None, false);
    // Whatever encoding the file declares for authors and text, these fields are ASCII.
    let text = lossy(bytes);
    for (index, line) in text.lines().enumerate() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let slot = match field {
            "Package" => &mut name,
            "Version" => &mut version,
            "Built" => &mut built,
            "Imports" | "LinkingTo" => {
                asks = true;
                continue;
            }
            _ => continue,
        };
        // A second one could make one reader see another package than the next.
        if value.trim().is_empty() || slot.replace(value.trim()).is_some() {
            return Err(Error::Line { line: index + 1, why: format!("{field} is empty or comes twice") });
        }
    }
    if built.is_none() {
        let asks = asks && split(path).0 == "DESCRIPTION";
        let unpinned = Unpinned::default();
        return Ok(asks.then_some(Fact::Locked { packages: Vec::new(), is_partial: true, unpinned }));
    }
    let name = name.ok_or(Error::Field("Package"))?;
    let package = Package::new(Ecosystem::Cran, name, version.ok_or(Error::Field("Version"))?);
    Fact::one(Form::R, package).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED: &str = "Type: Package\nPackage: jsonlite\nTitle: A JSON\n  Package: not this\nVersion: 1.8-7\n\
        Depends: methods\nBuilt: R 4.3.1; x86_64-pc-linux-gnu; 2023-06-30 10:00:00 UTC; unix\n";

    #[test]
    fn installed_or_source() {
        assert!(recognise("x/any", INSTALLED.as_bytes()));
        let Ok(Some(Fact::Installed { packages, .. })) = read("", INSTALLED.as_bytes()) else { panic!() };
        assert_eq!(packages, [Package::new(Ecosystem::Cran, "jsonlite", "1.8-7")]);
        let source = INSTALLED.replace("Built:", "Packaged:");
        assert!(recognise("src/DESCRIPTION", source.as_bytes()) && !recognise("x/any", source.as_bytes()));
        assert_eq!(read("src/DESCRIPTION", source.as_bytes()), Ok(None));
        let asks = read("src/DESCRIPTION", source.replace("Depends:", "Imports:").as_bytes());
        assert!(matches!(asks, Ok(Some(Fact::Locked { is_partial: true, .. }))));
        assert!(!recognise("repo/DESCRIPTION", b"Unnamed repository; edit this file\n"));
        for broken in ["Built: R 4\n", "Package: a\nBuilt: R 4\n", "Package: a\nPackage: b\n", "Package:\n"] {
            assert!(read("", broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
