//! An instruction as it is written, and on which line each part of it stands.

use super::{Dockerfile, Instruction, Lines, parse::word_end};

/// An instruction's lines put together, its word and its here-documents included, without lines of comment alone and without
/// what says that a line goes on. Where it does not go on, a line has its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    text: String,
    /// Where each line begins in the text, and its number, from 1.
    starts: Vec<(usize, usize)>,
}

impl Whole {
    pub(super) fn push(&mut self, line: &str, number: usize) {
        self.starts.push((self.text.len(), number));
        self.text.push_str(line);
    }

    pub(super) fn end_line(&mut self) {
        self.text.push('\n');
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The number of the line that has the byte at a position of the text.
    pub(crate) fn line(&self, at: usize) -> usize {
        let next = self.starts.partition_point(|(start, _)| *start <= at);
        next.checked_sub(1).map_or(1, |index| self.starts[index].1)
    }
}

impl Dockerfile {
    /// Each command that begins on one of some lines, an `ONBUILD`'s too.
    pub(crate) fn commands(&self, lines: Lines) -> impl Iterator<Item = &Whole> {
        let instructions = self.stages.iter().flat_map(|stage| &stage.instructions);
        instructions
            .filter(move |instruction| (lines.start..=lines.end).contains(&instruction.lines.start))
            .filter(|instruction| matches!(instruction.word, "RUN" | "ONBUILD"))
            .map(|instruction| &instruction.whole)
    }
}

/// A name in an `ARG` or an `ENV`.
pub(super) struct Pair<'a> {
    pub name: &'a str,
    /// What parts it from its value.
    pub sign: &'static str,
    /// Without the quotes about it; `None` for an `ARG` without a default.
    pub value: Option<&'a str>,
    /// The line of the name, from 1.
    pub line: usize,
}

impl Instruction {
    /// The names of an `ARG` or an `ENV`, in order; of other instructions none.
    pub(super) fn pairs(&self) -> Vec<Pair<'_>> {
        let is_env = self.word == "ENV";
        if !is_env && self.word != "ARG" {
            return Vec::new();
        }
        let mut words = words(self.whole.text()).skip(1).peekable();
        let mut pairs = Vec::new();
        while let Some((at, word)) = words.next() {
            let line = self.whole.line(at);
            let pair = match word.split_once('=') {
                Some((name, value)) => Pair { name, sign: "=", value: Some(unquote(value)), line },
                // `ENV NAME VALUE` has one name.
                None if is_env && pairs.is_empty() => {
                    let value = words.peek().map(|(_, value)| unquote(value));
                    return vec![Pair { name: word, sign: " ", value, line }];
                }
                None => Pair { name: word, sign: "", value: None, line },
            };
            pairs.push(pair);
        }
        pairs
    }
}

fn unquote(value: &str) -> &str {
    value.trim_matches(['"', '\''])
}

/// The words of a text, each with its position.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let at = text.len() - rest.len();
        let (word, behind) = rest.split_at(word_end(rest));
        rest = behind.trim_start();
        (!word.is_empty()).then_some((at, word))
    })
}
