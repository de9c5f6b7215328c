//! Variables: the forms in which they are put into a text, and what gives them their value.
//!
//! Format: <https://docs.docker.com/reference/dockerfile/#environment-replacement>, and BuildKit's `frontend/dockerfile/shell/lex.go`.

use std::collections::HashMap;

use super::{Dockerfile, Instruction, chain::Arguments, whole::Pair};
use crate::image::Platform;

/// Bytes of a name after its variables are put in; one may name another, and so grow.
const MAX_NAME_BYTES: usize = 4096;

/// Longest form of one variable, in bytes.
const MAX_FORM_BYTES: usize = 1024;

/// Variables that name one another, to follow.
const MAX_STEPS: usize = 16;

/// `$NAME`, `${NAME}`, or `${NAME-word}` and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable<'a> {
    pub name: &'a str,
    /// `-`, `+` or `?`, a colon in front or not; empty where no word follows.
    pub form: &'a str,
    pub word: &'a str,
}

/// What stands for a variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put<'a> {
    /// Its value.
    Value(&'a str),
    /// The word behind its name.
    Word(&'a str),
}

impl<'a> Variable<'a> {
    /// What stands for it where it has this value; `None` where that is only known to the build. A colon takes an empty value
    /// for none.
    pub(super) fn put<'v>(&self, value: Option<&'v str>) -> Option<Put<'v>>
    where
        'a: 'v,
    {
        let is_set = value.is_some_and(|value| !(self.form.starts_with(':') && value.is_empty()));
        match (self.form.trim_start_matches(':'), is_set) {
            ("-", false) | ("+", true) => Some(Put::Word(self.word)),
            ("+", false) => Some(Put::Word("")),
            ("?", false) => None,
            _ => value.map(Put::Value),
        }
    }
}

/// The variable that a text begins with, and the rest.
pub(crate) fn variable(text: &str) -> Option<(Variable<'_>, &str)> {
    let text = text.strip_prefix('$')?;
    let (variable, rest) = match text.strip_prefix('{') {
        None => {
            let (name, rest) = cut_name(text);
            (Variable { name, form: "", word: "" }, rest)
        }
        Some(braced) => {
            let end = closing(braced)?;
            let (name, behind) = cut_name(&braced[..end]);
            let form =
                [":-", ":+", ":?", "-", "+", "?", ""].into_iter().find(|form| behind.starts_with(form))?;
            let (form, word) = behind.split_at(form.len());
            // Patterns are cut by forms that begin otherwise.
            if form.is_empty() && !word.is_empty() {
                return None;
            }
            (Variable { name, form, word }, &braced[end + 1..])
        }
    };
    (!variable.name.is_empty()).then_some((variable, rest))
}

fn cut_name(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// Where the brace closes that was opened before a text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let bytes = &text.as_bytes()[..text.len().min(MAX_FORM_BYTES)];
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

/// What gives a variable its value, such as `ARG NAME=VALUE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given<'a> {
    pub name: &'a str,
    /// What parts name and value.
    pub sign: &'a str,
    /// Not empty.
    pub value: &'a str,
    /// From 1.
    pub line: usize,
}

/// What an instruction has its variables from.
pub(crate) struct Scope<'a> {
    /// `ARG`s before the first `FROM`: they count where a stage names them again.
    outer: Names<'a>,
    /// Of its stage and those that it is built from, lowest first, what stands before it.
    before: Names<'a>,
}

/// What instructions say of each name, in order, beside their positions.
type Names<'a> = HashMap<&'a str, Vec<(usize, Pair<'a>)>>;

fn names<'a>(instructions: impl Iterator<Item = &'a Instruction>) -> Names<'a> {
    let mut names = Names::new();
    for (index, instruction) in instructions.enumerate() {
        for pair in instruction.pairs() {
            let said = names.entry(pair.name).or_default();
            // Of one instruction the last counts; and `ARG NAME` says the same however often it stands there.
            match said.last_mut() {
                Some((last, before)) if *last == index => *before = pair,
                Some((_, before)) if before.value.is_none() && pair.value.is_none() => {}
                _ => said.push((index, pair)),
            }
        }
    }
    names
}

impl Dockerfile {
    /// The scope of the instruction that begins on a line; `None` where none does.
    pub(crate) fn scope(&self, line: usize, platform: &Platform) -> Option<Scope<'_>> {
        let begins = |instruction: &Instruction| instruction.lines.start == line;
        let index = self.stages.iter().position(|stage| stage.instructions.iter().any(begins))?;
        let chain = self.chain(index, &self.defaults(platform));
        let all = chain.stages.into_iter().flat_map(|stage| &stage.instructions);
        let before = names(all.take_while(|instruction| !begins(instruction)));
        Some(Scope { outer: names(self.arguments.iter()), before })
    }
}

impl<'a> Scope<'a> {
    /// What gives a variable on some line its value: the last `ARG` or `ENV` before, or the word of its own.
    pub(crate) fn given(&self, variable: Variable<'a>, line: usize) -> Option<Given<'a>> {
        resolve((&self.before, usize::MAX), &self.outer, variable, line, MAX_STEPS)
    }
}

/// `before` are names, and the position of the instruction that they stand before.
fn resolve<'a>(
    before: (&Names<'a>, usize),
    outer: &Names<'a>,
    variable: Variable<'a>,
    line: usize,
    steps: usize,
) -> Option<Given<'a>> {
    let given = last(before, outer, variable.name, steps.checked_sub(1)?);
    match variable.put(given.map(|given| given.value))? {
        Put::Value(_) => given,
        Put::Word(value) => {
            let Variable { name, form: sign, .. } = variable;
            (!value.is_empty() && !value.contains('$')).then_some(Given { name, sign, value, line })
        }
    }
}

/// The last of some instructions that gives a variable a value; where that is another variable, what gives it to that.
fn last<'a>(
    (before, end): (&Names<'a>, usize),
    outer: &Names<'a>,
    name: &str,
    steps: usize,
) -> Option<Given<'a>> {
    let said = before.get(name)?;
    for (index, pair) in said[..said.partition_point(|(index, _)| *index < end)].iter().rev() {
        let Some(value) = pair.value else {
            match last((outer, usize::MAX), &Names::new(), name, steps) {
                None => continue,
                given => return given,
            }
        };
        return match variable(value) {
            Some((variable, "")) => resolve((before, *index), outer, variable, pair.line, steps),
            _ => Some(Given { name: pair.name, sign: pair.sign, value, line: pair.line }),
        };
    }
    None
}

/// A text with its variables put in, in parts, each beside the variable that it is of, and the word of that one's own if that
/// stands for it; `None` where one has no value or another form.
pub(super) fn parts<'a>(text: &'a str, values: &Arguments<'_>) -> Option<Vec<(Option<Origin<'a>>, String)>> {
    if text.len() > MAX_NAME_BYTES {
        return None;
    }
    let mut parts = Vec::new();
    let mut length = 0;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let (variable, behind) = variable(after)?;
        let (put, is_own) = match variable.put(values.get(variable.name).map(String::as_str))? {
            Put::Value(value) => (value.to_owned(), false),
            Put::Word(word) => (substitute(word, values)?, true),
        };
        length += before.len() + put.len();
        if length > MAX_NAME_BYTES {
            return None;
        }
        parts.push((None, before.to_owned()));
        parts.push((Some(Origin { name: variable.name, is_own }), put));
        rest = behind;
    }
    parts.push((None, rest.to_owned()));
    (length + rest.len() <= MAX_NAME_BYTES).then_some(parts)
}

/// A text with its variables put in.
pub(super) fn substitute(text: &str, values: &Arguments<'_>) -> Option<String> {
    Some(parts(text, values)?.into_iter().map(|(_, part)| part).collect())
}

/// The variable that a part of a text is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    pub name: &'a str,
    /// Whether it is the word in the variable's braces, and not its value.
    pub is_own: bool,
}
