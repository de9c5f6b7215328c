//! `.stella.yaml`: the settings file of a checkout. Anyone who can open a pull request can edit it, so it holds nothing
//! that says whom to trust, it can only tighten the verdict, and what it names stays inside the checkout.

use std::{
    fs, io,
    num::NonZero,
    path::{Component, Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stella::{
    api::PolicyText,
    finding::Severity,
    policy::{self, Policy},
};

use super::{
    Dockerfile, parse_policy,
    text::{self, Links},
};
use crate::{args::Verify, exit::Failure, output::Output};

/// Name of the settings file, in the working directory.
pub const NAME: &str = ".stella.yaml";

/// Keys that people try, with a flag of the same name.
const NEVER: &[&str] = &[
    "server",
    "on-error",
    "advisories",
    "allow-skipped",
    "base",
    "ca",
    "cache-dir",
    "no-cache",
    "deadline",
    "identity",
    "limit",
    "max-wait",
    "name",
    "platform",
    "sbom-signer",
];

/// What a checkout may say.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Reports to write, `FORMAT[=FILE]` each; files are of the checkout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// Policy files of the checkout, beside the standard policy: the strictest decision wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<PathBuf>,
    /// Fail on this severity or worse, beside the standard policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_on: Option<Severity>,
    /// The Dockerfile of the checkout that the image was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<PathBuf>,
    /// The stage of the Dockerfile that was built, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile_target: Option<String>,
    /// Layers analysed at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZero<u16>>,
    /// What to read again although it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Print the latency ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<bool>,
    /// Findings that the policy ignores stand in SARIF too, marked as suppressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_ignored: Option<bool>,
}

impl File {
    /// Reads `.stella.yaml` in `directory`; the default where there is none.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let text = match text::read(&directory.join(NAME), "settings", Links::Refuse) {
            Ok(text) => text,
            Err(error) if error.is_absent() => return Ok(Self::default()),
            Err(error) => return Err(Failure::usage(format!("{NAME} {error}"))),
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(&text).map_err(|error| {
            let failure = Failure::usage(format!("{NAME}: {error}"));
            match NEVER.iter().find(|key| text.lines().any(|line| line.starts_with(&format!("{key}:")))) {
                Some(key) => failure.advise(format!(
                    "`{key}` is never read from a file of the checkout, because a pull request could change it; use --{key} or a variable"
                )),
                None => failure,
            }
        })
    }

    /// Names of the settings that it has a value for.
    pub fn keys(&self) -> Vec<String> {
        let keys = serde_json::to_value(self).ok().and_then(|value| value.as_object().cloned());
        keys.into_iter().flatten().map(|(key, _)| key).collect()
    }

    /// Its reports, all inside `directory`.
    pub fn outputs(&self, directory: &Path) -> Result<Vec<Output>, Failure> {
        let outputs = Output::parse_all(&self.output).map_err(|failure| Failure {
            message: format!("{NAME}: output: {}", failure.message),
            ..failure
        })?;
        for path in outputs.iter().filter_map(|output| output.file.as_deref()) {
            writable(directory, path).map_err(|why| {
                Failure::usage(format!("{NAME}: output: {} {why}", path.display()))
                    .advise("a file of the checkout may only write inside the checkout; give this report with -o FORMAT=FILE")
            })?;
        }
        Ok(outputs)
    }

    /// The texts of its policies, all inside `directory`. Each origin says that the checkout named it.
    pub fn policies(&self, directory: &Path) -> Result<Vec<PolicyText>, Failure> {
        let read = |path: &PathBuf| {
            let text = read_inside(directory, path, "policy").map_err(|why| {
                Failure::usage(format!("{NAME}: policy: {} {why}", path.display()))
                    .advise("a file of the checkout may only name policies inside the checkout; give this one with --policy FILE")
            })?;
            parse_policy(format!("{NAME}: {}", path.display()), text)
        };
        self.policy.iter().map(read).collect()
    }

    /// The text of its Dockerfile, inside `directory`.
    pub fn dockerfile(&self, directory: &Path) -> Result<Option<Dockerfile>, Failure> {
        let Some(path) = &self.dockerfile else { return Ok(None) };
        let origin = format!("{NAME}: dockerfile: {}", path.display());
        let text = read_inside(directory, path, "dockerfile").map_err(|why| {
            Failure::usage(format!("{origin} {why}"))
                .advise("a file of the checkout may only name one inside the checkout; give this one with --dockerfile FILE")
        })?;
        Ok(Some(Dockerfile { origin, path: directory.join(path), text, given: true, of_caller: false }))
    }

    /// Its `fail-on` as a policy.
    pub fn fail_on(&self) -> Option<PolicyText> {
        let severity = self.fail_on?;
        let origin = format!("{NAME}: fail-on {}", severity.as_str());
        Some(PolicyText { origin, text: policy::fail_on_text(severity) })
    }
}

/// The policy that a checkout's own ones stand beside.
pub fn floor() -> PolicyText {
    PolicyText { origin: Policy::standard().origin, text: policy::STANDARD.to_owned() }
}

/// Reads a file that a file of the checkout names: with every link resolved, it must lie inside `directory`.
fn read_inside(directory: &Path, path: &Path, what: &'static str) -> Result<String, String> {
    let failed = |error: text::Error| error.to_string();
    let whole = directory.join(path).canonicalize().map_err(|error| failed(error.into()))?;
    if !whole.starts_with(root(directory).map_err(|error| failed(error.into()))?) {
        return Err("leads out of the working directory".to_owned());
    }
    text::read(&whole, what, Links::Refuse).map_err(failed)
}

fn root(directory: &Path) -> io::Result<PathBuf> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    here.canonicalize()
}

/// Says why a report of the checkout's own choice may not be written to `path`: it must stay inside `directory`, with
/// every link resolved, and replace nothing but a regular file.
fn writable(directory: &Path, path: &Path) -> Result<(), String> {
    if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err("is absolute or holds `..`".to_owned());
    }
    // What git keeps is run and believed by the next command; file systems that fold case have it under any.
    if path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git")) {
        return Err("lies in git's own directory".to_owned());
    }
    let system = |error: io::Error| format!("cannot be looked up: {error}");
    let root = root(directory).map_err(system)?;
    let whole = root.join(path);
    match fs::symlink_metadata(&whole) {
        Ok(found) if !found.is_file() => return Err("is there already, and no regular file".to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(system(error)),
    }
    // Directories that are not there yet are made as they are written; the last that is there decides.
    let there = whole.ancestors().skip(1).find(|parent| fs::symlink_metadata(parent).is_ok());
    let there = there.unwrap_or(&root).canonicalize().map_err(system)?;
    if there.starts_with(&root) { Ok(()) } else { Err("leads out of the working directory".to_owned()) }
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
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == now, "{} is out of date: run UPDATE_SCHEMAS=1 cargo test", path.display());
    }

    #[test]
    fn whom_to_trust_is_never_read_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for key in NEVER {
            fs::write(directory.path().join(NAME), format!("{key}: x\n")).unwrap();
            let failure = File::read(directory.path()).unwrap_err();
            assert!(failure.advice.contains(&format!("--{key}")), "{failure:?}");
        }
        fs::write(directory.path().join(NAME), "fail-on: high\nthreads: 2\n").unwrap();
        let file = File::read(directory.path()).unwrap();
        assert_eq!((file.fail_on, file.threads), (Some(Severity::High), NonZero::new(2)));
    }

    #[test]
    fn the_floor_is_the_standard_policy() {
        let PolicyText { origin, text } = floor();
        assert_eq!(Policy::parse(&origin, &text).unwrap(), Policy::standard());
    }

    #[cfg(unix)]
    #[test]
    fn reports_and_policies_stay_inside() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(outside.path().join("p.yaml"), policy::STANDARD).unwrap();
        fs::write(at("p.yaml"), policy::STANDARD).unwrap();
        fs::create_dir(at("in")).unwrap();
        symlink(outside.path(), at("out")).unwrap();
        symlink(outside.path().join("not-yet"), at("dangling")).unwrap();
        symlink("in", at("back")).unwrap();
        symlink("p.yaml", at("link.yaml")).unwrap();
        symlink(outside.path().join("p.yaml"), at("out.yaml")).unwrap();
        let absolute = at("r.json").display().to_string();
        for (path, fine) in [
            ("r.json", true),
            ("./in/r.json", true),
            ("new/deep/r.json", true),
            ("back/r.json", true),
            ("p.yaml", true),
            (&absolute, false),
            ("../r.json", false),
            ("in/../r.json", false),
            ("out/r.json", false),
            ("out/new/r.json", false),
            ("dangling/r.json", false),
            ("dangling", false),
            ("link.yaml", false),
            ("in", false),
        ] {
            let file = File { output: vec![format!("json={path}")], ..File::default() };
            let found = file.outputs(directory.path());
            assert_eq!(found.is_ok(), fine, "{path}: {found:?}");
            assert!(
                found.map_or_else(|f| f.message.contains(path) && f.advice.contains("-o"), |_| true),
                "{path}"
            );
        }
        for (path, fine) in [
            ("p.yaml", true),
            ("link.yaml", true),
            ("out.yaml", false),
            ("out/p.yaml", false),
            ("/etc/passwd", false),
        ] {
            let file = File { policy: vec![path.into()], ..File::default() };
            let found = file.policies(directory.path());
            assert_eq!(found.is_ok(), fine, "{path}: {found:?}");
        }
    }
}
