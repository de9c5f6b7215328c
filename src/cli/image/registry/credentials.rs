//! Who asks: credentials of Docker's `config.json`, its store, and its credential helpers.
//!
//! Formats: docker/cli `cli/config/configfile`, and the protocol of docker/docker-credential-helpers.

use std::{collections::BTreeMap, fmt, io::Read as _, path::Path, process::Stdio, time::Duration};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

use super::{Access, Name};
use crate::client::excerpt;

/// How Docker's own registry is called where credentials are kept.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// How it may be called where helpers are named.
const HUB_KEYS: [&str; 3] = [HUB_KEY, "index.docker.io", "docker.io"];

/// `configuration size`: bytes of one `config.json`.
const MOST_CONFIG_BYTES: u64 = 4 << 20;

/// Bytes of one answer of a helper; more are not read.
const MOST_HELPER_BYTES: u64 = 1 << 20;

/// How long a helper may take: some ask a cloud's service.
const HELPER_WAIT: Duration = Duration::from_secs(30);

/// The user name that says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What proves who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that is changed for others.
    Identity(String),
    /// A token as the registry itself takes it.
    Bearer(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Identity(_) => "Identity",
            Self::Bearer(_) => "Bearer",
        })
    }
}

/// What was found for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// `None` to ask anonymously.
    pub secret: Option<Secret>,
    /// As errors say it: `with …` or `without credentials: …`.
    pub tried: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ConfigJson {
    #[serde(default)]
    auths: BTreeMap<String, AuthJson>,
    #[serde(default)]
    creds_store: String,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct AuthJson {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperJson {
    username: String,
    secret: String,
}

/// Finds who asks, in the order of Docker's program: the variable, a helper for this registry, the store, the file itself.
///
/// What cannot be read or run leaves the caller anonymous, and `tried` says so: if that is not enough, the error will.
pub(super) async fn find(access: &Access, name: &Name) -> Credentials {
    let key = key(name);
    let mut why = String::new();
    if let Some(text) = &access.docker_auth_config {
        match parse(text.as_bytes()).map(|config| of(&config, name)) {
            Ok(Ok(Some(secret))) => {
                let tried = format!("with the credentials of {key} in DOCKER_AUTH_CONFIG");
                return Credentials { secret: Some(secret), tried };
            }
            Ok(Ok(None)) => {}
            Ok(Err(wrong)) => why = format!("DOCKER_AUTH_CONFIG has {wrong} for {key}, and "),
            Err(wrong) => why = format!("DOCKER_AUTH_CONFIG {wrong}, and "),
        }
    }
    let anonymous = |why: String| Credentials { secret: None, tried: format!("without credentials: {why}") };
    let Some(path) = access.docker_config.as_ref().map(|directory| directory.join("config.json")) else {
        return anonymous(format!("{why}there is no home directory with a .docker/config.json"));
    };
    let shown = path.display();
    let config = match read(&path) {
        Ok(Some(config)) => config,
        Ok(None) => return anonymous(format!("{why}there is no {shown}")),
        Err(wrong) => return anonymous(format!("{why}{shown} {wrong}")),
    };
    let helper = if name.is_hub() {
        HUB_KEYS.iter().find_map(|key| config.cred_helpers.get(*key))
    } else {
        config.cred_helpers.get(key)
    };
    let helper = helper.filter(|helper| !helper.is_empty()).or(Some(&config.creds_store));
    if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
        match ask(helper, key, HELPER_WAIT.min(access.deadline / 2)).await {
            Ok(Some(secret)) => {
                let tried =
                    format!("with the credentials of docker-credential-{helper}, which {shown} names");
                return Credentials { secret: Some(secret), tried };
            }
            Ok(None) => why += &format!("docker-credential-{helper} has none for {key}, and "),
            Err(error) => why += &format!("docker-credential-{helper} {error}, and "),
        }
    }
    match of(&config, name) {
        Ok(Some(secret)) => {
            Credentials { secret: Some(secret), tried: format!("with the credentials of {key} in {shown}") }
        }
        Err(wrong) => anonymous(format!("{why}{shown} has {wrong} for {key}")),
        Ok(None) => anonymous(format!("{why}{shown} has none for {key}")),
    }
}

/// What a configuration itself holds for a registry.
fn of(config: &ConfigJson, name: &Name) -> Result<Option<Secret>, &'static str> {
    let key = key(name);
    let same = || config.auths.iter().find(|(other, _)| host_of(other) == host_of(key));
    let entry = config.auths.get(key).or_else(|| same().map(|(_, auth)| auth));
    entry.map_or(Ok(None), secret)
}

/// What credentials of this registry are kept under.
pub(super) fn key(name: &Name) -> &str {
    if name.is_hub() { HUB_KEY } else { &name.registry }
}

/// Older programs wrote whole addresses.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match rest.split_once('/').map_or(rest, |(host, _)| host) {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

/// No error quotes the file: it holds secrets.
fn read(path: &Path) -> Result<Option<ConfigJson>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut bytes = Vec::new();
    let read = file.take(MOST_CONFIG_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_CONFIG_BYTES {
        return Err(format!("is larger than the limit `configuration size`, {MOST_CONFIG_BYTES} bytes"));
    }
    parse(&bytes).map(Some)
}

fn parse(bytes: &[u8]) -> Result<ConfigJson, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        format!("is no configuration of Docker (line {}, column {})", error.line(), error.column())
    })
}

fn secret(auth: &AuthJson) -> Result<Option<Secret>, &'static str> {
    if !auth.identitytoken.is_empty() {
        return Ok(Some(Secret::Identity(auth.identitytoken.clone())));
    }
    if !auth.registrytoken.is_empty() {
        return Ok(Some(Secret::Bearer(auth.registrytoken.clone())));
    }
    if auth.auth.is_empty() {
        let password = || Secret::Password { user: auth.username.clone(), password: auth.password.clone() };
        return Ok((!auth.username.is_empty()).then(password));
    }
    let indifferent = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, indifferent).decode(&auth.auth);
    let text =
        decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or("an `auth` that is no base64")?;
    // Older programs padded the password with zeroes.
    let (user, password) = text.split_once(':').ok_or("an `auth` that is no NAME:PASSWORD")?;
    let password = password.trim_matches('\0').to_owned();
    Ok(Some(Secret::Password { user: user.to_owned(), password }))
}

/// Runs `docker-credential-HELPER get`. `None` where it says that it has none.
async fn ask(helper: &str, key: &str, wait: Duration) -> Result<Option<Secret>, String> {
    if !helper.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err("is no name of a program".to_owned());
    }
    let mut command = Command::new(format!("docker-credential-{helper}"));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot be run: {error}"))?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let tell = async {
            if let Some(mut input) = input {
                // A helper that does not listen will say why.
                let _ = input.write_all(key.as_bytes()).await;
            }
        };
        let hear = async {
            if let Some(output) = output {
                let _ = output.take(MOST_HELPER_BYTES).read_to_end(&mut said).await;
            }
        };
        let mind = async {
            if let Some(errors) = errors {
                let _ = errors.take(MOST_HELPER_BYTES).read_to_end(&mut complained).await;
            }
        };
        let ((), (), (), status) = tokio::join!(tell, hear, mind, child.wait());
        (status, said, complained)
    };
    let Ok((status, said, complained)) = tokio::time::timeout(wait, talk).await else {
        return Err(format!("did not answer within {} ms", wait.as_millis()));
    };
    let status = status.map_err(|error| format!("cannot be waited for: {error}"))?;
    if status.success() {
        // Its answer is a secret, and never shown.
        let answer: HelperJson = serde_json::from_slice(&said).map_err(|_| {
            format!("gives an answer that is none of a credential helper{}", quoted(&complained))
        })?;
        return Ok(match (answer.username.as_str(), answer.secret) {
            (_, secret) if secret.is_empty() => None,
            (TOKEN_USER, secret) => Some(Secret::Identity(secret)),
            (user, password) => Some(Secret::Password { user: user.to_owned(), password }),
        });
    }
    // The protocol has errors on the standard output; only this one is known by its words.
    if String::from_utf8_lossy(&said).contains("credentials not found") {
        return Ok(None);
    }
    let words = if complained.is_empty() { said } else { complained };
    Err(format!("failed ({status}){}", quoted(&words)))
}

fn quoted(words: &[u8]) -> String {
    match excerpt(&String::from_utf8_lossy(words)) {
        text if text.is_empty() => String::new(),
        text => format!(", saying {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    async fn found(config: &str, registry: &str) -> Credentials {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        find(&at(directory.path()), &format!("{registry}/a/b").parse().unwrap()).await
    }

    fn at(directory: &Path) -> Access {
        Access { docker_config: Some(directory.to_owned()), ..Access::default() }
    }

    fn password(user: &str, password: &str) -> Option<Secret> {
        Some(Secret::Password { user: user.to_owned(), password: password.to_owned() })
    }

    #[tokio::test]
    async fn of_the_file() {
        let bob = STANDARD.encode("bob:s3:cret\0\0");
        let unpadded = STANDARD.encode("al:x").trim_end_matches('=').to_owned();
        let config = serde_json::json!({ "auths": {
            "r.io": { "auth": bob }, "https://old.io/v2/": { "auth": unpadded }, "plain.io:1": { "username": "u", "password": "p" },
            "token.io": { "auth": bob, "identitytoken": "i" }, "bearer.io": { "registrytoken": "b" }, "empty.io": {},
            "https://index.docker.io/v1/": { "auth": bob }, "bad.io": { "auth": "%" }, "colon.io": { "auth": "eA==" },
        }, "HttpHeaders": {} })
        .to_string();
        for (registry, secret) in [
            ("r.io", password("bob", "s3:cret")),
            ("old.io", password("al", "x")),
            ("plain.io:1", password("u", "p")),
            ("token.io", Some(Secret::Identity("i".to_owned()))),
            ("bearer.io", Some(Secret::Bearer("b".to_owned()))),
            ("docker.io", password("bob", "s3:cret")),
            ("empty.io", None),
            ("plain.io", None),
            ("bad.io", None),
            ("colon.io", None),
        ] {
            let found = found(&config, registry).await;
            assert_eq!(found.secret, secret, "{registry}");
            assert_eq!(
                found.tried.starts_with("with the credentials of"),
                secret.is_some(),
                "{}",
                found.tried
            );
            assert!(!format!("{found:?}").contains("s3:cret"), "{found:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_without_quoting_it() {
        let why = found(r#"{"auths": "s3cret"}"#, "r.io").await.tried;
        assert!(why.contains("line 1") && !why.contains("s3cret"), "{why}");
        let name = "r.io/a".parse().unwrap();
        assert!(find(&Access::default(), &name).await.tried.contains("no home"));
        let nosuch = at(Path::new("/nosuch"));
        assert!(find(&nosuch, &name).await.tried.contains("there is no /nosuch/config.json"));
        let variable = |text: &str| Access { docker_auth_config: Some(text.to_owned()), ..nosuch.clone() };
        let of_variable = r#"{"auths": {"r.io": {"username": "u", "password": "p"}}}"#;
        let found_there = find(&variable(of_variable), &name).await;
        assert_eq!(found_there.secret, password("u", "p"));
        assert!(found_there.tried.contains("DOCKER_AUTH_CONFIG"), "{}", found_there.tried);
        let why = find(&variable(r#"{"auths": "s3cret"}"#), &name).await.tried;
        assert!(why.contains("DOCKER_AUTH_CONFIG is no configuration") && why.contains("/nosuch"), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
        let why = found(r#"{"credsStore": "stella-nosuch"}"#, "r.io").await.tried;
        assert!(why.contains("docker-credential-stella-nosuch cannot be run"), "{why}");
        let why = found(r#"{"credHelpers": {"r.io": "../evil"}}"#, "r.io").await.tried;
        assert!(why.contains("no name of a program"), "{why}");
    }
}
