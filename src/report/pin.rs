//! The words of a Dockerfile's instruction that pin the version of a package.

use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use super::{Written, fix::without_v, installs::Installs};
use crate::{
    dockerfile::{Dockerfile, Lines, Scope, Whole, variable},
    finding::FindingPackage,
    image::Platform,
    package::{Ecosystem, normal_python_name},
};

/// Most words of one command that begin with the same name, to look at.
const MAX_NAMED: usize = 100;
/// `name length`: bytes of a package's name in a command.
const MAX_NAME_BYTES: usize = 256;

/// What the instructions that made a layer pin. A command is read once, however many packages are looked for.
pub(super) struct Pins<'a> {
    dockerfile: &'a Dockerfile,
    platform: &'a Platform,
    commands: Vec<Command<'a>>,
}

struct Command<'a> {
    whole: &'a Whole,
    /// Where in its text each name of what it installs begins.
    named: HashMap<(Ecosystem, Cow<'a, str>), Vec<usize>>,
    /// Variables that it gives a value itself.
    assigned: HashSet<&'a str>,
    /// Names of lock files that it names.
    lock_files: HashSet<&'a str>,
    /// What it has other variables from.
    scope: OnceCell<Option<Scope<'a>>>,
}

impl<'a> Pins<'a> {
    /// Of the layer that some lines made.
    pub(super) fn of(dockerfile: &'a Dockerfile, platform: &'a Platform, made: &Written) -> Self {
        let lines = Lines { start: made.line, end: made.last_line };
        Self { dockerfile, platform, commands: dockerfile.commands(lines).map(Command::new).collect() }
    }

    /// Whether an instruction names a lock file of a path.
    pub(super) fn names_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        self.commands.iter().any(|command| command.lock_files.contains(name))
    }

    /// The words that pin a package, and their line, from 1.
    ///
    /// Where an instruction has the version from an `ARG`, an `ENV` or the word of `${NAME:-word}`, they are that one's.
    pub(super) fn pinned(&self, package: &FindingPackage) -> Option<(usize, String)> {
        self.commands.iter().find_map(|command| self.pinned_by(command, package))
    }

    fn pinned_by(&self, command: &Command<'a>, package: &FindingPackage) -> Option<(usize, String)> {
        let (signs, version) = pin(package)?;
        let text = command.whole.text();
        let name = match package.ecosystem {
            Ecosystem::Pypi => normal_python_name(&package.name).into(),
            _ => Cow::Borrowed(package.name.as_str()),
        };
        let starts = command.named.get(&(package.ecosystem, name))?;
        starts.iter().find_map(|start| {
            let behind = behind(&text[*start..], package, signs)?;
            let line = command.whole.line(text.len() - behind.len());
            if let Some(rest) = without_v(behind).strip_prefix(version) {
                let words = &text[*start..text.len() - rest.len()];
                return ends(rest, package).then(|| (line, words.replace(['"', '\''], "")));
            }
            let behind = behind.strip_prefix('v').unwrap_or(behind);
            let (variable, _) = variable(behind).filter(|(_, rest)| ends(rest, package))?;
            // A shell's own value comes before the Dockerfile's.
            if command.assigned.contains(variable.name) {
                return None;
            }
            let scope = || self.dockerfile.scope(command.whole.line(0), self.platform);
            let given = command.scope.get_or_init(scope).as_ref()?.given(variable, line)?;
            let words = format!("{}{}{}", given.name, given.sign, given.value);
            (without_v(given.value) == version).then_some((given.line, words))
        })
    }
}

impl<'a> Command<'a> {
    fn new(whole: &'a Whole) -> Self {
        let Installs { words, assigned, lock_files } = Installs::of(whole.text());
        let mut named: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, word, ecosystem) in words {
            for (start, name) in names(word, ecosystem) {
                let starts = named.entry((ecosystem, name)).or_default();
                if starts.len() < MAX_NAMED {
                    starts.push(at + start);
                }
            }
        }
        Self { whole, named, assigned, lock_files, scope: OnceCell::new() }
    }
}

/// Every name that a package may have that is named in a word, and where it begins.
fn names(word: &str, ecosystem: Ecosystem) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    // What may follow a name and be of a name, too.
    let signs: &[char] = match ecosystem {
        Ecosystem::Rpm => &['-'],
        Ecosystem::Npm | Ecosystem::Cargo => &['@'],
        Ecosystem::Golang => &['@', '/'],
        Ecosystem::Deb | Ecosystem::Gem | Ecosystem::Maven | Ecosystem::Composer => &[':'],
        _ => &[],
    };
    let runs = word.split(|c| !is_of_name(c)).filter(|run| !run.is_empty());
    runs.flat_map(move |run| {
        let start = run.as_ptr() as usize - word.as_ptr() as usize;
        let ends = run.match_indices(signs).map(|(end, _)| end).take_while(|end| *end <= MAX_NAME_BYTES);
        let names = ends.chain([run.len()]).map(|end| &run[..end]);
        let names = names.filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()));
        names.map(move |name| match ecosystem {
            Ecosystem::Pypi => (start, normal_python_name(name).into()),
            _ => (start, Cow::Borrowed(name)),
        })
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-@/:~".contains(c)
}

/// How the package manager's command line parts a name from a version, and the version as it is written there, but for a `v` in
/// front.
fn pin(package: &FindingPackage) -> Option<(&'static [&'static str], &str)> {
    let version = without_v(&package.version);
    Some(match package.ecosystem {
        Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Opkg | Ecosystem::Alpm => (&["="], version),
        Ecosystem::Conda => (&["==", "="], version),
        // The epoch is not a part of what `dnf install NAME-VERSION-RELEASE` takes.
        Ecosystem::Rpm => (&["-"], version.split_once(':').map_or(version, |(_, version)| version)),
        Ecosystem::Pypi => (&["===", "=="], version),
        Ecosystem::Npm | Ecosystem::Golang => (&["@"], version),
        Ecosystem::Cargo => (&["@", " --version ", " --version="], version),
        Ecosystem::Gem => (&[":", " -v ", " --version ", " --version="], version),
        Ecosystem::Maven | Ecosystem::Composer => (&[":"], version),
        _ => return None,
    })
}

/// What of a text that begins with a package's name stands where its version would.
fn behind<'a>(text: &'a str, package: &FindingPackage, signs: &[&str]) -> Option<&'a str> {
    let mut rest = text;
    match package.ecosystem {
        // `NAME[EXTRA,...] == VERSION`
        Ecosystem::Pypi => {
            rest = rest.trim_start_matches(is_of_name);
            let extras = rest.strip_prefix('[').unwrap_or_default();
            let extras =
                extras.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "._-, ".contains(c));
            rest = extras.strip_prefix(']').unwrap_or(rest).trim_start_matches(' ');
        }
        // `NAME:ARCHITECTURE`
        Ecosystem::Deb => {
            rest = rest.get(package.name.len()..)?;
            let arch = rest.strip_prefix(':').unwrap_or(rest);
            rest = if arch == rest { rest } else { arch.trim_start_matches(is_of_name) };
        }
        // `MODULE/PATH` of a command
        Ecosystem::Golang => {
            rest = rest.get(package.name.len()..)?;
            if rest.starts_with('/') {
                rest = rest.trim_start_matches(|c| is_of_name(c) && c != '@');
            }
        }
        _ => rest = rest.get(package.name.len()..)?,
    }
    let version = signs.iter().find_map(|sign| rest.strip_prefix(sign))?;
    let version =
        if package.ecosystem == Ecosystem::Pypi { version.trim_start_matches(' ') } else { version };
    Some(version.trim_start_matches(['"', '\'']))
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
        Pins::of(&dockerfile, &"linux/amd64".parse().unwrap(), &made).pinned(&package)
    }

    fn install(ecosystem: Ecosystem) -> &'static str {
        match ecosystem {
            Ecosystem::Deb => "apt-get install -y",
            Ecosystem::Rpm => "microdnf install",
            Ecosystem::Pypi => "python3 -m pip install",
            Ecosystem::Npm => "npm i -g",
            Ecosystem::Golang => "/usr/local/go/bin/go install",
            Ecosystem::Gem => "gem install",
            Ecosystem::Cargo => "cargo install",
            Ecosystem::Composer => "composer global require",
            _ => unreachable!(),
        }
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
            let install = install(ecosystem);
            let line = |line: &str| format!("FROM a\nRUN x && {install} \\\n  {line} \\\n  y\nRUN z\n");
            let want = Some((3, pin.to_owned()));
            assert_eq!(found(&line(pin), ecosystem, name, version), want, "{pin}");
            for same in [format!("\"{pin}\""), format!("\u{e9}{pin}"), format!("a;{install} {pin};b")] {
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
            let elsewhere = format!("FROM a\nRUN x\nRUN y\nRUN z\nRUN {install} {pin}\n");
            assert_eq!(found(&elsewhere, ecosystem, name, version), None);
            // A comment pins nothing, wherever it stands.
            let comment = format!("FROM a\nRUN x; {install} \\\n  # {pin} is old\n  y\n");
            assert_eq!(found(&comment, ecosystem, name, version), None);
            let comment = format!("FROM a\nRUN x; {install} \\\n  # {pin} is old\n  {pin}\n");
            assert_eq!(found(&comment, ecosystem, name, version), Some((4, pin.to_owned())));
        }
        let architecture = "FROM a\nRUN x | dnf5 install bash-5.1-2.el9.x86_64\n";
        let bash = |version| found(architecture, Ecosystem::Rpm, "bash", version);
        assert_eq!(bash("5.1-2.el9"), Some((2, "bash-5.1-2.el9".to_owned())));
        assert_eq!(bash("5.1-2"), None);
        let quoted = "FROM a\nRUN x; gem install rails -v '7.0.1'\n";
        assert_eq!(found(quoted, Ecosystem::Gem, "rails", "7.0.1"), Some((2, "rails -v 7.0.1".to_owned())));
    }

    #[test]
    fn a_pin_may_be_a_variable() {
        let lodash = |above: &str, words: &str| {
            found(&format!("{above}\nRUN x | npm i {words}\n"), Ecosystem::Npm, "lodash", "4.17.4")
        };
        let words = "lodash@${V}";
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
    fn a_value_of_the_shell_itself_comes_first() {
        for (command, is_pin) in [
            ("npm i lodash@$V", true),
            ("V=4.17.4 && npm i lodash@$V", false),
            ("export V=\"$(cat v)\"; npm i lodash@${V}", false),
            ("for V in 4.17.3 4.17.4; do npm i lodash@$V; done", false),
            ("read V < v; npm i lodash@$V", false),
            ("W=4.17.5; npm i lodash@$V", true),
        ] {
            let text = format!("FROM a\nENV V=4.17.4\nRUN x; {command}\n");
            assert_eq!(found(&text, Ecosystem::Npm, "lodash", "4.17.4").is_some(), is_pin, "{command}");
        }
    }

    #[test]
    fn a_command_is_read_once_and_little_of_it_kept() {
        let text = |words: &str, count: usize| format!("FROM a\nRUN npm i {}\n", words.repeat(count));
        let kept = |text: &str| {
            let dockerfile = Dockerfile::parse(text).unwrap();
            let whole = dockerfile.commands(Lines { start: 2, end: 2 }).next().unwrap();
            let named = Command::new(whole).named;
            (named.len(), named.values().map(Vec::len).max().unwrap_or_default())
        };
        // `lodash` and `lodash@1.0.0`
        assert_eq!(kept(&text("lodash@1.0.0 ", 50_000)), (2, MAX_NAMED));
        assert_eq!(kept(&text("@a", 200_000)), (MAX_NAME_BYTES / 2, 1));
        assert_eq!(kept(&text("' ", 200_000)), (0, 0));
        // What installs nothing is not kept.
        assert_eq!(kept(&text("x; a@1 ", 50_000)), (1, 1));
    }

    #[test]
    fn a_word_of_a_variable_may_be_a_pin() {
        let lodash = |above: &str, words: &str| {
            found(&format!("FROM a\n{above}\nRUN x | npm i {words}\n"), Ecosystem::Npm, "lodash", "4.17.4")
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
            "<<E\nnpm rm y\nnpm i lodash@4.17.4\nE",
            "sudo -E env A=b npm install $(cat list) lodash@4.17.4",
            "(cd /a; yarn global add \"lodash@4.17.4\")",
            "/bin/sh -ec \"pnpm add 'lodash@4.17.4'\"",
            "if npm audit; then npm i lodash@4.17.4; fi",
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
            "npm cache clean lodash@4.17.4; npm i lodash",
            "npm audit --omit lodash@4.17.4; npm i lodash",
            "test -n \"lodash@4.17.4\" && npm i",
            "echo \"a; npm i lodash@4.17.4\"",
            "echo npm i lodash@4.17.4",
            "pip install lodash@4.17.4",
            "cat <<E >>/a\n- lodash@4.17.4\nE",
        ] {
            assert_eq!(lodash(command), None, "{command}");
        }
        let quoted =
            "FROM a\nRUN x\nRUN echo \"was: a; lodash@4.17.4\" && \\\n  npm install \\\n  lodash@4.17.4\n";
        let pin = "lodash@4.17.4".to_owned();
        assert_eq!(found(quoted, Ecosystem::Npm, "lodash", "4.17.4"), Some((5, pin)));
        let download = "FROM a\nRUN x; pip download requests==2.19.1 && pip install requests\n";
        assert_eq!(found(download, Ecosystem::Pypi, "requests", "2.19.1"), None);
        let array = |verb: &str| {
            let text = format!("FROM a\nRUN x\nRUN [\"npm\", \"{verb}\", \"lodash@4.17.4\"]\n");
            found(&text, Ecosystem::Npm, "lodash", "4.17.4")
        };
        assert_eq!(array("install"), Some((3, "lodash@4.17.4".to_owned())));
        assert_eq!(array("uninstall"), None);
        let shell = "FROM a\nRUN x\nRUN [\"sh\",\"-c\",\"npm i lodash@4.17.4\"]\n";
        assert!(found(shell, Ecosystem::Npm, "lodash", "4.17.4").is_some());
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
            let text = format!("FROM a\nRUN x; {} {words}\n", install(ecosystem));
            assert_eq!(found(&text, ecosystem, name, version), Some((2, pin.to_owned())), "{words}");
        }
    }
}
