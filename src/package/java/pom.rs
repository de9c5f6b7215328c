//! What Maven leaves of a project in its archive: `META-INF/maven/GROUP/ARTIFACT/pom.properties` and `pom.xml`.

use std::collections::HashMap;

use crate::package::{Ecosystem, Package};

/// Coordinates of a project, as far as they are known.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Coordinates {
    pub group: Option<String>,
    pub artifact: Option<String>,
    pub version: Option<String>,
}

impl Coordinates {
    /// What the place of a file below `META-INF/maven` says.
    pub(super) fn of_path(path: &str) -> Self {
        let mut parts = path.rsplit('/').skip(1);
        let (artifact, group) = (parts.next(), parts.next());
        if parts.next() != Some("maven") || parts.next() != Some("META-INF") {
            return Self::default();
        }
        Self { group: group.and_then(known), artifact: artifact.and_then(known), version: None }
    }

    /// These, with what they lack taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            group: self.group.or(other.group),
            artifact: self.artifact.or(other.artifact),
            version: self.version.or(other.version),
        }
    }

    /// What they cost to keep.
    pub(super) fn size_bytes(&self) -> usize {
        [&self.group, &self.artifact, &self.version].into_iter().flatten().map(String::len).sum()
    }

    /// The package, where there is a name at all; the version is empty where it is not known.
    pub(super) fn package(&self) -> Option<Package> {
        let artifact = self.artifact.as_ref()?;
        let group = self.group.as_ref();
        let name = group.map_or_else(|| artifact.clone(), |group| format!("{group}:{artifact}"));
        Some(Package::new(Ecosystem::Maven, name, self.version.as_deref().unwrap_or_default()))
    }

    /// Reads `pom.properties`; the form is that of `java.util.Properties.load`.
    pub(super) fn of_properties(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for (key, value) in properties(bytes) {
            let place = match key.as_str() {
                "groupId" => &mut found.group,
                "artifactId" => &mut found.artifact,
                "version" => &mut found.version,
                _ => continue,
            };
            *place = known(&value);
        }
        found
    }

    /// Reads `pom.xml`. Group and version may be the parent's; properties of the file itself are put in.
    pub(super) fn of_xml(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let Ok(document) = roxmltree::Document::parse(text.trim_start_matches('\u{feff}')) else {
            return Self::default();
        };
        let project = document.root_element();
        let child = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.children()
                .find(|child| child.is_element() && child.tag_name().name() == name)
                .map(|n| n.id())
        };
        let text = |node: roxmltree::Node<'_, '_>, name: &str| {
            let found = document.get_node(child(node, name)?)?.text()?.trim();
            (!found.is_empty()).then(|| found.to_owned())
        };
        let parent = child(project, "parent").and_then(|id| document.get_node(id));
        let inherited = |name: &str| text(project, name).or_else(|| text(parent?, name));
        let mut values = HashMap::new();
        let properties = child(project, "properties").and_then(|id| document.get_node(id));
        for property in properties.iter().flat_map(|node| node.children()).filter(|node| node.is_element()) {
            values.insert(
                property.tag_name().name().to_owned(),
                property.text().unwrap_or_default().to_owned(),
            );
        }
        let own = [
            ("groupId", inherited("groupId")),
            ("artifactId", text(project, "artifactId")),
            ("version", inherited("version")),
            ("parent.groupId", parent.and_then(|parent| text(parent, "groupId"))),
            ("parent.version", parent.and_then(|parent| text(parent, "version"))),
        ];
        for (name, value) in &own {
            for prefix in ["project.", "pom."] {
                values.insert(format!("{prefix}{name}"), value.clone().unwrap_or_default());
            }
        }
        let [group, artifact, version, ..] = own.map(|(_, value)| known(&substitute(value?, &values)?));
        Self { group, artifact, version }
    }
}

/// A value that says something: no text of a template.
fn known(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty() && !value.contains("${") && !value.contains('@')).then(|| value.to_owned())
}

/// Puts values in place of `${NAME}`, a few times over and no further than a version is long.
fn substitute(mut text: String, values: &HashMap<String, String>) -> Option<String> {
    for _ in 0..32 {
        let Some(start) = text.find("${") else { return Some(text) };
        let end = start + text[start..].find('}')?;
        let value = values.get(&text[start + 2..end])?;
        if value.len() > 256 {
            return None;
        }
        text = [&text[..start], value, &text[end + 1..]].concat();
    }
    None
}

/// Keys and values of a properties file: Latin-1, `#` and `!` comments, `\` at a line's end goes on, escapes.
fn properties(bytes: &[u8]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut characters = bytes.iter().map(|byte| char::from(*byte)).peekable();
    while let Some(first) = characters.peek().copied() {
        if first.is_ascii_whitespace() {
            characters.next();
            continue;
        }
        if first == '#' || first == '!' {
            while characters.next_if(|c| !matches!(c, '\r' | '\n')).is_some() {}
            continue;
        }
        let (mut key, mut value, mut in_value) = (String::new(), String::new(), false);
        while let Some(c) = characters.next() {
            let escaped = c == '\\';
            let c = match c {
                '\r' | '\n' => break,
                '\\' => match characters.next() {
                    Some('\r' | '\n') => {
                        while characters.next_if(char::is_ascii_whitespace).is_some() {}
                        continue;
                    }
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('u') => {
                        let digits: String = characters.by_ref().take(4).collect();
                        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
                    }
                    Some(other) => other,
                    None => break,
                },
                other => other,
            };
            if in_value {
                value.push(c);
            } else if !escaped && matches!(c, '=' | ':') {
                in_value = true;
                while characters.next_if(|c| matches!(c, ' ' | '\t' | '\x0c')).is_some() {}
            } else if !escaped && matches!(c, ' ' | '\t' | '\x0c') {
                while characters.next_if(|c| matches!(c, ' ' | '\t' | '\x0c')).is_some() {}
                if characters.next_if(|c| matches!(c, '=' | ':')).is_some() {
                    while characters.next_if(|c| matches!(c, ' ' | '\t' | '\x0c')).is_some() {}
                }
                in_value = true;
            } else {
                key.push(c);
            }
        }
        pairs.push((key, value));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(group: &str, artifact: &str, version: &str) -> Coordinates {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Coordinates { group: some(group), artifact: some(artifact), version: some(version) }
    }

    #[test]
    fn pom_properties() {
        for (text, want) in [
            ("#Generated\r\n#Mon\r\nversion=1.2\r\ngroupId=g.h\r\nartifactId=a\r\n", ("g.h", "a", "1.2")),
            ("version : 1.2 \n groupId\tg\nartifactId = \\u0061\\\n   b", ("g", "ab", "1.2")),
            ("version=1\nversion=2\ngroupId=${project.groupId}\nartifactId=", ("", "", "2")),
            ("\\", ("", "", "")),
        ] {
            let (group, artifact, version) = want;
            let want = coordinates(group, artifact, version);
            assert_eq!(Coordinates::of_properties(text.as_bytes()), want, "{text:?}");
        }
        let path = "WEB-INF/classes/META-INF/maven/g/a/pom.properties";
        assert_eq!(Coordinates::of_path(path), coordinates("g", "a", ""));
        assert_eq!(Coordinates::of_path("maven/g/a/pom.xml"), Coordinates::default());
    }

    #[test]
    fn pom_xml() {
        let text = "<?xml version='1.0'?><project xmlns='http://maven.apache.org/POM/4.0.0'><parent><groupId>g\
            </groupId><artifactId>p</artifactId><version>3</version></parent><artifactId>a</artifactId>\
            <version>${r}${q}</version><properties><r>1.${project.parent.version}</r><q>-x</q></properties></project>";
        assert_eq!(Coordinates::of_xml(text.as_bytes()), coordinates("g", "a", "1.3-x"));
        let circle = "<project><version>${r}</version><properties><r>${r}${r}</r></properties></project>";
        assert_eq!(Coordinates::of_xml(circle.as_bytes()), Coordinates::default());
        assert_eq!(Coordinates::of_xml("<a>".repeat(200_000).as_bytes()), Coordinates::default());
    }
}
