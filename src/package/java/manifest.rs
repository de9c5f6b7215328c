//! `META-INF/MANIFEST.MF`: the main attributes; the JAR File Specification, "Manifest Specification".

use std::collections::BTreeMap;

/// Main attributes by their names in lower case. Of two with one name, Java takes the last.
#[derive(Debug, Default)]
pub(super) struct Manifest(BTreeMap<String, String>);

/// Those that tell what an archive is.
const ATTRIBUTES: [&str; 11] = [
    "artifact-id",
    "bundle-symbolicname",
    "bundle-version",
    "extension-name",
    "group-id",
    "implementation-title",
    "implementation-version",
    "plugin-version",
    "short-name",
    "specification-title",
    "specification-version",
];

impl Manifest {
    /// Whether the main attributes end in these bytes.
    pub(super) fn ends(bytes: &[u8]) -> bool {
        bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
    }

    /// Reads the main attributes, which an empty line ends.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut attributes = BTreeMap::new();
        let mut last: Option<String> = None;
        for line in text.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
            if line.is_empty() {
                break;
            }
            if let Some(more) = line.strip_prefix(' ') {
                if let Some(value) = last.as_ref().and_then(|name| attributes.get_mut(name)) {
                    let value: &mut String = value;
                    value.push_str(more);
                }
                continue;
            }
            last = None;
            if let Some((name, value)) = line.split_once(':') {
                let name = name.to_ascii_lowercase();
                if ATTRIBUTES.contains(&&*name) {
                    attributes.insert(name.clone(), value.strip_prefix(' ').unwrap_or(value).to_owned());
                    last = Some(name);
                }
            }
        }
        Self(attributes)
    }

    /// An attribute that is there and says something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        // What a build should have put in and did not.
        (!value.is_empty() && !value.contains("${") && !value.contains('@')).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_attributes() {
        let text = "Manifest-Version: 1.0\r\nImplementation-Title: a-rather-long\r\n -title\r\nX: 1\r\n 2\r\n\
            implementation-version: ${v}\r\n\r\nName: a/\r\nImplementation-Version: 9\r\n";
        let manifest = Manifest::parse(text.as_bytes());
        assert_eq!(manifest.get("implementation-title"), Some("a-rather-long-title"));
        assert_eq!(manifest.get("implementation-version"), None);
        assert!(
            Manifest::ends(text.as_bytes())
                && Manifest::ends(b"A: 1\n\nName: a")
                && !Manifest::ends(b"A: 1\r\n")
        );
    }
}
