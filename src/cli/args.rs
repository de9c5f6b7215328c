//! The command line. Raw words only: [`super::settings`] makes them into values.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{
    ArgMatches, Args, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    ValueHint, parser::ValueSource,
};
use serde::Serialize;
use stella::{finding::Severity, report::plain};

use super::{
    exit::Failure,
    feeds::Feeds,
    log::{Level, Log},
    settings::Environment,
};

/// A gate for container images: asks which layers are new, analyses only those, applies a policy.
#[derive(Debug, Parser)]
#[command(
    name = "stella",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// When to colour: the terminal decides, and NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", env = "STELLA_COLOR")]
    pub color: Colour,
    /// Say less: errors, and why a gate failed
    #[arg(long, short, global = true, env = "STELLA_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub quiet: bool,
}

impl Cli {
    /// Parses the command line and its variables, and says where each setting has its value from; ends the program where it
    /// cannot be parsed.
    pub fn read(words: Vec<OsString>, environment: &Environment, prefix: Option<Prefix>) -> (Self, Origins) {
        let command = by_variables(Self::command(), environment, prefix);
        let parsed = command.clone().try_get_matches_from(&words).and_then(|matches| {
            let origins = Origins::of(&command, &matches);
            Ok((Self::from_arg_matches(&matches)?, origins))
        });
        parsed.unwrap_or_else(|error| ended(&error, &words, environment))
    }
}

/// What the variables of settings begin with, beside `STELLA_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix(&'static str);

impl Prefix {
    /// Those of a plugin of Drone or Woodpecker.
    pub const PLUGIN: Self = Self("PLUGIN_");
    /// Those of a generator of BuildKit.
    pub const BUILDKIT: Self = Self("BUILDKIT_SCAN_");

    /// It.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The variable beside one of ours.
    fn beside(self, own: &str) -> Option<String> {
        Some(format!("{}{}", self.0, own.strip_prefix("STELLA_")?))
    }
}

/// Says what is wrong with the words, or what was asked about them. It quotes them and variables, which may be the name of
/// somebody's branch: nothing of it acts.
fn ended(error: &clap::Error, words: &[OsString], environment: &Environment) -> ! {
    let variables = ["STELLA_", Prefix::PLUGIN.as_str(), Prefix::BUILDKIT.as_str()];
    let variables = variables.iter().flat_map(|prefix| environment.values(prefix));
    let mut quoted = words.iter().map(OsString::as_os_str).chain(variables);
    if error.use_stderr() && quoted.any(|text| matches!(plain(&text.to_string_lossy()), Cow::Owned(_))) {
        Log { level: Level::Quiet }.plain(error);
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// An empty variable is as good as none: CI systems pass inputs that nobody set as empty ones. Where one of ours is not set,
/// the one beside it is read.
fn by_variables(command: Clap, environment: &Environment, prefix: Option<Prefix>) -> Clap {
    command
        .mut_args(|arg| {
            let own = arg.get_env().and_then(OsStr::to_str).map(str::to_owned);
            let beside = own.as_ref().and_then(|own| prefix?.beside(own));
            let has = |name: &String| environment.has(name);
            let read = own.filter(has).or(beside.filter(has));
            match read {
                Some(name) => arg.env(name),
                None => arg.env(None::<&'static str>),
            }
        })
        .mut_subcommands(|command| by_variables(command, environment, prefix))
}

/// Where each setting of the command that was given has its value from: a flag, a variable; of what has none, nothing.
#[derive(Debug, Default)]
pub struct Origins(BTreeMap<String, String>);

impl Origins {
    fn of(command: &Clap, matches: &ArgMatches) -> Self {
        let Some((name, matches)) = matches.subcommand() else { return Self::default() };
        let args = command.find_subcommand(name).into_iter().flat_map(Clap::get_arguments);
        let of = |arg: &clap::Arg| {
            let long = arg.get_long();
            let origin = match matches.value_source(arg.get_id().as_str())? {
                ValueSource::CommandLine => {
                    long.map_or("the command line".to_owned(), |long| format!("--{long}"))
                }
                ValueSource::EnvVariable => arg.get_env()?.to_str()?.to_owned(),
                _ => return None,
            };
            Some((long.unwrap_or(arg.get_id().as_str()).to_owned(), origin))
        };
        Self(args.filter_map(of).collect())
    }

    /// Where the setting of this name has its value from.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A setting of `stella gate`, as its flag has it.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// The flag's name; of the image, which has none, `image`.
    pub name: String,
    /// The variable.
    pub variable: String,
    /// What it is for.
    pub help: String,
    /// Whether it only is there or not.
    pub switch: bool,
    /// Whether it repeats; commas part its values in the variable.
    pub repeats: bool,
    /// The values that it may have; none for any.
    pub values: Vec<String>,
    /// The value where nobody gives one; empty where that is not one value.
    pub default: String,
}

/// Every setting of `stella gate`, in the order of its help.
pub fn settings_of_gate() -> Vec<Setting> {
    let command = Cli::command();
    let args = command.find_subcommand("gate").into_iter().flat_map(Clap::get_arguments);
    let setting = |arg: &clap::Arg| {
        let switch = !arg.get_action().takes_values();
        let values = arg.get_possible_values().into_iter().filter(|_| !switch);
        let values = values.map(|value| value.get_name().to_owned());
        // A wrong one is told after the reports are known, so that they say so too: clap does not know these.
        let severities = Severity::ALL
            .iter()
            .filter(|_| arg.get_id() == "fail_on")
            .map(|severity| severity.as_str().to_owned());
        let defaults = arg.get_default_values().iter().filter(|_| !switch);
        Some(Setting {
            name: arg.get_long().unwrap_or(arg.get_id().as_str()).to_owned(),
            variable: arg.get_env()?.to_str()?.to_owned(),
            help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
            switch,
            repeats: matches!(arg.get_action(), clap::ArgAction::Append),
            values: values.chain(severities).collect(),
            default: defaults.filter_map(|value| value.to_str()).collect::<Vec<_>>().join(","),
        })
    };
    args.filter_map(setting).collect()
}

/// Variables of a plugin that are no settings: a wrong word must not look like a setting that was heeded.
pub fn no_settings(environment: &Environment) -> Result<(), Failure> {
    let settings = settings_of_gate();
    let is_setting =
        |name: &str| settings.iter().any(|setting| setting.variable.strip_prefix("STELLA_") == Some(name));
    // Those are of every command, and of none.
    let known = |name: &str| ["COLOR", "QUIET", "TOKEN"].contains(&name) || is_setting(name);
    let Some(wrong) = environment.names(Prefix::PLUGIN.as_str()).find(|name| !known(name)) else {
        return Ok(());
    };
    let names = settings.iter().map(|setting| setting.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(Failure::usage(format!("PLUGIN_{wrong} is no setting")).advise(format!("one of: {names}")))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Gate an image: exit 0 passes, 1 fails, 2 the call is wrong, 3 could not look
    #[command(after_long_help = GATE_HELP)]
    Gate(Box<Gate>),
    /// Run a build, then gate what it built: exits as the build where that fails, else as the gate
    #[command(after_long_help = BUILD_HELP)]
    Build(Box<Build>),
    /// Write a report that was kept as JSON in its other forms; gates nothing: exit 0 whatever the verdict
    Convert(Convert),
    /// Write what an image holds as an SBOM: exit 3 where it was not looked at in full
    Sbom(Box<Sbom>),
    /// The delta as a table: which layers are known, which are not
    Layers(Layers),
    /// Check policies
    #[command(subcommand)]
    Policy(Policy),
    /// The embedded advisory database
    #[command(subcommand)]
    Feeds(Feeds),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory, one for each command
    #[command(hide = true)]
    Man {
        /// The directory
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Every setting of the gate, a JSON line each: what the Action and the components are held against
    #[command(hide = true)]
    Settings,
    /// Look inside; for tests and bug reports
    #[command(subcommand, hide = true)]
    Debug(Debug),
}

const GATE_HELP: &str = "\
IMAGE is one of
  docker:REF            an image of the Docker engine (DOCKER_HOST is honoured)
  registry:REF          an image of a registry (credentials as `docker login` keeps them)
  oci:DIR[:TAG]         an OCI layout
  oci-archive:FILE[:TAG]  an OCI layout in a tar
  docker-archive:FILE   what `docker save` wrote
  dir:PATH              a root file system
  sbom:FILE             an SBOM instead of the image: CycloneDX, SPDX 2, Syft's JSON, Trivy's JSON
  or a bare word: an existing path, else an image of the Docker engine, else of a registry; a word that is a path \
and an image of the engine is refused.

Exit codes
  0  the gate passed (warnings allowed)
  1  the gate failed: the last lines on stderr say which rule and which findings
  2  the call is wrong: flags, configuration, policy file
  3  could not finish or could not look; never a silent pass

Every option has a variable, STELLA_ and its name; an empty one is as good as none. Where an option repeats, commas \
part what it takes, in a flag and in a variable. A flag beats a variable beats the \
file .stella.yaml of the working directory, which can only tighten the verdict: its keys are output, policy, fail-on, \
dockerfile, dockerfile-target, threads, verify, timings and show-ignored. --print-settings says what came of it.

Which layers are the base image's is told by --base, else by the Dockerfile, else by the digest that the image's \
annotations or labels name (of the same registry), else guessed from its history. One that does not fit the image is \
said, and the next is asked; no verdict depends on it.";

const BUILD_HELP: &str = "\
COMMAND is docker build, docker buildx build, docker image build, podman build or buildah build, with its own arguments, behind \
`--`. What it says of the image counts for the gate: --tag as --name, --file as --dockerfile, --target as --dockerfile-target.

Nothing is published before the gate: what buildx would --push or --load is written into a file, gated, and then the very \
same bytes are pushed or loaded. What is pushed is gated for every platform: --platform is refused there. A build that leaves no image, with a buildx driver of its own and neither --load nor --push, is refused.

Exit codes: the build's own if it fails, and nothing is gated; else those of `stella gate`.";

/// Which image.
#[derive(Debug, Args)]
pub struct Image {
    /// The image: docker:REF, registry:REF, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, dir:PATH, sbom:FILE, or a
    /// bare word [default: the one that the CI platform names]
    #[arg(value_name = "IMAGE", value_hint = ValueHint::AnyPath, env = "STELLA_IMAGE")]
    pub image: Option<String>,
}

/// How to get at an image.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// Gate only these platforms of an index, such as linux/arm64; repeats [default: all that can run]
    #[arg(long, value_name = "OS/ARCH", env = "STELLA_PLATFORM", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Ask this server which layers are new, instead of the cache of this machine
    #[arg(long, value_name = "URL", env = "STELLA_SERVER", value_hint = ValueHint::Url)]
    pub server: Option<String>,
    /// Give up on a call to the server or a registry after this many seconds, its retries included [default: 60]
    #[arg(long, value_name = "SECONDS", env = "STELLA_DEADLINE")]
    pub deadline: Option<u64>,
    /// How long a server may let this job wait that has used up its quota, in seconds: beyond it the server counts as unreachable
    #[arg(long, value_name = "SECONDS", env = "STELLA_MAX_WAIT", default_value_t = 120)]
    pub max_wait: u64,
    /// What proves to the server who asks: the CI platform's word, else STELLA_TOKEN, else nothing; or only the word, only the token, or nothing
    #[arg(long, value_enum, value_name = "WHO", default_value_t = Identity::Auto, env = "STELLA_IDENTITY")]
    pub identity: Identity,
    /// A PEM file of authorities that the server and registries may be certified by, beside the system's; repeats
    #[arg(long, value_name = "FILE", env = "STELLA_CA", value_hint = ValueHint::FilePath, value_delimiter = ',')]
    pub ca: Vec<PathBuf>,
    /// Keep analysed layers here [default: the user's cache directory]
    #[arg(long, value_name = "DIR", env = "STELLA_CACHE_DIR", value_hint = ValueHint::DirPath)]
    pub cache_dir: Option<PathBuf>,
    /// Neither read nor write the cache of this machine
    #[arg(long, env = "STELLA_NO_CACHE", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_cache: bool,
    /// Set one of the limits that protect against hostile images, such as layer-size=64GB; repeats
    #[arg(long, value_name = "NAME=N", env = "STELLA_LIMIT", value_delimiter = ',')]
    pub limit: Vec<String>,
    /// Layers analysed at a time, 1 to 512 [default: the processors]
    #[arg(long, value_name = "N", env = "STELLA_THREADS", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
}

/// Where to look for what the base image is.
#[derive(Debug, Clone, Args)]
pub struct Base {
    /// The Dockerfile that the image was built from: says the line of each layer and which are the base image's, if it agrees
    /// with the image's history [default: Dockerfile or Containerfile of the working directory, where it agrees]
    #[arg(long, value_name = "FILE", env = "STELLA_DOCKERFILE", value_hint = ValueHint::FilePath)]
    pub dockerfile: Option<PathBuf>,
    /// The stage of the Dockerfile that was built, by name or number [default: the last]
    #[arg(long, value_name = "STAGE", env = "STELLA_DOCKERFILE_TARGET")]
    pub dockerfile_target: Option<String>,
    /// The base image, as IMAGE is given: its layers are the base image's, if the image begins with all of them
    #[arg(long, value_name = "IMAGE", env = "STELLA_BASE", value_hint = ValueHint::AnyPath)]
    pub base: Option<String>,
}

/// Which reports, and what stands in them.
#[derive(Debug, Clone, Args)]
pub struct Reports {
    /// Write a report to FILE or to stdout: table, json, sarif, junit, gitlab (schema 15.1; also gitlab-15.0 and
    /// gitlab-15.2), codequality, markdown, github (annotations of a workflow), metrics or dotenv; the gate also cyclonedx (1.6),
    /// cyclonedx-1.5 or spdx (2.3); repeats [default: table]
    #[arg(long, short, value_name = "FORMAT[=FILE]", env = "STELLA_OUTPUT", value_delimiter = ',')]
    pub output: Vec<String>,
    /// Findings that the policy ignores stand in the table and in SARIF too, there marked as suppressed: GitHub opens an alert for each
    #[arg(long, env = "STELLA_SHOW_IGNORED", value_parser = clap::builder::FalseyValueParser::new())]
    pub show_ignored: bool,
}

#[derive(Debug, Args)]
pub struct Convert {
    /// What `stella gate -o json=FILE` wrote; `-` reads stdin
    #[arg(value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub report: PathBuf,
    #[command(flatten)]
    pub reports: Reports,
}

#[derive(Debug, Args)]
pub struct Gate {
    #[command(flatten)]
    pub image: Image,
    #[command(flatten)]
    pub options: GateOptions,
    /// Print each setting with its value and where that comes from, and gate nothing
    #[arg(long)]
    pub print_settings: bool,
}

#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    pub options: GateOptions,
    /// The build: docker build, docker buildx build, podman build or buildah build, with its own arguments
    #[arg(value_name = "COMMAND", last = true, required = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// How to gate an image.
#[derive(Debug, Clone, Args)]
pub struct GateOptions {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub reports: Reports,
    /// A policy file; repeats, and the strictest decision wins [default: fail on critical and high with a fix]
    #[arg(long, value_name = "FILE", env = "STELLA_POLICY", value_hint = ValueHint::FilePath, value_delimiter = ',')]
    pub policy: Vec<PathBuf>,
    /// Fail on this severity or worse, fixed or not: critical, high, medium, low, negligible, unknown
    #[arg(long, value_name = "SEVERITY", env = "STELLA_FAIL_ON")]
    pub fail_on: Option<String>,
    #[command(flatten)]
    pub base: Base,
    /// What reports call the image, whatever file it lies in: alerts are kept apart by it, so it is the same in every build
    /// [default: its name, what an archive or layout says, or the path]
    #[arg(long, value_name = "NAME", env = "STELLA_NAME")]
    pub name: Option<String>,
    /// Pass although this was not looked at, by its NAME in the report's `skipped`, or NAME:WHAT for one; repeats
    #[arg(long, value_name = "NAME", env = "STELLA_ALLOW_SKIPPED", value_delimiter = ',')]
    pub allow_skipped: Vec<String>,
    /// The compiled advisories, or `demo` for the small dated snapshot that comes with the program
    #[arg(long, value_name = "FILE|demo", env = "STELLA_ADVISORIES", value_hint = ValueHint::FilePath)]
    pub advisories: Option<String>,
    /// A public key, a PEM file kept outside of the checkout: an SBOM attested with the image that it signed for this very
    /// manifest is taken for the image, and no layer is read; repeats
    #[arg(long, value_name = "FILE", env = "STELLA_SBOM_SIGNER", value_hint = ValueHint::FilePath, value_delimiter = ',')]
    pub sbom_signer: Vec<PathBuf>,
    /// What of the image to read again although it is known
    #[arg(long, value_enum, value_name = "WHAT", env = "STELLA_VERIFY")]
    pub verify: Option<Verify>,
    /// What to do when the gate could not finish: `fail` exits 3, `warn` exits 0 with a loud warning
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnError::Fail, env = "STELLA_ON_ERROR")]
    pub on_error: OnError,
    /// Print the latency ledger: phases, hits and misses
    #[arg(long, env = "STELLA_TIMINGS", value_parser = clap::builder::FalseyValueParser::new())]
    pub timings: bool,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Only what nobody has verified yet
    New,
    /// Every layer
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Identity {
    /// The CI platform's word, else the token, else nothing
    Auto,
    /// The CI platform's word alone
    Oidc,
    /// The token alone
    Token,
    /// Nothing
    Anonymous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    Fail,
    Warn,
}

#[derive(Debug, Args)]
pub struct Sbom {
    #[command(flatten)]
    pub image: Image,
    #[command(flatten)]
    pub source: Source,
    /// Write an SBOM: cyclonedx (1.6), cyclonedx-1.5, spdx (2.3) or spdx-statement (SPDX in an in-toto statement, as BuildKit attaches it),
    /// to FILE or to stdout; repeats [default: cyclonedx]
    #[arg(long, short, value_name = "FORMAT[=FILE]", env = "STELLA_SBOM_OUTPUT", value_delimiter = ',')]
    pub output: Vec<String>,
    #[command(flatten)]
    pub base: Base,
    /// What the SBOM calls the image, whatever file it lies in [default: its name, what an archive or layout says, or the path]
    #[arg(long, value_name = "NAME", env = "STELLA_NAME")]
    pub name: Option<String>,
    /// Exit 0 although this was not looked at, by its name in the SBOM's `stella:skipped`; repeats
    #[arg(long, value_name = "NAME", env = "STELLA_ALLOW_SKIPPED", value_delimiter = ',')]
    pub allow_skipped: Vec<String>,
    /// The directory is an image's root file system: its lock files are reported and not counted, as those of an image
    #[arg(long, hide = true)]
    pub rootfs: bool,
}

#[derive(Debug, Args)]
pub struct Layers {
    #[command(flatten)]
    pub image: Image,
    #[command(flatten)]
    pub source: Source,
}

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Say whether policy files are valid, and where not
    Check {
        /// The files
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Debug {
    /// Every entry of the merged image, a JSON line each
    Listing(Layers),
    /// The packages of the merged image, a JSON line each; exit 3 where it was not looked at in full, which stderr says
    Inventory(Layers),
    /// The bills of materials that statements make of the image, a JSON line each, without the bills
    Attested(Layers),
}
