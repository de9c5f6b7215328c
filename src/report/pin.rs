//! The words of a Dockerfile's instruction that pin the version of a package.

use super::Written;
use crate::{
    finding::FindingPackage,
    package::{Ecosystem, normal_python_name},
};

/// The words that pin a package in the instruction that made its layer, and their line, from 1.
///
/// Where the instruction has the version from an `ARG` or an `ENV`, they are that one's.
pub(super) fn pinned(
    dockerfile: &[&str],
    made: &Written,
    package: &FindingPackage,
) -> Option<(usize, String)> {
    let (signs, version) = pin(package)?;
    let before = made.line.checked_sub(1)?;
    let lines = dockerfile.get(before..made.last_line.min(dockerfile.len()))?;
    let mut words =
        lines.iter().enumerate().filter(|(_, line)| !is_comment(line)).flat_map(|(index, line)| {
            let signed = signs.iter().flat_map(move |sign| line.match_indices(sign));
            signed.map(move |(at, sign)| (before + index + 1, &line[..at], sign, &line[at + sign.len()..]))
        });
    words.find_map(|(line, name, sign, behind)| {
        let name = named(name, package)?;
        let behind = behind.trim_start_matches(['"', '\'']);
        if let Some(rest) = behind.strip_prefix(version) {
            return ends(rest, package).then(|| (line, format!("{name}{sign}{version}")));
        }
        let (variable, _) = variable(behind).filter(|(_, rest)| ends(rest, package))?;
        let (line, sign, _) =
            given(&dockerfile[..before], variable).filter(|(.., value)| *value == version)?;
        Some((line, format!("{variable}{sign}{version}")))
    })
}

/// Whether a line is left out by the builder, or by the shell that a here-document is for.
fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// How the package manager's command line parts a name from a version, and the version as it is written there.
fn pin(package: &FindingPackage) -> Option<(&'static [&'static str], &str)> {
    let version = package.version.as_str();
    Some(match package.ecosystem {
        Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Opkg | Ecosystem::Alpm => (&["="], version),
        Ecosystem::Conda => (&["=", "=="], version),
        // The epoch is not a part of what `dnf install NAME-VERSION-RELEASE` takes.
        Ecosystem::Rpm => (&["-"], version.split_once(':').map_or(version, |(_, version)| version)),
        Ecosystem::Pypi => (&["=="], version),
        Ecosystem::Npm | Ecosystem::Golang => (&["@"], version),
        Ecosystem::Cargo => (&["@", " --version ", " --version="], version),
        Ecosystem::Gem => (&[":", " -v ", " --version ", " --version="], version),
        Ecosystem::Maven | Ecosystem::Composer => (&[":"], version),
        _ => return None,
    })
}

/// The package's name at the end of a text, as it is written there. Python's extras may follow: `NAME[EXTRA,...]`.
fn named<'a>(text: &'a str, package: &FindingPackage) -> Option<&'a str> {
    let bare = text.strip_suffix(']').and_then(|extras| Some(&extras[..extras.rfind('[')?])).unwrap_or(text);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._+-@/:~".contains(c);
    let start = bare.trim_end_matches(is_word).len();
    let written = &bare[start..];
    let is_name = match package.ecosystem {
        Ecosystem::Pypi => normal_python_name(written) == normal_python_name(&package.name),
        // `NAME:ARCHITECTURE`
        Ecosystem::Deb => written.split(':').next() == Some(&package.name),
        // `MODULE/PATH` of a command
        Ecosystem::Golang => {
            written.strip_prefix(&package.name).is_some_and(|path| path.is_empty() || path.starts_with('/'))
        }
        _ => written == package.name,
    };
    is_name.then(|| &text[start..])
}

/// Whether the version ends before this text: a longer one is another one.
fn ends(rest: &str, package: &FindingPackage) -> bool {
    const ARCHITECTURES: [&str; 7] = ["aarch64", "i686", "noarch", "ppc64le", "riscv64", "s390x", "x86_64"];
    let arch = rest.strip_prefix('.').filter(|_| package.ecosystem == Ecosystem::Rpm);
    let arch = arch.and_then(|rest| ARCHITECTURES.iter().find_map(|arch| rest.strip_prefix(arch)));
    !arch.unwrap_or(rest).starts_with(|c: char| c.is_ascii_alphanumeric() || "._+-~:*$".contains(c))
}

/// The name of `${NAME}` or `$NAME` that a text begins with, and the rest.
fn variable(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('$')?;
    let (name, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at(text.find(|c: char| !is_of_variable(c)).unwrap_or(text.len())),
    };
    (!name.is_empty() && name.chars().all(is_of_variable)).then_some((name, rest))
}

fn is_of_variable(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The last `ARG NAME=VALUE`, `ENV NAME=VALUE` or `ENV NAME VALUE` of some lines: its line, from 1, what parts name and value,
/// and the value. What hands a variable on under its own name gives it none.
fn given<'a>(lines: &[&'a str], name: &str) -> Option<(usize, char, &'a str)> {
    let mut last = None;
    let mut goes_on = false;
    for (line, number) in lines.iter().zip(1..).filter(|(line, _)| !is_comment(line)) {
        let words = line.split_whitespace();
        let first = words.clone().next().unwrap_or_default();
        let is_env = first.eq_ignore_ascii_case("ENV");
        goes_on |= is_env || first.eq_ignore_ascii_case("ARG");
        if goes_on {
            let behind = |word: &'a str| word.strip_prefix(name);
            let pairs = words.clone().filter_map(|word| Some(('=', behind(word)?.strip_prefix('=')?)));
            let apart = words.clone().nth(2).filter(|_| is_env && words.clone().nth(1) == Some(name));
            let values = pairs.chain(apart.map(|value| (' ', value)));
            let mut values = values.map(|(sign, value)| (number, sign, value.trim_matches(['"', '\''])));
            last = values.rfind(|(.., value)| variable(value) != Some((name, ""))).or(last);
        }
        goes_on &= line.trim_end().ends_with('\\');
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, ecosystem: Ecosystem, name: &str, version: &str) -> Option<(usize, String)> {
        let package = FindingPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            ecosystem,
            purl: String::new(),
        };
        let lines: Vec<_> = text.lines().collect();
        let run = lines.iter().position(|line| line.starts_with("RUN x"))? + 1;
        let made = Written {
            file: "Dockerfile".to_owned(),
            line: run,
            last_line: run + 2,
            line_hash: String::new(),
        };
        pinned(&lines, &made, &package)
    }

    #[test]
    fn a_pin_is_found_in_the_instruction_alone() {
        for (pin, ecosystem, name, version) in [
            ("curl=7.88.1-10", Ecosystem::Deb, "curl", "7.88.1-10"),
            ("curl:amd64=7.88.1-10", Ecosystem::Deb, "curl", "7.88.1-10"),
            ("openssl-libs-3.0.7-1.el9", Ecosystem::Rpm, "openssl-libs", "1:3.0.7-1.el9"),
            ("Foo_Bar[x,y]==1.0", Ecosystem::Pypi, "foo-bar", "1.0"),
            ("@scope/a@1.0.0", Ecosystem::Npm, "@scope/a", "1.0.0"),
            ("e.com/a/v2@v2.1.0", Ecosystem::Golang, "e.com/a/v2", "v2.1.0"),
            ("e.com/a/cmd/b@v1.1.0", Ecosystem::Golang, "e.com/a", "v1.1.0"),
            ("rails:7.0.1", Ecosystem::Gem, "rails", "7.0.1"),
            ("rails -v 7.0.1", Ecosystem::Gem, "rails", "7.0.1"),
            ("rails --version 7.0.1", Ecosystem::Gem, "rails", "7.0.1"),
            ("ripgrep --version=13.0.0", Ecosystem::Cargo, "ripgrep", "13.0.0"),
        ] {
            let line = |line: &str| format!("FROM a\nRUN x \\\n  {line} \\\n  y\nRUN z\n");
            let want = Some((3, pin.to_owned()));
            assert_eq!(found(&line(pin), ecosystem, name, version), want, "{pin}");
            for same in [format!("\"{pin}\""), format!("\u{e9}{pin}"), format!("a;{pin};b")] {
                assert_eq!(found(&line(&same), ecosystem, name, version), want, "{same}");
            }
            for other in [
                format!("{pin}1"),
                format!("x{pin}"),
                format!("{pin}.1"),
                format!("{pin}*"),
                format!("{pin}$X"),
            ] {
                assert_eq!(found(&line(&other), ecosystem, name, version), None, "{other}");
            }
            let elsewhere = format!("FROM a\nRUN x\nRUN y\nRUN z\nRUN {pin}\n");
            assert_eq!(found(&elsewhere, ecosystem, name, version), None);
            // A comment pins nothing, wherever it stands.
            let comment = format!("FROM a\nRUN x \\\n  # {pin} is old\n  y\n");
            assert_eq!(found(&comment, ecosystem, name, version), None);
            let comment = format!("FROM a\nRUN x \\\n  # {pin} is old\n  {pin}\n");
            assert_eq!(found(&comment, ecosystem, name, version), Some((4, pin.to_owned())));
        }
        let architecture = "FROM a\nRUN x bash-5.1-2.el9.x86_64\n";
        let bash = |version| found(architecture, Ecosystem::Rpm, "bash", version);
        assert_eq!(bash("5.1-2.el9"), Some((2, "bash-5.1-2.el9".to_owned())));
        assert_eq!(bash("5.1-2"), None);
        let quoted = "FROM a\nRUN x rails -v '7.0.1'\n";
        assert_eq!(found(quoted, Ecosystem::Gem, "rails", "7.0.1"), Some((2, "rails -v 7.0.1".to_owned())));
    }

    #[test]
    fn a_pin_may_be_a_variable() {
        let lodash = |above: &str, words: &str| {
            found(&format!("{above}\nRUN x {words}\n"), Ecosystem::Npm, "lodash", "4.17.4")
        };
        let words = "npm install lodash@${V}";
        for (above, want) in [
            ("FROM a\nARG V=4.17.4", Some((2, "V=4.17.4"))),
            ("FROM a\nARG V=\"4.17.4\"", Some((2, "V=4.17.4"))),
            ("FROM a\nENV V 4.17.4", Some((2, "V 4.17.4"))),
            ("FROM a\nenv A=b V=4.17.4", Some((2, "V=4.17.4"))),
            ("FROM a\nENV A=b \\\n  # V=1\n  V=4.17.4 \\\n  C=d", Some((4, "V=4.17.4"))),
            // Handed on into the stage, and under its own name.
            ("ARG V=4.17.4\nFROM a\nARG V\nENV V=$V", Some((1, "V=4.17.4"))),
            ("FROM a\nARG V=4.17.4\nFROM b\nARG V=4.17.4", Some((4, "V=4.17.4"))),
            // Of another value, which the build may have been given.
            ("FROM a\nARG V=4.17.4\nARG V=4.17.5", None),
            ("FROM a\nARG V=4.17.40", None),
            ("FROM a\nARG XV=4.17.4", None),
            ("FROM a\nARG V", None),
            ("FROM a\n# ARG V=4.17.4", None),
            ("FROM a\nRUN V=4.17.4", None),
        ] {
            let want = want.map(|(line, pin)| (line, pin.to_owned()));
            assert_eq!(lodash(above, words), want, "{above}");
        }
        let argument = "FROM a\nARG V=4.17.4";
        for (words, is_pin) in [
            ("lodash@$V", true),
            ("\"lodash@$V\"", true),
            ("lodash@${V}; y", true),
            ("lodash@${V}-1", false),
            ("lodash@$VV", false),
            ("lodash@${V:-1}", false),
            ("xlodash@$V", false),
            ("lodash@$", false),
            ("lodash@${V", false),
        ] {
            assert_eq!(lodash(argument, words).is_some(), is_pin, "{words}");
        }
    }
}
