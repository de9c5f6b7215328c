//! The line of a lock file that names a package.
//!
//! Readers of lock files keep no lines. A file that is known to hold a package names it in a few ways only: its name, and
//! its version on the same line or the first below. So the line is searched for in the text, whatever the form.

use super::super::{Ecosystem, Package, normal_python_name};

/// Lines between a name and its version: the hashes of a wheel for each platform may stand there.
const MOST_LINES: usize = 200;

/// Occurrences of a name that are looked at: a package may be asked for by a thousand others.
const MOST_NAMES: usize = 10_000;

/// The line, from 1, of a lock file's text that names this package, which the file is known to hold; `None` where the name
/// is written in another way.
pub fn line_of(text: &str, package: &Package) -> Option<usize> {
    let python = package.ecosystem == Ecosystem::Pypi;
    let text = if python { separated(text).into() } else { std::borrow::Cow::Borrowed(text) };
    let named = |name: &str| nearest(&text, name, &package.version);
    if python {
        return named(&separated(&normal_python_name(&package.name)));
    }
    // Maven's `GROUP:ARTIFACT` is one word in Gradle's file, two elements in a project's.
    named(&package.name).or_else(|| named(package.name.rsplit_once(':')?.1))
}

/// Small letters and one separator, as long as it was.
fn separated(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The line of the name that has its version nearest behind it, where others do not just [ask](is_mention) for it; without any,
/// of the first name.
fn nearest(text: &str, name: &str, version: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    let version = if text.contains(version) { version.to_owned() } else { separated(version) };
    let mut best: Option<((bool, usize), usize)> = None;
    let mut first = None;
    for (at, _) in
        text.match_indices(name).filter(|(at, _)| is_name(text, *at, name, &version)).take(MOST_NAMES)
    {
        first = first.or(Some(at));
        let behind = &text[at + name.len()..];
        let is_mention = is_mention(&text[..at], behind, &version);
        // Farther than the best so far of its kind is no better.
        let lines = best
            .filter(|((mention, _), _)| *mention == is_mention)
            .map_or(MOST_LINES, |((_, lines), _)| lines);
        let reach = behind.match_indices('\n').nth(lines).map_or(behind, |(end, _)| &behind[..end]);
        let found = reach.match_indices(&version).find(|(at, _)| is_version(reach, *at, &version));
        if let Some((found, _)) = found {
            let rank = (is_mention, reach[..found].matches('\n').count());
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, at));
            }
            if rank == (false, 0) {
                break;
            }
        }
    }
    let at = best.map(|(_, at)| at).or(first)?;
    Some(text[..at].matches('\n').count() + 1)
}

/// Whether a name is that of a dependency in another package's list: `"NAME": "VERSION"` of JSON, `NAME = "VERSION"` of TOML,
/// `NAME "VERSION"` and `NAME: VERSION` of YAML and Yarn's, `"NAME VERSION"` of Cargo's.
fn is_mention(before: &str, behind: &str, version: &str) -> bool {
    let rest = behind.strip_prefix('"').unwrap_or(behind).trim_start_matches(' ');
    let value = rest.strip_prefix([':', '=']).unwrap_or(rest).trim_start_matches(' ');
    let is_quoted = value.starts_with('"') && value.len() < behind.len();
    is_quoted
        || rest.starts_with(": ") && value.starts_with(version)
        || before.ends_with('"') && behind.strip_prefix(' ').is_some_and(|rest| rest.starts_with(version))
}

/// Whether the name stands by itself: what is before may be a path or a scope, what is behind may not.
fn is_name(text: &str, at: usize, name: &str, version: &str) -> bool {
    let before = text[..at].chars().next_back();
    let rest = &text[at + name.len()..];
    let rest = rest.strip_prefix(".git").unwrap_or(rest);
    let goes_on = match rest.chars().next() {
        Some('/') => !rest[1..].starts_with(version),
        Some('.') => rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric()),
        Some(c) => c.is_alphanumeric() || matches!(c, '-' | '_'),
        None => false,
    };
    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) && !goes_on
}

/// Whether the version stands by itself, or behind the `v` of a tag.
fn is_version(text: &str, at: usize, version: &str) -> bool {
    let before = text[..at].strip_suffix('v').unwrap_or(&text[..at]).chars().next_back();
    let behind = text[at + version.len()..].chars().next();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '+');
    !before.is_some_and(is_part) && !behind.is_some_and(|c| is_part(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_each_form_names_a_package() {
        for (ecosystem, name, version, want, text) in [
            (
                Ecosystem::Npm,
                "lodash",
                "4.17.20",
                6,
                "{\n\"node_modules/@types/lodash\": {\n \"version\": \"4.17.21\",\n \"dependencies\": {\"lodash\": \"^4\"}\n},\n\"node_modules/lodash\": {\n \"version\": \"4.17.20\"\n",
            ),
            (
                Ecosystem::Npm,
                "b",
                "1.0.0",
                3,
                "\"node_modules/a\": {\n\"dependencies\": {\"b\": \"1.0.0\"}},\n\"node_modules/b\": {\n\"version\": \"1.0.0\"",
            ),
            (
                Ecosystem::Npm,
                "b",
                "1.0.0",
                4,
                "a@^1:\n  dependencies:\n    b \"1.0.0\"\nb@1.0.0:\n  version \"1.0.0\"\n",
            ),
            (
                Ecosystem::Cargo,
                "b",
                "1.0.0",
                6,
                "name = \"a\"\nversion = \"1.0.0\"\ndependencies = [\n \"b 1.0.0\",\n]\nname = \"b\"\nversion = \"1.0.0\"\n",
            ),
            (Ecosystem::Npm, "@a/b", "1.0.0", 2, "x:\n\"@a/b@^1\", \"@a/b@~1\":\n  version \"1.0.0\"\n"),
            (Ecosystem::Pypi, "foo-bar", "1.0", 2, "foo==1.0\nFoo_Bar[x]==1.0 \\\n"),
            (Ecosystem::Pypi, "a", "2", 3, "name = \"ab\"\nversion = \"2\"\nname = \"a\"\nversion = \"2\"\n"),
            (Ecosystem::Golang, "e.com/a", "v1.0.0", 2, "e.com/a/v2 v2.0.0 h1:\ne.com/a v1.0.0 h1:\n"),
            (Ecosystem::Golang, "e.com/a", "v1.0.0", 2, "e.com/a/b v1.0.0\ne.com/a v1.0.0\n"),
            (Ecosystem::Maven, "g:a", "1", 1, "g:a:1=b\n"),
            (
                Ecosystem::Maven,
                "g:a",
                "1",
                3,
                "<dependency>\n<groupId>g</groupId>\n<artifactId>a</artifactId>\n<version>${x}</version>",
            ),
            (Ecosystem::Composer, "a/b", "1.0", 1, "\"name\": \"a/b\",\n\"version\": \"v1.0\"\n"),
            (Ecosystem::Conan, "zlib", "1.2", 2, "zlibx/1.2\nzlib/1.2#a\n"),
        ] {
            let package = Package::new(ecosystem, name, version);
            assert_eq!(line_of(text, &package), Some(want), "{name} in {text}");
        }
        assert_eq!(line_of("b 1", &Package::new(Ecosystem::Npm, "a", "1")), None);
    }
}
