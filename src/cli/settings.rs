//! Raw words made into values, once: flag > `STELLA_...` > `.stella.yaml` > default. Nothing else reads the
//! environment.

use std::{
    env, fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use etcetera::{BaseStrategy, choose_base_strategy};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use stella::{
    api::PolicyText,
    finding::Severity,
    layer::Limits,
    policy::{self, Policy},
};

use super::{
    args::{Gate, OnError, Source, Verify},
    exit::Failure,
    image::{EngineAddress, Options, Reference},
    output::Output,
};

/// The settings file of a checkout. Anyone who can open a pull request can edit it, so it holds nothing that says whom
/// to trust: no server, no credentials, no certificates, no `on-error`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Reports to write, `FORMAT[=FILE]` each.
    #[serde(default)]
    pub output: Vec<String>,
    /// Policy files, from the file's own directory.
    #[serde(default)]
    pub policy: Vec<PathBuf>,
    /// Fail on this severity or worse.
    pub fail_on: Option<Severity>,
    /// Platforms to gate, `os/architecture[/variant]` each.
    #[serde(default)]
    pub platform: Vec<String>,
    /// Layers analysed at a time.
    pub threads: Option<NonZero<usize>>,
    /// What to read again although it is known.
    pub verify: Option<Verify>,
    /// Print the latency ledger.
    pub timings: Option<bool>,
}

/// Name of the settings file, in the working directory.
const FILE: &str = ".stella.yaml";

/// Keys that people try, with the reason why they are not here.
const NEVER_IN_FILE: &[&str] = &[
    "server",
    "token",
    "on-error",
    "advisories",
    "allow-skipped",
    "cache-dir",
    "ca-certificate",
    "deadline",
];

impl File {
    /// Reads `.stella.yaml` in `directory`; the default where there is none.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::usage(format!("{FILE} cannot be read: {error}"))),
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(&text).map_err(|error| {
            let never = NEVER_IN_FILE.iter().find(|key| text.lines().any(|line| line.starts_with(&format!("{key}:"))));
            let failure = Failure::usage(format!("{FILE}: {error}"));
            match never {
                Some(key) => failure.advise(format!(
                    "`{key}` is never read from a file of the checkout, because a pull request could change it; use --{key} or a variable"
                )),
                None => failure,
            }
        })
    }
}

/// Where advisories come from when no server gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advisories {
    /// The snapshot that comes with the program.
    Demo,
    /// A compiled file.
    File(PathBuf),
}

impl Advisories {
    /// What the flag says, or the place in the user's data directory.
    pub fn new(flag: Option<&str>) -> Result<Self, Failure> {
        match flag {
            Some("demo") => Ok(Self::Demo),
            Some(path) => Ok(Self::File(path.into())),
            None => {
                let base = choose_base_strategy().map_err(|error| {
                    Failure::usage(format!("no place for the advisory database: {error}"))
                        .advise("give --advisories FILE")
                })?;
                Ok(Self::File(base.data_dir().join("stella").join("advisories.db")))
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
}

/// The server to ask.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its address.
    pub url: String,
    /// For each call, retries included.
    pub deadline: Duration,
}

impl SourceSettings {
    /// Resolves the source's part of a command line.
    pub fn new(args: &Source, file: &File) -> Result<Self, Failure> {
        let limits = limits(&args.limit)?;
        let reference = match args.image.parse::<Reference>() {
            Ok(reference) => reference,
            Err(never) => match never {},
        };
        let platforms = if args.platform.is_empty() { &file.platform } else { &args.platform };
        let threads = args.threads.and_then(NonZero::new).or(file.threads);
        let threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let deadline = Duration::from_secs(args.deadline.unwrap_or(60));
        let cache = match (&args.cache_dir, args.no_cache) {
            (_, true) => None,
            (Some(directory), false) => Some(directory.clone()),
            // Without a home there is no cache, and nothing else changes.
            (None, false) => choose_base_strategy().ok().map(|base| base.cache_dir().join("stella")),
        };
        Ok(Self {
            text: args.image.clone(),
            reference,
            options: Options {
                platforms: platforms
                    .iter()
                    .map(|text| text.parse())
                    .collect::<Result<_, _>>()
                    .map_err(Failure::usage)?,
                engine: EngineAddress {
                    host: env::var("DOCKER_HOST").ok(),
                    tls_verify: env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty()),
                    certificates: certificates(),
                },
                limits: limits.clone(),
            },
            server: args.server.clone().filter(|url| !url.is_empty()).map(|url| Server { url, deadline }),
            cache,
            threads,
            limits,
        })
    }
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

/// A number, in units of 1, 1024 (KB), 1024² (MB) or 1024³ (GB).
fn amount(text: &str) -> Option<u64> {
    let units = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];
    let unit = units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1_u64));
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `DOCKER_CERT_PATH`, or where Docker keeps its certificates.
fn certificates() -> Option<PathBuf> {
    let set = env::var_os("DOCKER_CERT_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    set.or_else(|| {
        let configured = env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        configured.or_else(|| choose_base_strategy().ok().map(|base| base.home_dir().join(".docker")))
    })
}

/// Everything `stella gate` works by.
#[derive(Debug)]
pub struct GateSettings {
    /// Which image, and how to get at it.
    pub source: SourceSettings,
    /// Reports to write.
    pub outputs: Vec<Output>,
    /// Texts of the policies; empty for the standard one.
    pub policies: Vec<PolicyText>,
    /// Names of what may be left out.
    pub allow_skipped: Vec<String>,
    /// Advisories when no server gives them.
    pub advisories: Advisories,
    /// Read every layer.
    pub verify_all: bool,
    /// What an unfinished gate means.
    pub on_error: OnError,
    /// Print the latency ledger.
    pub timings: bool,
    /// The moment the verdict is for.
    pub now: Timestamp,
}

impl GateSettings {
    /// Resolves the command line of `stella gate`.
    pub fn new(args: &Gate) -> Result<Self, Failure> {
        let file = File::read(Path::new(""))?;
        let outputs = if args.output.is_empty() { &file.output } else { &args.output };
        Ok(Self {
            source: SourceSettings::new(&args.source, &file)?,
            outputs: Output::parse_all(outputs)?,
            policies: policies(args, &file)?,
            allow_skipped: args.allow_skipped.clone(),
            advisories: Advisories::new(args.advisories.as_deref())?,
            verify_all: args.verify.or(file.verify) == Some(Verify::All),
            on_error: args.on_error,
            timings: args.timings || file.timings.unwrap_or_default(),
            now: now()?,
        })
    }
}

/// Reads and checks the policies here, so that a wrong one is a wrong call (exit 2) whoever judges.
fn policies(args: &Gate, file: &File) -> Result<Vec<PolicyText>, Failure> {
    let paths = if args.policy.is_empty() { &file.policy } else { &args.policy };
    let mut policies = Vec::new();
    for path in paths {
        policies.push(read_policy(path)?);
    }
    let fail_on = match &args.fail_on {
        Some(text) => Some(severity(text)?),
        None => file.fail_on,
    };
    if let Some(severity) = fail_on {
        let origin = format!("--fail-on {}", severity.as_str());
        policies.push(PolicyText { origin, text: policy::fail_on_text(severity) });
    }
    Ok(policies)
}

/// Reads one policy file and checks it.
pub fn read_policy(path: &Path) -> Result<PolicyText, Failure> {
    let origin = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("policy {origin} cannot be read: {error}")))?;
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
fn now() -> Result<Timestamp, Failure> {
    let seconds = match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.trim().parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
            Failure::usage(format!("SOURCE_DATE_EPOCH {text:?} is no number of seconds since 1970"))
        })?,
        Err(_) => Timestamp::now().as_second(),
    };
    Timestamp::from_second(seconds).map_err(|error| Failure::usage(format!("SOURCE_DATE_EPOCH: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema of `.stella.yaml` is committed; the others are held by `tests/schemas.rs`, which cannot see this one.
    #[test]
    fn the_schema_is_the_committed_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/stella-yaml.schema.json");
        let mut now = serde_json::to_string_pretty(&schemars::schema_for!(File)).unwrap();
        now.push('\n');
        if env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == now, "{} is out of date: run UPDATE_SCHEMAS=1 cargo test", path.display());
    }

    #[test]
    fn whom_to_trust_is_never_read_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for key in NEVER_IN_FILE {
            fs::write(directory.path().join(FILE), format!("{key}: x\n")).unwrap();
            let failure = File::read(directory.path()).unwrap_err();
            assert!(failure.advice.contains(&format!("--{key}")), "{failure:?}");
        }
        fs::write(directory.path().join(FILE), "fail-on: high\nthreads: 2\n").unwrap();
        let file = File::read(directory.path()).unwrap();
        assert_eq!((file.fail_on, file.threads), (Some(Severity::High), NonZero::new(2)));
    }

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
