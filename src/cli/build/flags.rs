//! How a build's tools write flags: which take a value, and where it stands.

use std::ffi::OsString;

use crate::exit::Failure;

/// Flags before and between those words that take the next word: of Docker, of buildx, then of Podman and Buildah.
const WITH_VALUE: [&str; 30] = [
    "--config",
    "--context",
    "-c",
    "--host",
    "-H",
    "--log-level",
    "-l",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--builder",
    "--timeout",
    "--cgroup-manager",
    "--conmon",
    "--connection",
    "--events-backend",
    "--hooks-dir",
    "--identity",
    "--imagestore",
    "--module",
    "--network-cmd-path",
    "--network-config-dir",
    "--root",
    "--runroot",
    "--runtime",
    "--storage-driver",
    "--storage-opt",
    "--tmpdir",
    "--url",
    "--registries-conf",
];

/// Flags of a build of one letter that take no value: quiet; debug, of Buildah without compression; help.
const ALONE: [char; 3] = ['q', 'D', 'h'];

/// Those that take one: shares of the processor, file, memory, output, tag, volume.
const BEFORE_VALUE: [char; 6] = ['c', 'f', 'm', 'o', 't', 'v'];

/// Switches of a build: any other flag takes the next word. Of Docker and buildx, then of Podman and Buildah.
const SWITCHES: [&str; 34] = [
    "--check",
    "--compress",
    "--debug",
    "--detach",
    "--disable-content-trust",
    "--force-rm",
    "--help",
    "--load",
    "--no-cache",
    "--pull",
    "--push",
    "--quiet",
    "--rm",
    "--squash",
    "--stream",
    "--all-platforms",
    "--compat-volumes",
    "--created-annotation",
    "--disable-compression",
    "--http-proxy",
    "--identity-label",
    "--inherit-annotations",
    "--inherit-labels",
    "--layers",
    "--logsplit",
    "--no-hostname",
    "--no-hosts",
    "--omit-history",
    "--pull-always",
    "--pull-never",
    "--rewrite-timestamp",
    "--skip-unused-stages",
    "--stdin",
    "--tls-verify",
];

/// The values of a flag in any of its spellings, in order.
pub fn values(words: &[OsString], spellings: &[&str]) -> Vec<OsString> {
    let mut values = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else { continue };
        for spelling in spellings {
            if text == *spelling {
                values.extend(words.next().cloned());
                break;
            }
            let joined = joined(text, spelling);
            if let Some(value) = joined {
                values.push(value.into());
                break;
            }
        }
    }
    values
}

/// The first word from `at` on that is neither a flag nor the value of one.
pub fn behind_flags(words: &[OsString], mut at: usize) -> usize {
    while let Some(flag) = words.get(at).and_then(|word| word.to_str()).filter(|word| word.starts_with('-')) {
        at += if WITH_VALUE.contains(&flag) { 2 } else { 1 };
    }
    at.min(words.len())
}

/// Whether the next word is the value of a flag of a build. So it seems of a switch that is not known.
pub fn takes_next(flag: &str) -> bool {
    match flag.strip_prefix("--") {
        Some(_) => !flag.contains('=') && !SWITCHES.contains(&flag),
        // Behind it stands nothing: else that is its value.
        None => flag.len() == 2 && flag.ends_with(BEFORE_VALUE),
    }
}

/// The value that is joined to a flag: `--flag=VALUE`, `-fVALUE`, `-f=VALUE`.
pub fn joined<'a>(word: &'a str, flag: &str) -> Option<&'a str> {
    if flag.starts_with("--") {
        return word.strip_prefix(flag)?.strip_prefix('=');
    }
    let value = word.strip_prefix(flag).filter(|value| !word.starts_with("--") && !value.is_empty())?;
    Some(value.strip_prefix('=').unwrap_or(value))
}

/// Whether a word is this switch, with or without a value.
pub fn is_switch(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// Takes apart what stands in one word: behind a flag of one letter without a value there may be others. One that is not known is
/// refused, because a flag that pushes could stand behind it.
pub fn unbundled(word: &OsString) -> Result<Vec<OsString>, Failure> {
    let unknown = || {
        Failure::usage(format!("{}: no flag of a build that is known here", word.display()))
            .advise("write its long form; and FLAG=VALUE where it is the value of the flag before it")
    };
    let Some(text) = word.to_str() else {
        return if word.as_encoded_bytes().starts_with(b"-") {
            Err(unknown())
        } else {
            Ok(vec![word.clone()])
        };
    };
    let mut letters = text.strip_prefix('-').unwrap_or_default().chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic);
    let rest = letters.as_str();
    match letter {
        Some(letter) if ALONE.contains(&letter) && !rest.is_empty() && !rest.starts_with('=') => {
            let rest = unbundled(&format!("-{rest}").into())?;
            Ok(std::iter::once(format!("-{letter}").into()).chain(rest).collect())
        }
        Some(letter) if !ALONE.contains(&letter) && !BEFORE_VALUE.contains(&letter) => Err(unknown()),
        _ => Ok(vec![word.clone()]),
    }
}
