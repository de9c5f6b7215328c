//! A build's command line: which tool it is for, and what of it says what is built. What its arguments are, what an exporter is, and
//! where the image goes are files of their own.

mod exporter;
mod flags;
mod output;

use std::{collections::BTreeSet, ffi::OsString, path::PathBuf};

use crate::exit::Failure;
pub use exporter::truth;
use flags::{Argument, given, leading, read};
pub use output::Output;

/// Who builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Docker, with its classic builder or with buildx.
    Docker,
    /// Podman, which keeps images in a store of its own.
    Podman,
    /// Buildah, likewise.
    Buildah,
}

/// Words between the tool and the arguments of a build.
const BUILDS: [(&str, Tool, &[&[&str]]); 3] = [
    (
        "docker",
        Tool::Docker,
        &[&["build"], &["image", "build"], &["builder", "build"], &["buildx", "build"], &["buildx", "b"]],
    ),
    ("podman", Tool::Podman, &[&["build"], &["image", "build"]]),
    ("buildah", Tool::Buildah, &[&["build"], &["bud"], &["build-using-dockerfile"]]),
];

/// What begins a tag of Podman and Buildah that is no name in their own store: the build itself writes to such a place, which may be a
/// registry (containers-transports(5), and `docker://`).
const TRANSPORTS: [&str; 9] = [
    "atomic:",
    "containers-storage:",
    "dir:",
    "docker-archive:",
    "docker-daemon:",
    "oci:",
    "oci-archive:",
    "ostree:",
    "sif:",
];

/// A build, taken apart.
#[derive(Debug, Clone)]
pub struct Command {
    /// Who builds.
    pub tool: Tool,
    /// The program and its flags before the words that mean a build: what other commands of the tool begin with, too.
    pub program: Vec<OsString>,
    /// Those words, and the flags between them.
    verb: Vec<Argument>,
    /// The build's own arguments.
    arguments: Vec<Argument>,
}

impl Command {
    /// Takes a command line apart.
    pub fn parse(words: &[OsString]) -> Result<Self, Failure> {
        let known = || {
            let commands = BUILDS.iter().flat_map(|(tool, _, verbs)| {
                verbs.iter().map(move |verb| format!("{tool} {}", verb.join(" ")))
            });
            commands.collect::<Vec<_>>().join(", ")
        };
        let wrong =
            |what: String| Failure::usage(what).advise(format!("after -- stands one of: {}", known()));
        let program = words.first().map(PathBuf::from).unwrap_or_default();
        let stem = program.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let (_, tool, verbs) = BUILDS
            .iter()
            .find(|(name, ..)| *name == stem)
            .ok_or_else(|| wrong(format!("{} is no builder that is known here", program.display())))?;
        let at = 1 + given(&leading(&words[1..])).len();
        let verb = verbs.iter().find_map(|verb| {
            // `docker buildx --builder NAME build`
            verb.iter().try_fold(Vec::new(), |mut verb, part| {
                verb.extend(leading(&words[at + given(&verb).len()..]));
                let found = words.get(at + given(&verb).len()).filter(|word| *word == part)?;
                verb.push(Argument::word(found));
                Some(verb)
            })
        });
        let verb = verb.ok_or_else(|| {
            let given = words.get(at).map(|word| format!(" {}", word.display())).unwrap_or_default();
            wrong(format!("{stem}{given} builds no image"))
        })?;
        let arguments = read(&words[at + given(&verb).len()..])?;
        let command = Self { tool: *tool, program: words[..at].to_vec(), verb, arguments };
        command.check_tags()?;
        // What cannot be told must not push.
        command.exporters()?;
        command.switch("--push")?;
        command.switch("--load")?;
        Ok(command)
    }

    /// Refuses names that would publish.
    fn check_tags(&self) -> Result<(), Failure> {
        let is_elsewhere = |tag: &&OsString| {
            let tag = tag.to_string_lossy();
            let is_transport = || TRANSPORTS.iter().any(|transport| tag.starts_with(transport));
            // What is called `docker` may be Podman. To Docker itself the first is no name, and of the others some are.
            tag.contains("://") || (self.tool != Tool::Docker && is_transport())
        };
        match self.values("--tag").find(is_elsewhere) {
            None => Ok(()),
            Some(tag) => {
                let what =
                    format!("--tag {}: the build would write the image there before the gate", tag.display());
                Err(Failure::usage(what).advise("give a plain name, and push the image after the gate"))
            }
        }
    }

    /// Whether buildx is meant by name.
    pub fn is_buildx(&self) -> bool {
        self.verb.iter().any(|part| part.as_word().is_some_and(|word| word == "buildx"))
    }

    /// The whole command line.
    pub fn words(&self) -> Vec<OsString> {
        [self.program.clone(), given(&self.verb), given(&self.arguments)].concat()
    }

    /// Another command of the same tool, with the same flags before it.
    pub fn other(&self, words: &[&str]) -> Vec<OsString> {
        self.program.iter().cloned().chain(words.iter().map(OsString::from)).collect()
    }

    /// Adds an argument, before those that are there.
    pub fn add(&mut self, flag: &str, value: impl Into<OsString>) {
        self.arguments.insert(0, Argument::joined(flag, value.into()));
    }

    /// What `--iidfile` names.
    pub fn id_file(&self) -> Option<PathBuf> {
        self.last("--iidfile").map(PathBuf::from)
    }

    /// What `--metadata-file` names.
    pub fn metadata_file(&self) -> Option<PathBuf> {
        self.last("--metadata-file").map(PathBuf::from)
    }

    /// The command that says how such a build is called: of whichever builder there is.
    pub fn help(&self) -> Vec<OsString> {
        [self.program.clone(), given(&self.verb), vec!["--help".into()]].concat()
    }

    /// The names that the image gets: its tags, and only where it has none those that exporters say (`build/opt.go` of
    /// github.com/docker/buildx).
    pub fn names(&self) -> Vec<String> {
        let tags: Vec<_> = self.values("--tag").filter_map(|name| name.to_str()).map(str::to_owned).collect();
        if !tags.is_empty() {
            return tags;
        }
        let exporters = self.exporters().unwrap_or_default();
        let names = exporters.iter().filter_map(|exporter| exporter.attribute("name"));
        names.flat_map(|names| names.split(',')).map(str::to_owned).collect()
    }

    /// The name of buildx's builder, where it is not the one in use.
    pub fn builder(&self) -> Option<&OsString> {
        self.verb
            .iter()
            .chain(&self.arguments)
            .filter_map(|argument| argument.value_of("--builder"))
            .next_back()
    }

    /// The platforms that it is built for, each once; those of `default` where it says none.
    pub fn platforms(&self, default: &str) -> BTreeSet<String> {
        let mut lists: Vec<_> = self.values("--platform").filter_map(|list| list.to_str()).collect();
        if lists.is_empty() {
            lists.push(default);
        }
        let platforms = lists.iter().flat_map(|list| list.split(','));
        platforms.map(|platform| platform.trim().to_owned()).collect()
    }

    /// Whether it is built for whatever platforms the base image has, as Podman and Buildah can.
    pub fn is_for_all_platforms(&self) -> Result<bool, Failure> {
        self.switch("--all-platforms")
    }

    /// The stage that is built, where it is not the last.
    pub fn target(&self) -> Option<String> {
        self.last("--target")?.to_str().map(str::to_owned)
    }

    /// The Dockerfile: what `-f` names, else what lies in the directory that is built from, where that is one.
    pub fn dockerfile(&self) -> Option<PathBuf> {
        if let Some(file) = self.last("--file") {
            return Some(PathBuf::from(file)).filter(|file| file.is_file());
        }
        let context = PathBuf::from(self.context()?);
        ["Dockerfile", "Containerfile"].into_iter().map(|name| context.join(name)).find(|file| file.is_file())
    }

    /// What is built from: the one word that is neither a flag nor the value of one. None where that is not plain.
    fn context(&self) -> Option<&OsString> {
        let mut words = self.arguments.iter().filter_map(Argument::as_word);
        words.next().filter(|_| words.next().is_none())
    }

    /// Whether a switch is on: the last word counts.
    fn switch(&self, flag: &str) -> Result<bool, Failure> {
        let mut is_on = false;
        for argument in self.arguments.iter().filter(|argument| argument.is(flag)) {
            is_on = match argument.value_of(flag) {
                None => true,
                Some(value) => value.to_str().and_then(truth).ok_or_else(|| {
                    Failure::usage(format!("{flag}={}: write {flag}=true or {flag}=false", value.display()))
                })?,
            };
        }
        Ok(is_on)
    }

    /// The values of a flag of the build, in order.
    fn values(&self, flag: &str) -> impl Iterator<Item = &OsString> {
        self.arguments.iter().filter_map(move |argument| argument.value_of(flag))
    }

    /// The value that counts, of a flag that takes one.
    fn last(&self, flag: &str) -> Option<&OsString> {
        self.values(flag).last()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    pub fn command(line: &str) -> Result<Command, Failure> {
        Command::parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_build_is_told_from_what_is_none() {
        for (line, program, arguments) in [
            ("docker build .", 1, 1),
            ("docker --context far -D build -t a .", 4, 3),
            ("/usr/bin/docker image build .", 1, 1),
            ("docker buildx --builder b build .", 1, 1),
            ("docker buildx --timeout 1m -D --builder=b build .", 1, 1),
            ("docker buildx --builder b ls", 0, 0),
            ("docker --context", 0, 0),
            ("docker buildx b --push .", 1, 2),
            ("podman --root /r build .", 3, 1),
            ("buildah bud -f x .", 1, 3),
            ("docker push a", 0, 0),
            ("docker", 0, 0),
            ("make image", 0, 0),
        ] {
            match command(line) {
                Ok(command) => {
                    assert_eq!(
                        (command.program.len(), given(&command.arguments).len()),
                        (program, arguments),
                        "{line}"
                    );
                    assert_eq!(command.words().len(), line.split(' ').count());
                }
                Err(failure) => {
                    assert_eq!(program, 0, "{line}");
                    assert!(failure.advice.contains("docker buildx build"), "{}", failure.advice);
                }
            }
        }
    }

    #[test]
    fn what_is_built_from_is_told_anywhere() {
        for (line, context) in [
            ("docker build -t app .", Some(".")),
            ("docker build . -t app", Some(".")),
            ("docker build dir --build-arg A=b --no-cache", Some("dir")),
            ("docker buildx build --push -qt app -f - --label=x dir", Some("dir")),
            ("docker build -tapp -", Some("-")),
            ("podman build -t app", None),
            // It may be a switch.
            ("docker build --new dir", None),
            ("docker build --new=true dir", Some("dir")),
            ("docker build -ta -- --new", Some("--new")),
            ("docker build one two", None),
        ] {
            assert_eq!(
                command(line).unwrap().context().map(OsString::as_os_str),
                context.map(OsStr::new),
                "{line}"
            );
        }
    }

    #[test]
    fn the_builder_is_told_anywhere() {
        for (line, builder) in [
            ("docker buildx --builder a build .", Some("a")),
            ("docker buildx --builder=a build .", Some("a")),
            ("docker buildx --builder=a build --builder b .", Some("b")),
            ("docker build --builder=a .", Some("a")),
            ("docker buildx build .", None),
        ] {
            assert_eq!(
                command(line).unwrap().builder().map(OsString::as_os_str),
                builder.map(OsStr::new),
                "{line}"
            );
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for line in [
            "docker buildx build --push=yes .",
            "docker buildx build -o type=image,push=on .",
            "docker buildx build -xotype=registry -t a .",
            "docker buildx build -Dxotype=registry -t a .",
            // It is written there by the build.
            "buildah bud -t docker://r.example/a .",
            "buildah build -t a -t oci-archive:a.tar .",
            "podman build --tag=dir:out .",
            "docker build -t docker://r.example/a .",
            // A switch of tomorrow, or a value that somebody else wrote.
            "docker build --new --push -t a .",
            "docker build --push -t a --label --push=false .",
            "docker build --push -t a --build-arg -o .",
        ] {
            assert!(command(line).is_err(), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_unicode_hides_nothing() {
        use std::os::unix::ffi::OsStringExt as _;
        let words = |last: &[u8]| {
            let line = ["docker", "build", "-o"].map(OsString::from).into_iter();
            Command::parse(&line.chain([OsString::from_vec(last.to_vec())]).collect::<Vec<_>>())
        };
        assert!(words(b"type=registry,name=\xff").is_err());
        assert!(words(b"-otype=registry,name=\xff").is_err());
        let context = [OsString::from("docker"), "build".into(), OsString::from_vec(b"\xff".to_vec())];
        assert!(Command::parse(&context).is_ok());
    }
}
