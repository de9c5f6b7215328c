//! How to reach the container engine, as Docker's own program finds it: `DOCKER_HOST`, else the context that `DOCKER_CONTEXT`
//! or the user's configuration names, else the system's socket.
//!
//! Where a context lies: `cli/context/store` of github.com/docker/cli.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};
use stella::digest::Digest;

use super::{Environment, docker_config};
use crate::image::EngineAddress;

/// The context that stands for no context.
const DEFAULT: &str = "default";
/// Most bytes of a file of Docker's configuration.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Deserialize, Default)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The engine that is meant. Where a context cannot be read, whoever asks the engine is told so.
pub fn address(environment: &Environment) -> EngineAddress {
    let config = docker_config(environment);
    let set = EngineAddress {
        host: environment.text("DOCKER_HOST").map(str::to_owned),
        tls_verify: environment.has("DOCKER_TLS_VERIFY"),
        certificates: environment.path("DOCKER_CERT_PATH").or_else(|| config.clone()),
        unknown: None,
    };
    let Some(config) = config.filter(|_| set.host.is_none()) else { return set };
    let current = || {
        // One that cannot be read is said where registries need it.
        let config: Config = read(&config.join("config.json")).unwrap_or_default();
        config.current_context
    };
    let name = environment.text("DOCKER_CONTEXT").map_or_else(current, str::to_owned);
    if name.is_empty() || name == DEFAULT {
        return set;
    }
    // Its directory is called by the digest of its name, which therefore leads nowhere else.
    let id = Digest::of(name.as_bytes()).hex();
    let contexts = config.join("contexts");
    let context: Result<Context, _> = read(&contexts.join("meta").join(&id).join("meta.json"));
    match context {
        Ok(context) => {
            let certificates = contexts.join("tls").join(&id).join("docker");
            let has_certificates = certificates.is_dir();
            EngineAddress {
                host: Some(context.endpoints.docker.host).filter(|host| !host.is_empty()),
                tls_verify: has_certificates || set.tls_verify,
                certificates: if has_certificates { Some(certificates) } else { set.certificates },
                unknown: None,
            }
        }
        Err(error) => EngineAddress { unknown: Some(format!("Docker's context {name:?}: {error}")), ..set },
    }
}

/// Whether `docker build` is an alias for buildx's, as `docker buildx install` makes it.
pub fn builds_with_buildx(environment: &Environment) -> bool {
    let config = docker_config(environment).map(|config| config.join("config.json"));
    let config: Config = config.and_then(|path| read(&path).ok()).unwrap_or_default();
    config.aliases.get("builder").is_some_and(|alias| alias == "buildx")
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_context_is_as_good_as_a_host() {
        let config = tempfile::tempdir().unwrap();
        let id = Digest::of(b"far").hex();
        let meta = config.path().join("contexts/meta").join(&id);
        fs::create_dir_all(&meta).unwrap();
        let context = r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:2376","SkipTLSVerify":false}}}"#;
        fs::write(meta.join("meta.json"), context).unwrap();
        fs::write(config.path().join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
        let directory = config.path().to_str().unwrap();
        let of = |variables: &[(&str, &str)]| {
            let config = [("DOCKER_CONFIG", directory)];
            let environment =
                variables.iter().chain(&config).map(|(name, value)| (name.into(), value.into())).collect();
            address(&environment)
        };
        assert_eq!(of(&[]).host.as_deref(), Some("tcp://far:2376"));
        assert!(!of(&[]).tls_verify);
        assert_eq!(of(&[("DOCKER_HOST", "unix:///a")]).host.as_deref(), Some("unix:///a"));
        assert_eq!(of(&[("DOCKER_CONTEXT", "default")]).host, None);
        let unknown = of(&[("DOCKER_CONTEXT", "near")]);
        assert!(unknown.unknown.unwrap().starts_with("Docker's context \"near\": "));
        let tls = config.path().join("contexts/tls").join(&id).join("docker");
        fs::create_dir_all(&tls).unwrap();
        assert_eq!((of(&[]).tls_verify, of(&[]).certificates), (true, Some(tls)));
    }
}
