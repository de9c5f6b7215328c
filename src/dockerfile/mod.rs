//! A Dockerfile beside the image that was built from it: which lines made which layer, and where the base image ends.
//!
//! ```text
//! text -> instructions, stages -> chain of the target down to an image or `scratch` -> beside the history -> lines
//!        (parse)                 (chain)                                              (place)
//! ```
//!
//! Format: <https://docs.docker.com/reference/dockerfile/>. No crate is used: `parse-dockerfile` reads here-documents only where
//! they are the first word of a command, `dockerfile-parser-rs` keeps no lines, `dockerfile-parser` knows no here-documents; and
//! all that is compared with a history is an instruction's word and its text.

mod agree;
mod chain;
mod entry;
mod parse;
mod place;
mod sources;
#[cfg(test)]
mod tests;
mod variable;
mod whole;

pub(crate) use entry::Entry;
pub use place::{Argument, Disagreement, Placed};
pub use sources::{AtHand, Source};
pub(crate) use variable::{Scope, variable};
pub(crate) use whole::Whole;

/// `dockerfile size`: bytes of a Dockerfile.
pub const MAX_BYTES: usize = 1 << 20;

/// `history entries`: of an image that a Dockerfile is laid beside.
pub const MAX_HISTORY: usize = 4096;

/// Every instruction.
const WORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What writes files, and so makes a layer.
const FILES: [&str; 3] = ["ADD", "COPY", "RUN"];

/// Why a text is no Dockerfile. Nothing of the text is quoted: whoever can edit a checkout could make its Dockerfile a link
/// to somebody's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than any Dockerfile.
    #[error("it is {0} bytes; the limit `dockerfile size` is {MAX_BYTES}")]
    Size(usize),
    /// A word that is none of the instructions.
    #[error("line {0}: no instruction that is known here")]
    Word(usize),
    /// An instruction that must have an argument.
    #[error("line {0}: the instruction has no arguments")]
    Arguments(usize),
    /// An instruction before the first `FROM`.
    #[error("line {0}: an instruction before the first FROM")]
    Order(usize),
    /// A here-document without its end.
    #[error("line {0}: a here-document does not end")]
    HereDocument(usize),
    /// No `FROM`.
    #[error("it has no FROM")]
    NoStage,
}

/// Lines of a file, from 1, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// The first.
    pub start: usize,
    /// The last.
    pub end: usize,
}

/// A Dockerfile, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// `ARG`s before the first `FROM`, in order.
    arguments: Vec<Instruction>,
    /// In order; never empty.
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stage {
    /// In small letters; builders do not tell large ones apart.
    name: Option<String>,
    /// The image or stage that it starts from, as written.
    from: String,
    /// Of its `FROM`.
    lines: Lines,
    instructions: Vec<Instruction>,
}

/// One instruction, its lines put together and comments taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instruction {
    word: &'static str,
    /// What begins with `--`.
    flags: String,
    /// What follows the word and its flags.
    text: String,
    /// The arguments, where they are written as JSON.
    exec: Option<Vec<String>>,
    documents: Vec<HereDocument>,
    /// The text as a history may have it, squeezed: it is compared often.
    said: Vec<String>,
    /// All of it.
    whole: Whole,
    lines: Lines,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct HereDocument {
    name: String,
    text: String,
}

fn known(word: &str) -> Option<&'static str> {
    WORDS.into_iter().find(|known| known.eq_ignore_ascii_case(word))
}

/// Text without what builders write in different ways: space, quotes, brackets, commas, escapes.
fn squeeze(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '\\' | '`' | '[' | ']' | ','))
        .collect()
}
