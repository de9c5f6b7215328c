//! What the program is started as: by its own command line; by Docker's, as a plugin; by BuildKit, as a generator of SBOMs; by
//! Drone or Woodpecker, as a plugin. All but the first have no words of their own, and say by variables what they want.
//!
//! | role | is told by | does |
//! | --- | --- | --- |
//! | Docker's plugin | the program's name, `docker-stella` | the command line behind Docker's own flags |
//! | generator | `BUILDKIT_SCAN_DESTINATION`, and no words | `sbom` of each file system, each in a file of its own |
//! | plugin | any `PLUGIN_…`, and no words | `gate` |
//!
//! Docker: `cli-plugins/metadata` of github.com/docker/cli. BuildKit: `docs/attestations/sbom-protocol.md` and
//! `frontend/attestations/sbom/sbom.go` of github.com/moby/buildkit. Woodpecker: `docs/20-usage/51-plugins` of
//! github.com/woodpecker-ci/woodpecker.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    exit::Failure,
    settings::{Environment, Prefix},
};

/// Words that Docker asks a plugin by, and the answer.
const METADATA: &str = "docker-cli-plugin-metadata";
/// What the name of every plugin of Docker begins with.
const PLUGIN: &str = "docker-";

/// Where BuildKit wants the documents.
const DESTINATION: &str = "BUILDKIT_SCAN_DESTINATION";
/// The file system of what was built.
const SOURCE: &str = "BUILDKIT_SCAN_SOURCE";
/// A directory of more file systems: those of other stages, and what was built from.
const EXTRAS: &str = "BUILDKIT_SCAN_SOURCE_EXTRAS";
/// What was built from, among those: the one that is a directory of a project. All others are root file systems of images.
const CONTEXT: &str = "sbom-context";

/// What is wanted of the program.
#[derive(Debug)]
pub enum Role {
    /// Command lines, one after the other.
    Commands(Commands),
    /// To say what Docker wants to know of its plugins.
    Metadata,
}

/// What to run, and by which variables.
#[derive(Debug)]
pub struct Commands {
    /// Each with its words; the first is the program's name.
    pub lines: Vec<Vec<OsString>>,
    /// What the variables of settings begin with, beside `STELLA_`.
    pub prefix: Option<Prefix>,
    /// The variables that the program was started with, and what Docker's flags set.
    pub environment: Environment,
}

impl Role {
    /// Tells it by words and variables.
    pub fn of(words: Vec<OsString>, mut environment: Environment) -> Result<Self, Failure> {
        let program = words.first().map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
        if let Some(plugin) = program.and_then(|program| program.strip_prefix(PLUGIN)) {
            if words.get(1).is_some_and(|word| word == METADATA) {
                return Ok(Self::Metadata);
            }
            let plugin = plugin.to_owned();
            return behind_dockers_flags(&plugin, words, environment);
        }
        let (lines, prefix) = if words.len() > 1 {
            (vec![words], None)
        } else if let Some(destination) = environment.path(DESTINATION) {
            (documents(&destination, &environment)?, Some(Prefix::BUILDKIT))
        } else if environment.names(Prefix::PLUGIN.as_str()).next().is_some() {
            // The one setting that is a variable alone.
            if let Some(token) = environment.text("PLUGIN_TOKEN").map(str::to_owned)
                && !environment.has("STELLA_TOKEN")
            {
                environment.set("STELLA_TOKEN", token);
            }
            (vec![["stella", "gate"].map(OsString::from).into()], Some(Prefix::PLUGIN))
        } else {
            (vec![words], None)
        };
        Ok(Self::Commands(Commands { lines, prefix, environment }))
    }
}

/// A document for each file system that BuildKit mounted, named as it is (`docs/attestations/sbom-protocol.md` of github.com/moby/buildkit;
/// that each is a statement only its `exporter/attestation/unbundle.go` says). It says of an image what a gate of the image says.
fn documents(destination: &Path, environment: &Environment) -> Result<Vec<Vec<OsString>>, Failure> {
    let source = environment.path(SOURCE).ok_or_else(|| {
        Failure::usage(format!("{SOURCE} is not set: a generator of SBOMs is told by it what was built"))
    })?;
    let mut sources = vec![source];
    if let Some(extras) = environment.path(EXTRAS) {
        let failed = |error| Failure::unfinished(format!("{EXTRAS} {}: {error}", extras.display()));
        let entries =
            fs::read_dir(&extras).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut found: Vec<PathBuf> = match entries {
            // None, the protocol says.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(failed)?,
        };
        found.sort_unstable();
        sources.extend(found);
    }
    let line = |source: PathBuf| {
        let mut name = source.file_name().unwrap_or("sbom".as_ref()).to_owned();
        name.push(".spdx.json");
        let (mut image, mut output) = (OsString::from("dir:"), OsString::from("spdx-statement="));
        image.push(&source);
        output.push(destination.join(name));
        let words = [OsString::from("stella"), "sbom".into(), image, "--output".into(), output];
        let is_context = source.file_name() == Some(CONTEXT.as_ref());
        let rootfs = (!is_context).then(|| "--rootfs".into());
        // Nothing of a cache is left when the container ends. A stage without packages is no fault of the build; its document says
        // that none were found. A flag would hide the variable.
        let allowed =
            [environment.text("BUILDKIT_SCAN_ALLOW_SKIPPED"), environment.text("STELLA_ALLOW_SKIPPED")];
        let allowed =
            allowed.into_iter().flatten().next().map(|names| format!(",{names}")).unwrap_or_default();
        let flags: [OsString; 2] =
            ["--no-cache".into(), format!("--allow-skipped=no-packages{allowed}").into()];
        words.into_iter().chain(flags).chain(rootfs).collect()
    };
    Ok(sources.into_iter().map(line).collect())
}

/// What Docker wants to know of its plugins, in JSON.
pub fn metadata() -> String {
    let metadata = serde_json::json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "Stella",
        "Version": env!("CARGO_PKG_VERSION"),
        "ShortDescription": "Gate images by the vulnerabilities of their layers",
        "URL": env!("CARGO_PKG_REPOSITORY"),
    });
    format!("{metadata}\n")
}

/// Docker starts a plugin with its own global flags, then the plugin's name, then the words that are the plugin's.
fn behind_dockers_flags(
    plugin: &str,
    words: Vec<OsString>,
    environment: Environment,
) -> Result<Role, Failure> {
    let (program, rest) = words.split_at(words.len().min(1));
    let (environment, rest) = dockers_flags(rest, environment)?;
    // Started by hand, without the plugin's name, it is the command line all the same.
    let rest = rest.strip_prefix(&[OsString::from(plugin)]).unwrap_or(rest);
    let line = [program, rest].concat();
    Ok(Role::Commands(Commands { lines: vec![line], prefix: None, environment }))
}

/// Of Docker's global flags at the beginning of some words, those count that say which engine is meant and where Docker's
/// configuration lies: as variables. Gives also the words behind them.
pub fn dockers_flags(
    words: &[OsString],
    mut environment: Environment,
) -> Result<(Environment, &[OsString]), Failure> {
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        let Some(flag) = word.to_str().filter(|word| word.starts_with('-')) else { break };
        let (name, joined) = parted(flag);
        let takes = |value: Option<OsString>| match value {
            Some(value) => (value, behind),
            None => (behind.first().cloned().unwrap_or_default(), behind.get(1..).unwrap_or_default()),
        };
        rest = behind;
        match name {
            "-H" | "--host" | "-c" | "--context" | "--config" | "-l" | "--log-level" => {
                let (value, behind) = takes(joined);
                rest = behind;
                match name {
                    "-H" | "--host" => environment.set("DOCKER_HOST", value),
                    "-c" | "--context" => {
                        environment.set("DOCKER_CONTEXT", value);
                        environment.set("DOCKER_HOST", "");
                    }
                    "--config" => environment.set("DOCKER_CONFIG", value),
                    _ => {}
                }
            }
            "-D" | "--debug" => {}
            "--tls" | "--tlsverify" => {
                let is_off = joined.is_some_and(|value| value == "false" || value == "0");
                environment.set("DOCKER_TLS_VERIFY", if is_off { "" } else { "1" });
            }
            "--tlscacert" | "--tlscert" | "--tlskey" => {
                return Err(Failure::usage(format!("docker {name}: a file of its own is not taken here"))
                    .advise("set DOCKER_CERT_PATH to the directory of ca.pem, cert.pem and key.pem"));
            }
            // `--help`, `--version`: those of whoever is behind.
            _ => return Ok((environment, &words[words.len() - behind.len() - 1..])),
        }
    }
    Ok((environment, rest))
}

/// A flag and the value that is joined to it: `--host=X`, `-HX`, `-H=X`.
fn parted(flag: &str) -> (&str, Option<OsString>) {
    let short =
        ["-H", "-c", "-l"].into_iter().find(|short| flag.starts_with(short) && flag.len() > short.len());
    match (short, flag.split_once('=')) {
        (Some(short), _) => {
            let value = &flag[short.len()..];
            (short, Some(value.strip_prefix('=').unwrap_or(value).into()))
        }
        (None, Some((name, value))) => (name, Some(value.into())),
        (None, None) => (flag, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str], variables: &[(&str, &str)]) -> Role {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Role::of(words.iter().map(OsString::from).collect(), environment).unwrap()
    }

    #[test]
    fn words_beat_variables() {
        let plugin = [("PLUGIN_IMAGE", "a"), ("BUILDKIT_SCAN_DESTINATION", "")];
        for (words, variables, is_gate) in [
            (["stella", "gate"].as_slice(), plugin.as_slice(), false),
            (&["stella"], &plugin, true),
            (&["stella"], &[("PLUGIN_IMAGE", "")], false),
            (&["stella"], &[], false),
        ] {
            let Role::Commands(Commands { prefix, lines, .. }) = told(words, variables) else { panic!() };
            assert_eq!((prefix.is_some(), lines[0].len()), (is_gate, if is_gate { 2 } else { words.len() }));
        }
    }

    #[test]
    fn a_document_for_each_file_system() {
        let root = tempfile::tempdir().unwrap();
        for extra in ["sbom-build", "sbom-context"] {
            fs::create_dir(root.path().join(extra)).unwrap();
        }
        let variables = [
            (DESTINATION, "/run/out/"),
            (SOURCE, "/run/src/core/sbom"),
            (EXTRAS, root.path().to_str().unwrap()),
            ("PLUGIN_IMAGE", "a"),
        ];
        for (variables, names) in [(&variables[..2], 1), (&variables, 3)] {
            let Role::Commands(commands) = told(&["/stella"], variables) else { panic!() };
            assert_eq!((commands.lines.len(), commands.prefix), (names, Some(Prefix::BUILDKIT)));
            let line = &commands.lines[0];
            assert_eq!(
                line[1..5],
                ["sbom", "dir:/run/src/core/sbom", "--output", "spdx-statement=/run/out/sbom.spdx.json"]
            );
            assert_eq!(
                commands
                    .lines
                    .last()
                    .is_some_and(|line| line[4] == "spdx-statement=/run/out/sbom-context.spdx.json"),
                names == 3
            );
            // Only what was built from is a directory of a project.
            let rootfs = commands.lines.iter().filter(|line| line.contains(&"--rootfs".into()));
            assert_eq!(rootfs.count(), names.min(2));
        }
        let lost = Environment::from([(DESTINATION, "/run/out")]);
        assert!(Role::of(vec!["stella".into()], lost).unwrap_err().message.contains(SOURCE));
    }

    #[test]
    fn docker_starts_its_plugins_in_its_own_way() {
        assert!(matches!(told(&["/x/docker-stella", METADATA], &[]), Role::Metadata));
        let own = |words: &[&str]| {
            let Role::Commands(Commands { lines, environment, .. }) =
                told(words, &[("DOCKER_HOST", "unix:///a")])
            else {
                panic!()
            };
            let words: Vec<_> = lines[0].iter().cloned().map(|word| word.into_string().unwrap()).collect();
            (words.join(" "), environment.text("DOCKER_HOST").map(str::to_owned), environment)
        };
        let (words, host, environment) = own(&[
            "docker-stella",
            "--config",
            "d",
            "-D",
            "--host=tcp://b:1",
            "stella",
            "gate",
            "--host",
            "stella",
        ]);
        assert_eq!((&*words, host.as_deref()), ("docker-stella gate --host stella", Some("tcp://b:1")));
        assert_eq!(environment.text("DOCKER_CONFIG"), Some("d"));
        let (words, host, environment) = own(&["docker-stella", "--context", "c", "stella", "gate"]);
        assert_eq!((&*words, host), ("docker-stella gate", None));
        assert_eq!(environment.text("DOCKER_CONTEXT"), Some("c"));
        let (words, host, _) = own(&["docker-stella", "-Htcp://b:1", "--tlsverify=false", "stella", "gate"]);
        assert_eq!((&*words, host.as_deref()), ("docker-stella gate", Some("tcp://b:1")));
        assert_eq!(own(&["docker-stella.exe", "stella", "--help"]).0, "docker-stella.exe --help");
        assert_eq!(own(&["docker-stella", "gate", "a"]).0, "docker-stella gate a");
        let refused = Role::of(
            ["docker-stella", "--tlskey=k", "stella"].map(OsString::from).into(),
            Environment::default(),
        );
        assert!(refused.is_err());
    }
}
