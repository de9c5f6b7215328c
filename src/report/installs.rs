//! The words of a command behind `npm install` and its like, as a shell cuts them.

use std::collections::HashSet;

use crate::package::{Ecosystem, is_lock_file};

/// Tools, what they are told in order to install, and whose packages.
#[rustfmt::skip]
const INSTALLERS: [(&[&str], &[&str], Ecosystem); 14] = [
    (&["apt", "apt-get", "aptitude"], &["install", "reinstall", "upgrade"], Ecosystem::Deb),
    (&["apk"], &["add", "upgrade"], Ecosystem::Apk),
    (&["dnf", "microdnf", "tdnf", "yum", "zypper"],
     &["downgrade", "in", "install", "localinstall", "reinstall", "update", "upgrade"], Ecosystem::Rpm),
    (&["pacman"], &["-S", "-Sy", "-Syu", "-Syyu", "-U"], Ecosystem::Alpm),
    (&["opkg"], &["install", "upgrade"], Ecosystem::Opkg),
    (&["pdm", "pip", "pipenv", "pipx", "poetry", "uv"], &["add", "inject", "install", "upgrade"], Ecosystem::Pypi),
    (&["bun", "npm", "pnpm", "yarn"], &["add", "i", "install", "up", "update", "upgrade"], Ecosystem::Npm),
    (&["go"], &["get", "install"], Ecosystem::Golang),
    (&["cargo"], &["add", "binstall", "install"], Ecosystem::Cargo),
    (&["gem"], &["i", "install", "update"], Ecosystem::Gem),
    (&["bundle"], &["add"], Ecosystem::Gem),
    (&["composer"], &["require", "update"], Ecosystem::Composer),
    (&["conda", "mamba", "micromamba"], &["create", "install", "update", "upgrade"], Ecosystem::Conda),
    (&["mvn", "mvnw"], &["dependency:copy", "dependency:get"], Ecosystem::Maven),
];
/// What tells those tools to do something else with the words behind.
#[rustfmt::skip]
const DO_NOT_INSTALL: [&str; 33] = [
    "audit", "autoremove", "cache", "clean", "config", "del", "delete", "download", "erase", "exec", "explain", "hold", "info",
    "init", "list", "ls", "outdated", "pack", "policy", "purge", "query", "remove", "rm", "run", "search", "set", "show", "test",
    "un", "uninstall", "view", "wheel", "why",
];
/// Commands whose words are only words.
const ONLY_WORDS: [&str; 5] = ["[", "echo", "grep", "printf", "test"];
/// Commands that take another command in one word, behind `-c`.
const SHELLS: [&str; 7] = ["ash", "bash", "dash", "ksh", "sh", "su", "zsh"];

/// Shells in one another.
const MOST_SHELLS: usize = 4;

/// What one pass over a command finds.
#[derive(Debug, Default)]
pub(super) struct Installs<'a> {
    /// Words that are installed: where each begins in the text, and whose package it may name.
    pub words: Vec<(usize, &'a str, Ecosystem)>,
    /// Variables that the command itself gives a value.
    pub assigned: HashSet<&'a str>,
    /// Names of lock files that the command names.
    pub lock_files: HashSet<&'a str>,
}

/// What is known of one command up to some word.
#[derive(Default)]
struct Command {
    /// Its tool, a position in [`INSTALLERS`].
    tool: Option<usize>,
    does: Does,
    /// Whether a shell was named.
    is_shell: bool,
    /// Whether the next word is a command of its own.
    is_script_next: bool,
    /// Whether the next word is a variable that is given values.
    is_variable_next: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Does {
    #[default]
    Unknown,
    Install(Ecosystem),
    Other,
}

impl<'a> Installs<'a> {
    /// Of a `RUN` with its word, or an `ONBUILD` with both.
    pub(super) fn of(text: &'a str) -> Self {
        let mut installs = Self::default();
        let is_in_front = |word: &str| {
            word.starts_with("--") || ["RUN", "ONBUILD"].iter().any(|w| w.eq_ignore_ascii_case(word))
        };
        let mut rest = text.trim_start();
        while let Some((_, behind)) =
            rest.split_once(char::is_whitespace).filter(|(word, _)| is_in_front(word))
        {
            rest = behind.trim_start();
        }
        let is_json = rest.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('"'));
        installs.look(text, 0, is_json, MOST_SHELLS);
        installs
    }

    /// Looks through a text that begins at a position of the whole.
    fn look(&mut self, text: &'a str, start: usize, is_json: bool, shells: usize) {
        let mut command = Command::default();
        let mut around = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            match c {
                '\n' | ';' | '&' | '|' | '`' => command = Command::default(),
                '(' => around.push(std::mem::take(&mut command)),
                ')' => command = around.pop().unwrap_or_default(),
                '#' => {
                    at += text[at..].find('\n').unwrap_or(text.len() - at);
                    continue;
                }
                _ if parts_words(c, is_json) => {}
                _ => {
                    let word = &text[at..at + word_end(&text[at..], is_json)];
                    self.word(&mut command, word, start + at, shells);
                    at += word.len();
                    continue;
                }
            }
            at += c.len_utf8();
        }
    }

    fn word(&mut self, command: &mut Command, word: &'a str, at: usize, shells: usize) {
        let bare = word.trim_matches(|c| "\"'${,!".contains(c));
        let file = bare.rsplit(['/', '=']).next().unwrap_or_default();
        if is_lock_file(file) {
            self.lock_files.insert(file);
        }
        let assigned = word.split_once('=').map(|(name, _)| name).filter(|name| is_variable(name));
        let of_loop = std::mem::take(&mut command.is_variable_next).then_some(bare);
        self.assigned.extend(assigned.or(of_loop));
        if let Does::Install(ecosystem) = command.does {
            self.words.push((at, word, ecosystem));
            return;
        }
        if std::mem::take(&mut command.is_script_next) && shells > 0 {
            let script = word.trim_start_matches(['"', '\'']);
            let cut = word.len() - script.len();
            self.look(script.trim_end_matches(['"', '\'']), at + cut, false, shells - 1);
            return;
        }
        let name = bare.rsplit('/').next().unwrap_or_default();
        // `pip3.11`, `dnf5`
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        command.is_variable_next = matches!(bare, "for" | "read");
        command.is_shell |= SHELLS.contains(&name);
        command.is_script_next =
            command.is_shell && bare.starts_with('-') && !bare.starts_with("--") && bare.ends_with('c');
        if command.does == Does::Unknown {
            let of_tool = command.tool.map(|tool| INSTALLERS[tool]);
            command.does = match of_tool {
                Some((_, verbs, ecosystem)) if verbs.contains(&bare) => Does::Install(ecosystem),
                Some(_) if DO_NOT_INSTALL.contains(&bare) => Does::Other,
                None if ONLY_WORDS.contains(&name) => Does::Other,
                _ => Does::Unknown,
            };
            let tool = INSTALLERS.iter().position(|(tools, ..)| tools.contains(&name));
            // `uv pip`
            command.tool = tool.or(command.tool);
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether words end at a character that is neither quoted nor escaped; those of an array of JSON at its signs, too.
fn parts_words(c: char, is_json: bool) -> bool {
    c.is_whitespace() || ";&|()`".contains(c) || is_json && "[],".contains(c)
}

/// Where the word ends that a text begins with.
fn word_end(text: &str, is_json: bool) -> usize {
    let (mut quote, mut is_escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if is_escaped => is_escaped = false,
            ('\\', None | Some('"')) => is_escaped = true,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if parts_words(c, is_json) => return at,
            _ => {}
        }
    }
    text.len()
}
