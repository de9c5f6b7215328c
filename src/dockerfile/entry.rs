//! One entry of a history, as the builders write it.
//!
//! | builder | `RUN` | the others |
//! | --- | --- | --- |
//! | Docker's classic one, buildah | `/bin/sh -c TEXT` | `/bin/sh -c #(nop)  WORD TEXT` |
//! | BuildKit | `RUN /bin/sh -c TEXT # buildkit` | `WORD TEXT`, files with `# buildkit` |
//!
//! In front of a command stand the arguments of the build: `|1 NAME=VALUE /bin/sh -c TEXT`. `SHELL` changes the shell, in
//! front of `#(nop)` too. One space stands behind that mark; where only the config changes, the classic builder writes two.

use super::{FILES, known, squeeze};
use crate::image::History;

/// The last option of a shell, mostly; what follows is the command.
pub(super) const SHELL_ENDS: [&str; 4] = ["-c", "/C", "/c", "-Command"];

/// Whose form an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builder {
    Classic,
    Buildah,
    BuildKit,
}

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
    /// `None` where several builders write it so.
    pub(super) builder: Option<Builder>,
}

impl<'a> Entry<'a> {
    pub fn new(entry: &'a History) -> Self {
        let (word, text, builder) = cut(&entry.created_by);
        Self { word, text, said: squeeze(text), layer: !entry.empty_layer, builder }
    }

    /// The instruction of what a history says.
    pub fn word(created_by: &str) -> &'static str {
        cut(created_by).0
    }
}

/// Instruction, text, and whose form it is.
fn cut(created_by: &str) -> (&'static str, &str, Option<Builder>) {
    let text = created_by.strip_suffix(" # buildkit").unwrap_or(created_by);
    let marked = text.split_once(" #(nop) ").filter(|(shell, _)| {
        let option = shell.split_whitespace().last().unwrap_or_default();
        SHELL_ENDS.contains(&option) || (option.starts_with('-') && option.ends_with('c'))
    });
    let instruction = marked.map_or(text, |(_, instruction)| instruction.trim_start());
    let (word, rest) = instruction.split_once(' ').unwrap_or((instruction, ""));
    // Without the mark a small word is a command: `user`, `env`.
    let Some(known) = known(word).filter(|known| marked.is_some() || *known == word) else {
        return ("RUN", text, None);
    };
    let builder = match marked {
        None => Some(Builder::BuildKit),
        Some(_) if FILES.contains(&known) || known == "WORKDIR" => None,
        Some((_, behind)) if behind.starts_with(' ') => Some(Builder::Classic),
        Some(_) => Some(Builder::Buildah),
    };
    (known, rest, builder)
}
