//! `stella build -- COMMAND`: runs a build, then gates exactly what it built; what is to be published is published after the
//! gate.
//!
//! | builder | the image is gated | then |
//! | --- | --- | --- |
//! | `docker build` into the engine | of the engine, by the ID that `--iidfile` or `--metadata-file` says | it is there already |
//! | buildx with a driver of its own, `--load` | of the archive that it writes | the archive is loaded |
//! | buildx with a driver of its own, `--push` | of the archive that it writes | its bytes are pushed |
//! | buildx with the engine's driver, `--push` | of the engine, by its ID | `docker push`, if the name still means that ID |
//! | `podman build`, `buildah build` | of a layout that it writes, by its ID | it is in the store already |
//!
//! A name can be moved while a gate looks; an ID and a file of our own cannot.

mod child;
mod command;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Start,
    args::{self, GateOptions},
    client,
    exit::{Exit, Failure},
    gate,
    image::push,
    log::Log,
    progress::Progress,
    role,
    settings::{Environment, File, SourceSettings, builds_with_buildx},
};
use child::Children;
use command::{Command, Output, Tool, truth};
use serde::Deserialize;
use stella::{digest::Digest, report::NO_NAME};

/// Runs `stella build`.
pub fn run(args: &args::Build, log: Log, start: &Start<'_>) -> Result<Exit, Failure> {
    // Reports of an earlier run are not taken for this one's.
    let refused = |failure: &Failure| {
        if let Ok(gate) = gate::Gate::new(&args.options, log, start) {
            gate.stopped(NO_NAME, failure);
        }
    };
    let command = Command::parse(&args.command).inspect_err(refused)?;
    let environment = match command.tool {
        Tool::Docker => role::dockers_flags(&command.program[1..], start.environment.clone())?.0,
        Tool::Podman | Tool::Buildah => start.environment.clone(),
    };
    let start = Start { environment: &environment, ..*start };
    let work = tempfile::tempdir()
        .map_err(|error| Failure::unfinished(format!("no temporary directory: {error}")))?;
    let children = Children::new(&environment, work.path())?;
    let plan = Plan::of(command, work.path(), &children, &environment).inspect_err(refused)?;
    let options = options(&args.options, &plan);
    // The place of a file of ours is nothing to tell.
    let shown = plan.names.first().map_or(NO_NAME, String::as_str);
    // A wrong call is said before anybody waits for a build.
    let gate = gate::Gate::new(&options, log, &start)?;
    gate.check(shown)?;
    plan.check(&options).inspect_err(|failure| gate.stopped(shown, failure))?;
    let code = children.run(&plan.command.words()).inspect_err(|failure| gate.stopped(shown, failure))?;
    if code != 0 {
        let failure = Failure::unfinished(format!("the build failed with {code}: nothing was gated"));
        gate.stopped(shown, &failure);
        log.note(failure.message);
        return Ok(Exit::Build(code));
    }
    let image = plan.image(work.path(), &children).inspect_err(|failure| gate.stopped(shown, failure))?;
    let exit = gate.image(&image, shown)?;
    if exit == Exit::Pass {
        plan.publish(&image, &options, &children, log, &start)?;
    } else if plan.publishing != Publishing::Nothing {
        log.error("the gate is closed: the image was not published");
    }
    Ok(exit)
}

/// What is run instead of the command that was given, and what becomes of what it builds.
struct Plan {
    command: Command,
    /// As it was given.
    names: Vec<String>,
    dockerfile: Option<PathBuf>,
    target: Option<String>,
    /// Where the image will lie.
    place: Place,
    publishing: Publishing,
}

/// Where a built image lies.
enum Place {
    /// In the store of the tool, under the ID that a file says, or the one that buildx says in another.
    Store { id: PathBuf, metadata: Option<PathBuf> },
    /// In a file, as this scheme has it.
    Archive { scheme: &'static str, file: PathBuf },
}

/// What is done after the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publishing {
    Nothing,
    /// Loads the archive into the engine.
    Load,
    /// Pushes the archive's bytes.
    Push,
    /// Has the engine push the names, each if it still means the image.
    EnginePush,
}

impl Plan {
    fn of(
        mut command: Command,
        work: &Path,
        children: &Children,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let (names, dockerfile, target) = (command.names(), command.dockerfile(), command.target());
        let output = command.output()?;
        if output == Output::Elsewhere {
            return Err(no_image("it writes files, not an image"));
        }
        if output == Output::Push && names.is_empty() {
            return Err(Failure::usage("a build that is pushed needs a name").advise("give --tag NAME"));
        }
        if output == Output::Push && command.tool != Tool::Docker {
            return Err(Failure::usage("this builder pushes nothing itself")
                .advise("leave --push away, and push after the gate with its own push"));
        }
        let engine = match command.tool {
            Tool::Docker => Engine::of(&command, children, environment),
            Tool::Podman | Tool::Buildah => Engine::Own,
        };
        let file = work.join("image.tar");
        let archive = |command: &mut Command, kind: &str| -> Result<(), Failure> {
            let manner = command.forget_output()?;
            command.add("--output", format!("type={kind},dest={}{manner}", file.display()));
            Ok(())
        };
        let (place, publishing) = match (engine, output) {
            (_, Output::Archive(scheme, file)) => (Place::Archive { scheme, file }, Publishing::Nothing),
            (Engine::Apart, Output::Push) if command.loads()? => {
                // What is pushed is an archive of OCI's, which not every engine loads.
                return Err(Failure::usage("a build that buildx pushes is not loaded as well")
                    .advise("leave --load (or -o type=docker) away, and docker pull it after the gate"));
            }
            (Engine::Apart, Output::Push) => {
                archive(&mut command, "oci")?;
                (Place::Archive { scheme: "oci-archive", file }, Publishing::Push)
            }
            (Engine::Apart, Output::Load) => {
                archive(&mut command, "docker")?;
                (Place::Archive { scheme: "docker-archive", file }, Publishing::Load)
            }
            (Engine::Apart, _) => {
                return Err(no_image(
                    "buildx keeps it in its cache, because its driver has no store of images",
                ));
            }
            (Engine::Own, output) => {
                one_platform(&command, environment)?;
                let id = command.id_file().unwrap_or_else(|| {
                    let id = work.join("id");
                    command.add("--iidfile", &id);
                    id
                });
                let pushes = output == Output::Push;
                if pushes {
                    command.forget_output()?;
                }
                let metadata = match command.tool {
                    Tool::Docker => command.metadata_file().or_else(|| {
                        // `docker build` is buildx's, or the older builder's, which knows no such flag.
                        let help = children.ask(&command.help())?;
                        let metadata = work.join("metadata.json");
                        help.contains("--metadata-file")
                            .then(|| command.add("--metadata-file", &metadata))?;
                        Some(metadata)
                    }),
                    Tool::Podman | Tool::Buildah => None,
                };
                (
                    Place::Store { id, metadata },
                    if pushes { Publishing::EnginePush } else { Publishing::Nothing },
                )
            }
        };
        Ok(Self { command, names, dockerfile, target, place, publishing })
    }

    /// An archive is pushed with every platform in it: one that nobody looked at would go out too.
    fn check(&self, options: &GateOptions) -> Result<(), Failure> {
        if self.publishing != Publishing::Push || options.source.platform.is_empty() {
            return Ok(());
        }
        Err(Failure::usage("--platform (STELLA_PLATFORM) gates only some of what this build pushes")
            .advise("leave it away: every platform that is pushed is gated"))
    }

    /// What was built, as the gate takes it.
    fn image(&self, work: &Path, children: &Children) -> Result<String, Failure> {
        let (id, metadata) = match &self.place {
            Place::Archive { file, .. } if !file.exists() => return Err(no_image("it wrote none")),
            Place::Archive { scheme, file } => return Ok(format!("{scheme}:{}", file.display())),
            Place::Store { id, metadata } => (id, metadata),
        };
        let read = fs::read_to_string(id).ok().and_then(|text| text.trim().parse::<Digest>().ok());
        let id = read.ok_or_else(|| no_image(&format!("{} names none", id.display())))?;
        let layout = work.join("layout");
        let words = match self.command.tool {
            Tool::Docker => {
                let other = metadata.as_deref().and_then(|file| Metadata::read(file)?.image(id));
                let is_known = |id: Digest| children.ask(&self.inspect(&id.to_string())).is_some();
                let id = other.filter(|other| !is_known(id) && is_known(*other)).unwrap_or(id);
                return Ok(format!("docker:{id}"));
            }
            Tool::Podman => {
                ["save", "--quiet", "--format=oci-dir", "--output", &layout.display().to_string(), &id.hex()]
                    .map(str::to_owned)
            }
            Tool::Buildah => [
                "push",
                "--quiet",
                "--disable-compression",
                "--format=oci",
                &id.hex(),
                &format!("oci:{}", layout.display()),
            ]
            .map(str::to_owned),
        };
        let words = self.command.other(&words.each_ref().map(String::as_str));
        match children.run(&words)? {
            0 => Ok(format!("oci:{}", layout.display())),
            code => Err(Failure::unfinished(format!(
                "what was built cannot be written out: {} ended with {code}",
                shown(&words)
            ))),
        }
    }
}

impl Plan {
    /// The command that asks the engine for the ID of an image.
    fn inspect(&self, image: &str) -> Vec<OsString> {
        self.command.other(&["image", "inspect", "--format", "{{.Id}}", image])
    }

    /// Publishes what was gated.
    fn publish(
        &self,
        image: &str,
        options: &GateOptions,
        children: &Children,
        log: Log,
        start: &Start<'_>,
    ) -> Result<(), Failure> {
        let (Place::Archive { file, .. } | Place::Store { id: file, .. }) = &self.place;
        match self.publishing {
            Publishing::Nothing => Ok(()),
            Publishing::Load => {
                let mut words = self.command.other(&["load", "--input"]);
                words.push(file.into());
                done(&words, children)
            }
            Publishing::Push => {
                let source =
                    SourceSettings::new(image, &options.source, &File::default(), start.environment)?;
                for name in &self.names {
                    let pushed = push(file, name, &source.options.registry, Progress::new(log))
                        .map_err(Failure::unfinished)?;
                    log.note(format_args!("pushed {name}: {pushed}"));
                }
                Ok(())
            }
            Publishing::EnginePush => {
                let id = image.trim_start_matches("docker:");
                let is_gated =
                    |name: &str| children.ask(&self.inspect(name)).is_some_and(|found| found.trim() == id);
                if let Some(name) = self.names.iter().find(|name| !is_gated(name)) {
                    let why = format!("nothing was pushed: {name} is not the image any more that was gated");
                    return Err(Failure::unfinished(why));
                }
                for name in &self.names {
                    done(&self.command.other(&["push", name]), children)?;
                    // The engine pushes by name, and others may use it too.
                    if !is_gated(name) {
                        return Err(Failure::unfinished(format!(
                            "{name} was moved while it was pushed: the registry may have another image than the one that was gated"
                        )));
                    }
                }
                Ok(())
            }
        }
    }
}

/// What buildx writes about an image into `--metadata-file`, of which only this is read.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "containerimage.config.digest")]
    config: Digest,
    /// Of its manifest, or of the index of that.
    #[serde(rename = "containerimage.digest")]
    image: Digest,
}

impl Metadata {
    fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// The other ID of an image that buildx calls by its config, which an engine that keeps images in containerd does not know
    /// (github.com/docker/buildx, pull request 3952). None where this is of another image, such as of an earlier build.
    fn image(self, id: Digest) -> Option<Digest> {
        (self.config == id && self.image != id).then_some(self.image)
    }
}

/// Whose store a build of Docker's writes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    /// The engine's own, or the tool's: what was built is there by its ID.
    Own,
    /// None: buildx runs a BuildKit of its own, which keeps nothing.
    Apart,
}

impl Engine {
    /// Asks buildx which driver its builder has. `docker build` takes the engine's own builder whatever buildx uses, unless it is
    /// told another (`cmd/docker/builder.go` of github.com/docker/cli).
    fn of(command: &Command, children: &Children, environment: &Environment) -> Self {
        let is_classic = || environment.text("DOCKER_BUILDKIT").is_some_and(|kit| truth(kit) == Some(false));
        let is_told = || {
            command.builder().is_some()
                || environment.has("BUILDX_BUILDER")
                || builds_with_buildx(environment)
        };
        if !command.is_buildx() && (is_classic() || !is_told()) {
            return Self::Own;
        }
        let mut words = command.other(&["buildx", "inspect"]);
        words.extend(command.builder().cloned());
        let said = children.ask(&words).unwrap_or_default();
        let driver = said.lines().find_map(|line| line.strip_prefix("Driver:")).map(str::trim);
        if driver.is_none_or(|driver| driver == "docker") { Self::Own } else { Self::Apart }
    }
}

/// A store shows an image of one platform by its ID, and the others go unlooked.
fn one_platform(command: &Command, environment: &Environment) -> Result<(), Failure> {
    let default = environment.text("DOCKER_DEFAULT_PLATFORM").unwrap_or_default();
    if command.platforms(default).len() < 2 && !command.is_for_all_platforms()? {
        return Ok(());
    }
    Err(Failure::usage("this build is for several platforms, and only one of them could be gated").advise(
        "build for one at a time; a builder of buildx with a driver of its own takes several with --push (docker buildx create --use)",
    ))
}

fn no_image(why: &str) -> Failure {
    Failure::usage(format!("this build leaves no image that could be gated: {why}"))
        .advise("add --load, or --push to publish it after the gate")
}

/// Runs a command that must end well.
fn done(words: &[OsString], children: &Children) -> Result<(), Failure> {
    match children.run(words)? {
        0 => Ok(()),
        code => {
            Err(Failure::unfinished(format!("the gate passed, but `{}` ended with {code}", shown(words))))
        }
    }
}

/// As people read it: nobody's password.
fn shown(words: &[OsString]) -> String {
    let shown = |word: &OsString| {
        let text = word.display().to_string();
        if text.contains("://") { client::shown(&text) } else { text }
    };
    words.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// How to gate what was built: what the build's own command line says is as good as a flag, where there is none.
fn options(given: &GateOptions, plan: &Plan) -> GateOptions {
    let mut options = given.clone();
    let name = || plan.names.first().cloned();
    options.name = options.name.or_else(name);
    if options.base.dockerfile.is_none() {
        options.base.dockerfile.clone_from(&plan.dockerfile);
    }
    if options.base.dockerfile_target.is_none() {
        options.base.dockerfile_target.clone_from(&plan.target);
    }
    options
}
