//! Raw words made into values, once: flag > `STELLA_...` > `.stella.yaml` > default. Nothing else reads the
//! environment.

pub mod checkout;
mod ci;
mod dockerfile;
mod engine;
mod environment;
mod file;
mod home;
pub mod print;
mod proofs;
mod text;

use std::{
    convert::Infallible,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use stella::{
    api::PolicyText,
    feeds::amount,
    finding::Severity,
    layer::Limits,
    policy::{self, Policy},
    signer::Signer,
};

use super::{
    args::{GateOptions, Identity, OnError, Source, Verify},
    client::Server,
    exit::Failure,
    image::{Options, Reference, registry::Access},
    name,
    output::{Output, ReportFormat},
};

pub use super::args::Prefix;
pub use ci::Ci;
pub use dockerfile::{BaseSettings, Dockerfile};
pub use engine::builds_with_buildx;
pub use environment::Environment;
pub use file::File;
pub use home::cache as cache_directory;
pub use text::{Links, open_regular};

/// Where advisories come from when no server gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advisories {
    /// The snapshot that comes with the program.
    Demo,
    /// A compiled file.
    File(PathBuf),
    /// None is named, and the user has no directory to have one in.
    Nowhere,
}

impl Advisories {
    /// What the flag says, or the place in the user's data directory.
    pub fn new(flag: Option<&str>, environment: &Environment) -> Self {
        match flag {
            Some("demo") => Self::Demo,
            Some(path) => Self::File(path.into()),
            None => {
                home::data(environment).map_or(Self::Nowhere, |data| Self::File(data.join("advisories.db")))
            }
        }
    }
}

/// Which image, and how to get at it.
#[derive(Debug)]
pub struct SourceSettings {
    /// As the caller wrote it.
    pub text: String,
    /// Parsed.
    pub reference: Reference,
    /// For opening it.
    pub options: Options,
    /// The server, if one is asked.
    pub server: Option<Server>,
    /// Where fragments are kept; `None` for nowhere.
    pub cache: Option<PathBuf>,
    /// Layers analysed at a time.
    pub threads: usize,
    /// Bounds on what is read.
    pub limits: Limits,
    /// How long a server may let callers wait.
    pub max_wait: Duration,
    /// PEM files of authorities beside the system's.
    pub authorities: Vec<PathBuf>,
    /// What may prove who asks.
    pub identity: Identity,
    /// Those of the bounds that the caller set, as written.
    pub given_limits: Vec<String>,
}

/// Most layers analysed at a time, whoever asks for more.
const MOST_THREADS: u16 = 512;

impl SourceSettings {
    /// Resolves the source's part of a command line.
    pub fn new(image: &str, args: &Source, file: &File, environment: &Environment) -> Result<Self, Failure> {
        let limits = limits(&trimmed(&args.limit))?;
        let asked = args.threads.or(file.threads.map(|threads| threads.get().min(MOST_THREADS)));
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = asked.map_or_else(processors, usize::from);
        let deadline = Duration::from_secs(args.deadline.unwrap_or(60));
        let cache = match (&args.cache_dir, args.no_cache) {
            (_, true) => None,
            (Some(directory), false) => Some(directory.clone()),
            // Without a home there is no cache, and nothing else changes.
            (None, false) => home::cache(environment),
        };
        Ok(Self {
            text: image.to_owned(),
            reference: reference(image),
            options: Options {
                platforms: args
                    .platform
                    .iter()
                    .map(|text| text.trim().parse())
                    .collect::<Result<_, _>>()
                    .map_err(Failure::usage)?,
                engine: engine::address(environment),
                registry: Access {
                    deadline,
                    docker_config: docker_config(environment),
                    docker_auth_config: environment.text("DOCKER_AUTH_CONFIG").map(str::to_owned),
                    certificates: CERTIFICATES.iter().map(PathBuf::from).collect(),
                    authorities: args.ca.clone(),
                },
                limits: limits.clone(),
            },
            server: match args.server.clone().filter(|url| !url.is_empty()) {
                Some(url) => Some(Server {
                    url,
                    deadline,
                    max_wait: Duration::from_secs(args.max_wait),
                    authorities: args.ca.clone(),
                    proofs: proofs::of(args.identity, environment)?,
                    must_prove: args.identity == Identity::Oidc,
                }),
                None => None,
            },
            cache,
            threads,
            limits,
            max_wait: Duration::from_secs(args.max_wait),
            authorities: args.ca.clone(),
            identity: args.identity,
            given_limits: args.limit.clone(),
        })
    }
}

/// The image that is meant: the caller's, else the CI platform's.
pub fn image(given: Option<&str>, environment: &Environment) -> Result<String, Failure> {
    let of_platform = || Ci::of(environment).image.map(|said| said.text);
    given.filter(|image| !image.is_empty()).map(str::to_owned).or_else(of_platform).ok_or_else(|| {
        Failure::usage("no image is named")
            .advise("give IMAGE, such as docker:app:ci, or set STELLA_IMAGE; see stella gate --help")
    })
}

fn reference(text: &str) -> Reference {
    match text.parse() {
        Ok(reference) => reference,
        Err::<_, Infallible>(never) => match never {},
    }
}

/// Whoever writes a list puts spaces behind commas.
fn trimmed(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn limits(texts: &[String]) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for text in texts {
        let known = Limits::NAMES.join(", ");
        let set = text.split_once('=').and_then(|(name, value)| Some(limits.set(name, amount(value)?)));
        if set != Some(true) {
            return Err(Failure::usage(format!("--limit {text:?} is no limit"))
                .advise(format!("write NAME=N, NAME=NMB or NAME=NGB with one of: {known}")));
        }
    }
    Ok(limits)
}

/// `DOCKER_CONFIG`, or where Docker keeps its configuration.
fn docker_config(environment: &Environment) -> Option<PathBuf> {
    let configured = environment.path("DOCKER_CONFIG");
    configured.or_else(|| home::home(environment).map(|home| home.join(".docker")))
}

/// Where Docker and Podman look for the certificates of registries.
const CERTIFICATES: &[&str] = &["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// Everything `stella gate` works by.
#[derive(Debug)]
pub struct GateSettings {
    /// Which image, and how to get at it.
    pub source: SourceSettings,
    /// Reports to write.
    pub outputs: Vec<Output>,
    /// Whether findings that the policy ignores stand also where a report leaves them out.
    pub show_ignored: bool,
    /// Texts of the policies; empty for the standard one.
    pub policies: Vec<PolicyText>,
    /// Where to look for what the base image is.
    pub base: BaseSettings,
    /// What reports call the image, where the caller says it.
    pub name: Option<String>,
    /// The severity from which on the gate fails, where one is named.
    pub fail_on: Option<Severity>,
    /// Names of what may be left out.
    pub allow_skipped: Vec<String>,
    /// Advisories when no server gives them.
    pub advisories: Advisories,
    /// Whose SBOM of the image is taken for it.
    pub signers: Vec<Signer>,
    /// Read every layer.
    pub verify_all: bool,
    /// What an unfinished gate means.
    pub on_error: OnError,
    /// Print the latency ledger.
    pub timings: bool,
    /// The moment the verdict is for.
    pub now: Timestamp,
    /// What the CI platform says of the build.
    pub ci: Ci,
}

impl GateSettings {
    /// Whether a report is of what the image holds.
    pub fn wants_sbom(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output.format, ReportFormat::Sbom(_)))
    }

    /// The reports that a command line of `stella gate` asks for.
    pub fn outputs(args: &GateOptions) -> Result<Vec<Output>, Failure> {
        match args.reports.output.as_slice() {
            [] => File::read(Path::new(""))?.outputs(Path::new("")),
            given => Output::parse_all(given),
        }
    }

    /// Resolves the rest of the command line.
    pub fn new(
        image: &str,
        args: &GateOptions,
        outputs: Vec<Output>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let file = File::read(Path::new(""))?;
        Ok(Self {
            source: SourceSettings::new(image, &args.source, &file, environment)?,
            outputs,
            show_ignored: args.reports.show_ignored || file.show_ignored.unwrap_or_default(),
            policies: policies(args, &file)?,
            base: BaseSettings::new(&args.base, &file)?,
            name: name::given(args.name.as_deref())?,
            fail_on: args.fail_on.as_deref().map(severity).transpose()?.or(file.fail_on),
            allow_skipped: trimmed(&args.allow_skipped),
            advisories: Advisories::new(args.advisories.as_deref(), environment),
            signers: args
                .sbom_signer
                .iter()
                .map(|path| signer("--sbom-signer (STELLA_SBOM_SIGNER)", path))
                .collect::<Result<_, _>>()?,
            verify_all: args.verify.or(file.verify) == Some(Verify::All),
            on_error: args.on_error,
            timings: args.timings || file.timings.unwrap_or_default(),
            now: now(environment)?,
            ci: Ci::of(environment),
        })
    }
}

/// Reads and checks the policies here, so that a wrong one is a wrong call (exit 2) whoever judges.
///
/// Those of a flag or a variable replace the standard policy. Those of the checkout cannot: it stands beside them, and
/// the strictest decision wins.
fn policies(args: &GateOptions, file: &File) -> Result<Vec<PolicyText>, Failure> {
    let mut policies = match args.policy.as_slice() {
        [] => file.policies(Path::new(""))?,
        given => given.iter().map(|path| read_policy(path)).collect::<Result<_, _>>()?,
    };
    policies.extend(match &args.fail_on {
        Some(text) => {
            let severity = severity(text)?;
            let origin = format!("--fail-on {}", severity.as_str());
            Some(PolicyText { origin, text: policy::fail_on_text(severity) })
        }
        None => file.fail_on(),
    });
    if args.policy.is_empty() && args.fail_on.is_none() && !policies.is_empty() {
        policies.insert(0, file::floor());
    }
    Ok(policies)
}

/// Reads one policy file that the caller named, and checks it.
pub fn read_policy(path: &Path) -> Result<PolicyText, Failure> {
    let origin = path.display().to_string();
    let text = text::read(path, "policy", Links::Follow)
        .map_err(|error| Failure::usage(format!("policy {origin} {error}")))?;
    if path.ancestors().any(Path::is_symlink)
        && let Err(error) = Policy::parse(&origin, &text)
    {
        // A parser's words may quote the file, and a checkout can make any path of its own a link to a secret.
        let place = format!("{origin}:{}:{}", error.line, error.column);
        return Err(Failure::usage(format!("{place}: not a policy; what the link leads to is not shown"))
            .advise("check the file itself: stella policy check FILE"));
    }
    parse_policy(origin, text)
}

/// Reads one public key that the caller named; `flag` is how.
pub fn signer(flag: &str, path: &Path) -> Result<Signer, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::usage(format!("{flag} {} {why}", path.display()));
    let text = text::read(path, "signer", Links::Follow).map_err(|error| failed(&error))?;
    Signer::parse(path, &text).map_err(|error| failed(&error))
}

fn parse_policy(origin: String, text: String) -> Result<PolicyText, Failure> {
    Policy::parse(&origin, &text).map_err(Failure::usage)?;
    Ok(PolicyText { origin, text })
}

fn severity(text: &str) -> Result<Severity, Failure> {
    Severity::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or_else(|| {
        let known = Severity::ALL.map(Severity::as_str).join(", ");
        Failure::usage(format!("--fail-on {text:?} is no severity")).advise(format!("one of: {known}"))
    })
}

/// `SOURCE_DATE_EPOCH`, or the clock cut to seconds.
pub fn now(environment: &Environment) -> Result<Timestamp, Failure> {
    let seconds = match environment.text("SOURCE_DATE_EPOCH") {
        Some(text) => text.trim().parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
            Failure::usage(format!("SOURCE_DATE_EPOCH {text:?} is no number of seconds since 1970"))
        })?,
        None => Timestamp::now().as_second(),
    };
    Timestamp::from_second(seconds).map_err(|error| Failure::usage(format!("SOURCE_DATE_EPOCH: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_units() {
        let set = |text: &str| limits(&[text.to_owned()]);
        assert_eq!(set("layer-size=64GB").unwrap().layer_size_bytes, 64 << 30);
        assert_eq!(set("layer-entries=7").unwrap().layer_entries, 7);
        for wrong in ["layer=7", "layer-size", "layer-size=", "layer-size=-1", "layer-size=99999999999GB"] {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }
}
