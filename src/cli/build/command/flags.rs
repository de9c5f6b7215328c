//! A build's arguments as its tools read them: which word is a flag, and which is the value of one. They are read once, for all who
//! ask: a value that looks like a flag, such as a label that a stranger wrote, must not pass for one, nor hide one.
//!
//! The rules are those of github.com/spf13/pflag, which all the tools use.

use std::{
    ffi::{OsStr, OsString},
    slice::Iter,
};

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

/// Those that take one, and what they are short for.
const BEFORE_VALUE: [(char, &str); 6] = [
    ('c', "--cpu-shares"),
    ('f', "--file"),
    ('m', "--memory"),
    ('o', "--output"),
    ('t', "--tag"),
    ('v', "--volume"),
];

/// Switches of a build: any other flag seems to take the next word. Of Docker and buildx, then of Podman and Buildah.
const SWITCHES: [&str; 35] = [
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
    "--squash-all",
    "--stdin",
    "--tls-verify",
];

/// A flag with its value, or a word that is neither.
#[derive(Debug, Clone)]
pub struct Argument {
    /// As it stood: one word, or two where the second is the value of the first.
    given: Vec<OsString>,
    /// The flag in its long form, such as `--tag` of `-t`. None of a word.
    flag: Option<String>,
    /// The value of the flag, if it has one; or the word.
    value: Option<OsString>,
}

impl Argument {
    /// `--flag=VALUE`, or a flag with the next word, if that is its value.
    fn flag(text: &str, next: Option<&OsString>) -> Self {
        let (flag, joined) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(value.into())),
            None => (text, None),
        };
        let given = [text.into()].into_iter().chain(next.cloned()).collect();
        Self { given, flag: Some(flag.to_owned()), value: joined.or_else(|| next.cloned()) }
    }

    /// `--flag=VALUE`.
    pub fn joined(flag: &str, value: OsString) -> Self {
        let mut given = OsString::from(format!("{flag}="));
        given.push(&value);
        Self { given: vec![given], flag: Some(flag.to_owned()), value: Some(value) }
    }

    pub fn word(word: &OsString) -> Self {
        Self { given: vec![word.clone()], flag: None, value: Some(word.clone()) }
    }

    /// Whether it is this flag.
    pub fn is(&self, flag: &str) -> bool {
        self.flag.as_deref() == Some(flag)
    }

    /// The value, if it is this flag and has one.
    pub fn value_of(&self, flag: &str) -> Option<&OsString> {
        self.value.as_ref().filter(|_| self.is(flag))
    }

    /// The word, if it is one.
    pub fn as_word(&self) -> Option<&OsString> {
        self.value.as_ref().filter(|_| self.flag.is_none())
    }
}

/// The words that these were given as.
pub fn given(arguments: &[Argument]) -> Vec<OsString> {
    arguments.iter().flat_map(|argument| argument.given.iter().cloned()).collect()
}

/// Reads the flags before the first word that is neither a flag nor the value of one: those before and between the words that mean a
/// build.
pub fn leading(words: &[OsString]) -> Vec<Argument> {
    let mut flags = Vec::new();
    let mut at = 0;
    while let Some(text) = words.get(at).filter(|word| is_flag(word)).and_then(|word| word.to_str()) {
        let flag = Argument::flag(text, words.get(at + 1).filter(|_| WITH_VALUE.contains(&text)));
        at += flag.given.len();
        flags.push(flag);
    }
    flags
}

/// Reads the arguments of a build. What can be read in two ways is refused, because a flag that pushes could hide there.
pub fn read(words: &[OsString]) -> Result<Vec<Argument>, Failure> {
    let mut arguments = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            arguments.push(Argument::flag("--", None));
            arguments.extend(words.by_ref().map(Argument::word));
        } else if !is_flag(word) {
            arguments.push(Argument::word(word));
        } else {
            let text = word.to_str().ok_or_else(|| unknown(word))?;
            if text.starts_with("--") {
                arguments.push(long(text, &mut words)?);
            } else {
                letters(text, &mut words, &mut arguments)?;
            }
        }
    }
    Ok(arguments)
}

/// Reads a long flag. Behind one that is no switch known here, what looks like a flag may be one, or its value.
fn long(text: &str, words: &mut Iter<'_, OsString>) -> Result<Argument, Failure> {
    let is_alone = text.contains('=') || SWITCHES.contains(&text);
    let next = if is_alone { None } else { words.next() };
    let Some(unclear) = next.filter(|next| is_flag(next)).map(|next| next.display()) else {
        return Ok(Argument::flag(text, next));
    };
    Err(Failure::usage(format!("{text} {unclear}: the second may be the value of the first, or a flag"))
        .advise(format!("write {text}={unclear} if it is the value; {text}=true {unclear} if not")))
}

/// Reads flags of one letter, of which those without a value can stand in one word with others. One that is not known is refused.
fn letters(text: &str, words: &mut Iter<'_, OsString>, arguments: &mut Vec<Argument>) -> Result<(), Failure> {
    let mut rest = text.strip_prefix('-').unwrap_or(text).chars();
    while let Some(letter) = rest.next() {
        let behind = rest.as_str();
        let joined = behind.strip_prefix('=');
        if let Some((_, flag)) = BEFORE_VALUE.iter().find(|(known, _)| *known == letter) {
            // `-t NAME`, `-tNAME` or `-t=NAME`.
            let (long, next) = match behind {
                "" => ((*flag).to_owned(), words.next()),
                _ => (format!("{flag}={}", joined.unwrap_or(behind)), None),
            };
            let given = [format!("-{letter}{behind}").into()].into_iter().chain(next.cloned()).collect();
            arguments.push(Argument { given, ..Argument::flag(&long, next) });
            break;
        }
        if !ALONE.contains(&letter) {
            return Err(unknown(text.as_ref()));
        }
        let value = joined.map(|_| behind).unwrap_or_default();
        arguments.push(Argument::flag(&format!("-{letter}{value}"), None));
        if joined.is_some() {
            break;
        }
    }
    Ok(())
}

/// Whether a tool takes it for a flag where none stands before it that takes a value. `-` is standard input, `-1` a number.
fn is_flag(word: &OsString) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', second, ..] if *second == b'-' || second.is_ascii_alphabetic())
}

fn unknown(word: &OsStr) -> Failure {
    Failure::usage(format!("{}: no flag of a build that is known here", word.display()))
        .advise("write its long form; and FLAG=VALUE where it is the value of the flag before it")
}
