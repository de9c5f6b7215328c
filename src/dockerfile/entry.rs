//! One entry of a history, as the builders write it.
//!
//! | builder | `RUN` | the others |
//! | --- | --- | --- |
//! | Docker's classic one, buildah | `/bin/sh -c TEXT` | `/bin/sh -c #(nop)  WORD TEXT` |
//! | BuildKit | `RUN /bin/sh -c TEXT # buildkit` | `WORD TEXT`, files with `# buildkit` |
//!
//! In front of a command stand the arguments of the build: `|1 NAME=VALUE /bin/sh -c TEXT`. `SHELL` changes the shell, in
//! front of `#(nop)` too.

use super::{known, squeeze};
use crate::image::History;

/// What ends a shell and its options, squeezed; what follows is the command.
pub(super) const SHELL_ENDS: [&str; 4] = ["-c", "/C", "/c", "-Command"];

/// An entry, told apart.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// The instruction; what names none is a command.
    pub word: &'static str,
    /// What follows, as the builder wrote it.
    pub text: &'a str,
    /// The text, squeezed.
    pub said: String,
    /// Whether it made a layer.
    pub layer: bool,
}

impl<'a> Entry<'a> {
    pub fn new(entry: &'a History) -> Self {
        let (word, text) = Self::cut(&entry.created_by);
        Self { word, text, said: squeeze(text), layer: !entry.empty_layer }
    }

    /// Instruction and text.
    pub fn cut(created_by: &str) -> (&'static str, &str) {
        let text = created_by.strip_suffix(" # buildkit").unwrap_or(created_by);
        let marked = text.split_once(" #(nop) ").filter(|(shell, _)| {
            let shell = squeeze(shell);
            SHELL_ENDS.iter().any(|end| shell.ends_with(end))
        });
        let instruction = marked.map_or(text, |(_, instruction)| instruction.trim_start());
        let (word, rest) = instruction.split_once(' ').unwrap_or((instruction, ""));
        // Without the mark a small word is a command: `user`, `env`.
        match known(word).filter(|known| marked.is_some() || *known == word) {
            Some(known) => (known, rest),
            None => ("RUN", text),
        }
    }
}
