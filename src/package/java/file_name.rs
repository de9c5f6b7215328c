//! What an archive's file name says: `ARTIFACT-VERSION[-CLASSIFIER].EXTENSION`.

/// Extensions that only Java's archives have.
const JAVA: [&str; 7] = ["jar", "war", "ear", "hpi", "jpi", "lpkg", "aar"];
/// Extensions that other files have too: RAR and PAR archives, karaoke, Nix, system statistics.
const SHARED: [&str; 5] = ["par", "sar", "rar", "kar", "nar"];
/// Classifiers of builds that are the same code; other words belong to the version, as in `31.1-jre` and `6.0.0-M1`.
const CLASSIFIERS: [&str; 22] = [
    "all",
    "bin",
    "boot",
    "bundle",
    "classes",
    "dist",
    "exec",
    "executable",
    "fat",
    "jar-with-dependencies",
    "javadoc",
    "native",
    "plain",
    "runner",
    "shaded",
    "shadow",
    "sources",
    "standalone",
    "test-sources",
    "tests",
    "uber",
    "with-dependencies",
];
/// Systems, of archives that hold native libraries.
const SYSTEMS: [&str; 5] = ["linux", "osx", "windows", "macosx", "darwin"];
/// Words inside of versions, before another number.
const QUALIFIERS: [&str; 16] = [
    "alpha",
    "atlassian",
    "b",
    "beta",
    "build",
    "cp",
    "dev",
    "ga",
    "jbossorg",
    "m",
    "pre",
    "rc",
    "redhat",
    "rev",
    "snapshot",
    "sp",
];

/// A file name without its extension, and what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileName<'n> {
    /// All but the extension.
    pub stem: &'n str,
    /// What comes before the version.
    pub artifact: &'n str,
    /// Without a classifier.
    pub version: Option<&'n str>,
}

/// Whether a name is that of a Java archive, and of nothing else.
pub(super) fn is_java(name: &str) -> bool {
    has(name, &JAVA)
}

/// Whether a name may be that of a Java archive.
pub(super) fn may_be_java(name: &str) -> bool {
    is_java(name) || has(name, &SHARED)
}

fn has(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|found| extensions.iter().any(|known| found.eq_ignore_ascii_case(known)))
}

impl<'n> FileName<'n> {
    /// Splits the last part of a path.
    pub(super) fn of(name: &'n str) -> Self {
        let archive = may_be_java(name) || has(name, &["zip"]);
        let stem = name.rsplit_once('.').filter(|_| archive).map_or(name, |(stem, _)| stem);
        let Some(at) = version(stem) else { return Self { stem, artifact: stem, version: None } };
        let version = without_classifier(&stem[at..]);
        Self { stem, artifact: &stem[..at - 1], version: Some(version) }
    }

    /// Whether it says that there is no code in the archive.
    pub(super) fn is_documentation(&self) -> bool {
        self.stem.ends_with("-sources") || self.stem.ends_with("-javadoc")
    }
}

/// Where the version begins: behind the first `-` before a digit, but not where that belongs to the artifact, as in
/// `log4j-1.2-api-2.17.1`. Eclipse writes `_`.
fn version(stem: &str) -> Option<usize> {
    let starts_number = |at: usize| stem.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let first = (1..stem.len()).find(|at| stem.as_bytes()[at - 1] == b'-' && starts_number(*at));
    let Some(first) = first else {
        let at = stem.rfind('_')? + 1;
        return (at > 1 && starts_number(at) && stem[at..].contains('.')).then_some(at);
    };
    if first < 2 {
        return None;
    }
    let (mut start, mut at, mut word) = (first, first, false);
    for part in stem[first..].split('-') {
        if part.starts_with(|c: char| c.is_ascii_digit()) {
            // A number of one piece behind a word is the word's: `1.0-linux-64`.
            if word && part.contains('.') {
                start = at;
            }
            word = false;
        } else {
            let letters =
                part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_ascii_lowercase();
            word |= !QUALIFIERS.contains(&&*letters);
        }
        at += part.len() + 1;
    }
    Some(start)
}

fn without_classifier(version: &str) -> &str {
    for (at, _) in version.match_indices('-') {
        let tail = &version[at + 1..];
        let system = SYSTEMS.iter().any(|system| {
            tail.strip_prefix(system).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
        });
        if system || CLASSIFIERS.contains(&tail) {
            return &version[..at];
        }
    }
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, artifact, version) in [
            ("commons-lang3-3.12.0.jar", "commons-lang3", Some("3.12.0")),
            ("guava-31.1-jre.JAR", "guava", Some("31.1-jre")),
            ("log4j-1.2-api-2.17.1.jar", "log4j-1.2-api", Some("2.17.1")),
            ("kafka_2.13-3.4.0.jar", "kafka_2.13", Some("3.4.0")),
            ("spring-boot-3.0.0-M1.jar", "spring-boot", Some("3.0.0-M1")),
            ("foo-1.0-beta-2.1.jar", "foo", Some("1.0-beta-2.1")),
            ("foo-1.0-20230101.123456-1.jar", "foo", Some("1.0-20230101.123456-1")),
            ("foo-2.1.0.Final-redhat-00001.jar", "foo", Some("2.1.0.Final-redhat-00001")),
            (
                "netty-transport-native-epoll-4.1.9.Final-linux-x86_64.jar",
                "netty-transport-native-epoll",
                Some("4.1.9.Final"),
            ),
            ("bcprov-jdk15on-1.70.jar", "bcprov-jdk15on", Some("1.70")),
            ("app-1.0-SNAPSHOT-jar-with-dependencies.jar", "app", Some("1.0-SNAPSHOT")),
            ("json-20230227.jar", "json", Some("20230227")),
            ("org.eclipse.osgi_3.18.0.v2022.jar", "org.eclipse.osgi", Some("3.18.0.v2022")),
            ("x86_64.jar", "x86_64", None),
            ("app.war", "app", None),
            ("-1.jar", "-1", None),
            ("service", "service", None),
            ("größe-1ä.jar", "größe", Some("1ä")),
        ] {
            let found = FileName::of(name);
            assert_eq!((found.artifact, found.version), (artifact, version), "{name}");
        }
        assert!(FileName::of("a-1.0-sources.jar").is_documentation());
        assert!(is_java("a.Jar") && !is_java("a.rar") && may_be_java("a.rar") && !may_be_java("jar"));
    }
}
