//! The words of a Dockerfile's instruction that pin the version of a package.

use super::{Written, fix::without_v};
use crate::{
    dockerfile::{Dockerfile, Lines, Whole, variable},
    finding::FindingPackage,
    image::Platform,
    package::{Ecosystem, normal_python_name},
};

/// Words that say of a command that it installs what follows.
const INSTALL: [&str; 7] = ["add", "get", "i", "install", "require", "update", "upgrade"];
/// Words that say of a command that it does something else with what follows.
#[rustfmt::skip]
const DO_NOT_INSTALL: [&str; 20] = [
    "autoremove", "del", "delete", "echo", "erase", "grep", "info", "list", "ls", "policy", "printf", "purge",
    "query", "remove", "rm", "search", "show", "un", "uninstall", "view",
];

/// Most words of one command that name a package with a version, to look at.
const MAX_NAMED: usize = 100;

/// The words that pin a package in the instructions that made its layer, and their line, from 1.
///
/// Where an instruction has the version from an `ARG`, an `ENV` or the word of `${NAME:-word}`, they are that one's.
pub(super) fn pinned(
    dockerfile: &Dockerfile,
    platform: &Platform,
    made: &Written,
    package: &FindingPackage,
) -> Option<(usize, String)> {
    let lines = Lines { start: made.line, end: made.last_line };
    dockerfile.commands(lines).find_map(|command| pinned_by(command, dockerfile, platform, package))
}

fn pinned_by(
    command: &Whole,
    dockerfile: &Dockerfile,
    platform: &Platform,
    package: &FindingPackage,
) -> Option<(usize, String)> {
    let (signs, version) = pin(package)?;
    let text = command.text();
    let signed = signs.iter().flat_map(|sign| text.match_indices(sign));
    let named = signed.filter_map(|(at, sign)| {
        let (mut before, mut behind) = (&text[..at], &text[at + sign.len()..]);
        // `NAME == VERSION` is one requirement, too.
        if package.ecosystem == Ecosystem::Pypi {
            (before, behind) = (before.trim_end_matches(' '), behind.trim_start_matches(' '));
        }
        let start = before.len() - named(before, package)?.len();
        Some((start, behind.trim_start_matches(['"', '\''])))
    });
    let mut named = named.take(MAX_NAMED).filter(|(start, _)| installs(&text[..*start]));
    named.find_map(|(start, behind)| {
        let line = command.line(text.len() - behind.len());
        if let Some(rest) = without_v(behind).strip_prefix(version) {
            let words = &text[start..text.len() - rest.len()];
            return ends(rest, package).then(|| (line, words.replace(['"', '\''], "")));
        }
        let behind = behind.strip_prefix('v').unwrap_or(behind);
        let (variable, _) = variable(behind).filter(|(_, rest)| ends(rest, package))?;
        let given = dockerfile.scope(command.line(0), platform)?.given(variable, line)?;
        let words = format!("{}{}{}", given.name, given.sign, given.value);
        (without_v(given.value) == version).then_some((given.line, words))
    })
}

/// Whether a command may install what follows these words of it: the first one that tells decides. One ends with its line, or
/// where the shell's signs part it from the next.
fn installs(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    if line.split_whitespace().any(|word| word.starts_with('#')) {
        return false;
    }
    let command = line.rsplit([';', '&', '|']).next().unwrap_or_default();
    let mut words = command.split_whitespace().map(|word| word.trim_matches(|c| "\"'`$({[,!".contains(c)));
    let does = words.find_map(|word| match () {
        () if INSTALL.contains(&word) => Some(true),
        () if DO_NOT_INSTALL.contains(&word) => Some(false),
        () => None,
    });
    does.unwrap_or(true)
}

/// How the package manager's command line parts a name from a version, and the version as it is written there, but for a `v` in
/// front.
fn pin(package: &FindingPackage) -> Option<(&'static [&'static str], &str)> {
    let version = without_v(&package.version);
    Some(match package.ecosystem {
        Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Opkg | Ecosystem::Alpm => (&["="], version),
        Ecosystem::Conda => (&["=", "=="], version),
        // The epoch is not a part of what `dnf install NAME-VERSION-RELEASE` takes.
        Ecosystem::Rpm => (&["-"], version.split_once(':').map_or(version, |(_, version)| version)),
        Ecosystem::Pypi => (&["==", "==="], version),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, ecosystem: Ecosystem, name: &str, version: &str) -> Option<(usize, String)> {
        let package = FindingPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            ecosystem,
            purl: String::new(),
            source: None,
        };
        let run = text.lines().position(|line| line.starts_with("RUN x"))? + 1;
        let made = Written {
            file: "Dockerfile".to_owned(),
            line: run,
            last_line: run + 2,
            line_hash: String::new(),
        };
        let dockerfile = Dockerfile::parse(text).unwrap();
        pinned(&dockerfile, &"linux/amd64".parse().unwrap(), &made, &package)
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
            // Of a stage that this one is built from, and of another variable.
            ("FROM a AS b\nARG V=4.17.4\nFROM c\nENV V=1\nFROM B", Some((2, "V=4.17.4"))),
            ("ARG W=4.17.4\nFROM a\nARG W\nENV V=${W}", Some((1, "W=4.17.4"))),
            ("FROM a\nENV V=${W:-4.17.4}", Some((2, "W:-4.17.4"))),
            ("# escape=`\nFROM a\nENV A=b `\n  V=4.17.4", Some((4, "V=4.17.4"))),
            // Of another stage, or not named again in this one.
            ("FROM a\nARG V=4.17.4\nFROM b", None),
            ("FROM a AS x\nENV V=4.17.4\nFROM b", None),
            ("ARG V=4.17.4\nFROM a", None),
            ("FROM a\nENV V=$W\nENV W=$V\nENV V=$W", None),
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
            ("lodash@${V:-1}", true),
            ("lodash@${V-1}", true),
            ("lodash@${V:+1}", false),
            ("xlodash@$V", false),
            ("lodash@$", false),
            ("lodash@${V", false),
        ] {
            assert_eq!(lodash(argument, words).is_some(), is_pin, "{words}");
        }
    }
    #[test]
    fn a_word_of_a_variable_may_be_a_pin() {
        let lodash = |above: &str, words: &str| {
            found(&format!("FROM a\n{above}\nRUN x {words}\n"), Ecosystem::Npm, "lodash", "4.17.4")
        };
        let pin = |line, pin: &str| Some((line, pin.to_owned()));
        assert_eq!(lodash("ARG V", "lodash@${V:-4.17.4}"), pin(3, "V:-4.17.4"));
        assert_eq!(lodash("ARG V", "lodash@${V-4.17.4}"), pin(3, "V-4.17.4"));
        assert_eq!(lodash("ARG V=", "lodash@${V:-4.17.4}"), pin(3, "V:-4.17.4"));
        assert_eq!(lodash("ARG V=4.17.4", "lodash@${V:-1}"), pin(2, "V=4.17.4"));
        for (above, words) in [
            ("ARG V=1", "lodash@${V:-4.17.4}"),
            ("ARG V=", "lodash@${V-4.17.4}"),
            ("ARG V", "lodash@${V:+4.17.4}"),
            ("ARG V", "lodash@${V:-4.17.40}"),
            ("ARG V", "lodash@${V:-4.17.4}0"),
        ] {
            assert_eq!(lodash(above, words), None, "{above} {words}");
        }
    }

    #[test]
    fn only_what_installs_pins() {
        let lodash = |command: &str| {
            found(&format!("FROM a\nRUN x && {command}\n"), Ecosystem::Npm, "lodash", "4.17.4")
        };
        for command in [
            "npm install lodash@4.17.4",
            "npm --prefix /list i \\\n -g lodash@4.17.4",
            "npm uninstall y; npm install lodash@4.17.4",
            "npm uninstall y\\\n&&npm install lodash@4.17.4",
            "npm ls | xargs npm install rm lodash@4.17.4",
            "bash -c 'rm y && yarn add lodash@4.17.4'",
            "cat <<E >>/a\n- lodash@4.17.4\nE",
            "<<E\nnpm rm y\nnpm i lodash@4.17.4\nE",
        ] {
            assert!(lodash(command).is_some(), "{command}");
        }
        for command in [
            "npm uninstall lodash@4.17.4",
            "npm -g rm \\\n  y \\\n  lodash@4.17.4",
            "npm ls lodash@4.17.4 && npm install",
            "npm install && echo \"lodash@4.17.4\"",
            "$(echo lodash@4.17.4)",
            "npm install # lodash@4.17.4",
            "<<E\n# lodash@4.17.4\nE",
            "<<E\nnpm rm \\\n  lodash@4.17.4\nE",
        ] {
            assert_eq!(lodash(command), None, "{command}");
        }
        let array = |verb: &str| {
            let text = format!("FROM a\nRUN x\nRUN [\"npm\", \"{verb}\", \"lodash@4.17.4\"]\n");
            found(&text, Ecosystem::Npm, "lodash", "4.17.4")
        };
        assert_eq!(array("install"), Some((3, "lodash@4.17.4".to_owned())));
        assert_eq!(array("uninstall"), None);
        for removes in ["apt-get -y remove", "apt-get purge", "apt-mark x && apt-get autoremove"] {
            let text = format!("FROM a\nRUN x\nRUN {removes} curl=1-1\n");
            assert_eq!(found(&text, Ecosystem::Deb, "curl", "1-1"), None, "{removes}");
        }
    }

    #[test]
    fn a_pin_is_read_as_its_installer_reads_it() {
        for (words, ecosystem, name, version, pin) in [
            ("\"urllib3 == 1.23\"", Ecosystem::Pypi, "urllib3", "1.23", "urllib3 == 1.23"),
            ("'urllib3[secure]  ==1.23'", Ecosystem::Pypi, "urllib3", "1.23", "urllib3[secure]  ==1.23"),
            ("urllib3===1.23", Ecosystem::Pypi, "urllib3", "1.23", "urllib3===1.23"),
            ("e.com/a@v1.1.0", Ecosystem::Golang, "e.com/a", "1.1.0", "e.com/a@v1.1.0"),
            ("acme/log:1.0.2", Ecosystem::Composer, "acme/log", "v1.0.2", "acme/log:1.0.2"),
            ("acme/log:v1.0.2", Ecosystem::Composer, "acme/log", "1.0.2", "acme/log:v1.0.2"),
            ("e.com/a@v${V:-1.1.0}", Ecosystem::Golang, "e.com/a", "v1.1.0", "V:-1.1.0"),
            ("e.com/a@${V:-v1.1.0}", Ecosystem::Golang, "e.com/a", "1.1.0", "V:-v1.1.0"),
        ] {
            let text = format!("FROM a\nRUN x install {words}\n");
            assert_eq!(found(&text, ecosystem, name, version), Some((2, pin.to_owned())), "{words}");
        }
    }
}
