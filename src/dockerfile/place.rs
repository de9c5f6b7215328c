//! A chain of instructions beside a history, from the newest backwards.
//!
//! Each instruction has one entry, with or without a layer. Beside them stand: behind the last, a `LABEL` for each `--label`
//! of the command line (the classic builder, buildah); in front of the first, what `ONBUILD` of the base image asks for.
//! BuildKit writes no entry for `ONBUILD`. buildah without `--layers` gives all of a stage one layer, on its last entry.

use std::borrow::Cow;

use super::{
    Dockerfile, FILES, Instruction, Lines, MAX_HISTORY, Stage,
    chain::{Arguments, Chain, MAX_GUESSES},
    entry::{Builder, Entry},
};
use crate::image::{History, Platform};

/// Most labels of a command line, triggers of a base image, and shells.
const MAX_EXTRAS: usize = 32;

/// Other stages than the last that are tried.
const MAX_TARGETS: usize = 8;

/// A Dockerfile beside the image that was built from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// So many layers, from the bottom, are the base image's.
    pub base_layers: usize,
    /// The base image, or `scratch`, by the defaults of the Dockerfile's arguments; `None` where one has none.
    pub from: Option<String>,
    /// The argument whose default `from` has its tag from; the build may have been given another value.
    pub argument: Option<Argument>,
    /// The `FROM` that names it.
    pub from_lines: Lines,
    /// For each layer of the image, the lines that made it; `None` for the base image's and where it is not certain. What
    /// an `ONBUILD` of the base image made, its `FROM` made.
    pub layers: Vec<Option<Lines>>,
    /// Positions of layers that hold what several instructions did: their lines are from the first to the last of them.
    pub together: Vec<usize>,
}

/// An argument of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// The line of its default, from 1.
    pub line: usize,
}

/// Why a Dockerfile is not laid beside a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The caller named a stage that is not there.
    #[error("it has no stage {0:?}")]
    NoStage(String),
    /// A base that could be one stage or another, or an image.
    #[error(
        "line {0}: an ARG without a default names what the stage starts from, and more than one thing could be meant"
    )]
    Unnamed(usize),
    /// Nothing to compare with.
    #[error("nothing tells what made each layer of the image")]
    NoHistory,
    /// More than is compared.
    #[error("the image's history has {0} entries; the limit `history entries` is {MAX_HISTORY}")]
    TooLong(usize),
    /// An instruction that the history does not have in this place.
    #[error("line {0} is not what the image's history has there")]
    Line(usize),
    /// Nothing could be compared but the kind of instruction.
    #[error("it has no instruction whose text a history repeats")]
    Nothing,
    /// More below a stage from `scratch`.
    #[error("it starts from scratch, and the image has more below")]
    Scratch,
    /// No layer is left for the image that the lowest stage starts from.
    #[error("no layer of the image is left for the one that it starts from")]
    NoBase,
    /// Another stage than the last was built.
    #[error("its last stage is not what was built; stage {0:?} agrees")]
    Target(String),
    /// The last stage may have been built, and another too.
    #[error("its last stage agrees with the image's history, and stage {0:?} does too")]
    Stages(String),
}

impl Dockerfile {
    /// Lays the stage `target`, or else the last one, beside a history (oldest first) that counts all of `layers` layers of
    /// an image for `platform`.
    pub fn place(
        &self,
        target: Option<&str>,
        platform: &Platform,
        history: &[History],
        layers: usize,
    ) -> Result<Placed, Disagreement> {
        if layers == 0 || history.iter().filter(|entry| !entry.empty_layer).count() != layers {
            return Err(Disagreement::NoHistory);
        }
        if history.len() > MAX_HISTORY {
            return Err(Disagreement::TooLong(history.len()));
        }
        let entries: Vec<Entry<'_>> = history.iter().map(Entry::new).collect();
        let arguments = self.defaults(platform);
        let placed = self.place_stage(self.target(target)?, &arguments, &entries);
        if target.is_some() {
            return placed;
        }
        let mut others = self.other_stages().take(MAX_TARGETS).filter_map(|(index, name)| {
            let other = self.chain(index, &arguments).place(&entries).ok()?;
            Some((other, name.to_owned()))
        });
        match placed {
            Ok(placed) => match others.find(|(other, _)| *other != placed) {
                Some((_, name)) => Err(Disagreement::Stages(name)),
                None => Ok(placed),
            },
            Err(why) => Err(others.next().map_or(why, |(_, name)| Disagreement::Target(name))),
        }
    }

    /// Lays the stage at `index`, and those that it is built from, beside a history.
    ///
    /// A name that only the build knows is that of an image, unless the history has what one of the stages before it did.
    fn place_stage(
        &self,
        index: usize,
        arguments: &Arguments<'_>,
        entries: &[Entry<'_>],
    ) -> Result<Placed, Disagreement> {
        let chain = self.chain(index, arguments);
        let placed = chain.place(entries);
        // No stage below makes up for a line that disagrees.
        if chain.perhaps.is_empty() || matches!(placed, Err(Disagreement::Line(_))) {
            return placed;
        }
        let unnamed = Disagreement::Unnamed(chain.stages[0].lines.start);
        if chain.perhaps.len() > MAX_GUESSES {
            return Err(unnamed);
        }
        let mut found: Option<Placed> = None;
        for below in &chain.perhaps {
            let guess = self.guess(&chain, *below, arguments);
            match guess.place(entries) {
                // One that makes no layer says the same of each as an image does.
                _ if !guess.stages[..guess.told].iter().any(|stage| stage.makes_layers()) => {}
                Ok(other)
                    if guess.perhaps.is_empty() && found.as_ref().is_none_or(|found| *found == other) =>
                {
                    found = Some(other);
                }
                Ok(_) | Err(Disagreement::Nothing) => return Err(unnamed),
                Err(_) => {}
            }
        }
        found.map_or(placed, Ok)
    }
}

impl Stage {
    /// Whether it, or what is built upon it, may write files by it.
    fn makes_layers(&self) -> bool {
        let may = |word: &str| FILES.contains(&word) || matches!(word, "WORKDIR" | "ONBUILD");
        self.instructions.iter().any(|instruction| may(instruction.word))
    }
}

/// An instruction that may have made an entry.
struct Step<'a> {
    instruction: Cow<'a, Instruction>,
    /// Position of its stage in the chain.
    stage: usize,
    /// Not every builder writes it.
    optional: bool,
}

/// Which entries are whose.
struct Aligned {
    /// Entries below these: the base image's, and what its triggers made.
    below: usize,
    /// Position of an entry, and of the step that made it; oldest first.
    made: Vec<(usize, usize)>,
}

impl Chain<'_> {
    fn place(&self, entries: &[Entry<'_>]) -> Result<Placed, Disagreement> {
        let steps = self.steps();
        // Shells that have no `-c`, such as one that is a language of its own; the base image's too.
        let shells = entries.iter().rev().filter(|entry| entry.word == "SHELL").take(MAX_EXTRAS);
        let shells: Vec<&str> = shells.map(|entry| entry.said.as_str()).collect();
        let labels = entries.iter().rev().take(MAX_EXTRAS).take_while(|entry| entry.word == "LABEL").count();
        let mut first = None;
        for extra in 0..=labels {
            match align(&steps, self.told, &entries[..entries.len() - extra], &shells) {
                Ok(aligned) => return self.placed(&steps, &aligned, entries),
                Err(disagreement) => first = first.or(Some(disagreement)),
            }
        }
        Err(first.unwrap_or(Disagreement::Nothing))
    }

    /// All instructions, lowest stage first; each stage begins with what the one below it asks for.
    fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        for (stage, found) in self.stages.iter().enumerate() {
            let below = stage.checked_sub(1).map_or([].as_slice(), |below| &self.stages[below].instructions);
            let triggers = below.iter().filter_map(Instruction::trigger);
            steps.extend(triggers.map(|trigger| Step {
                instruction: Cow::Owned(trigger),
                stage,
                optional: true,
            }));
            steps.extend(found.instructions.iter().map(|instruction| Step {
                instruction: Cow::Borrowed(instruction),
                stage,
                optional: instruction.word == "ONBUILD",
            }));
        }
        steps
    }

    fn placed(
        &self,
        steps: &[Step<'_>],
        aligned: &Aligned,
        entries: &[Entry<'_>],
    ) -> Result<Placed, Disagreement> {
        let from_lines = self.stages[0].lines;
        let mut lines: Vec<Option<Lines>> = vec![None; entries.len()];
        let base = match self.from.as_deref() {
            Some("scratch") if aligned.below > 0 => return Err(Disagreement::Scratch),
            Some("scratch") => 0,
            _ => aligned.below - triggered(&entries[..aligned.below]),
        };
        let base_layers = entries[..base].iter().filter(|entry| entry.layer).count();
        if base_layers == 0 && self.from.as_deref() != Some("scratch") {
            return Err(Disagreement::NoBase);
        }
        lines[base..aligned.below].fill(Some(from_lines));
        let mut ends = vec![None; self.stages.len()];
        for (entry, step) in &aligned.made {
            lines[*entry] = Some(steps[*step].instruction.lines);
            ends[steps[*step].stage] = Some(entry + 1);
        }
        // Labels of the command line come with the last.
        if let Some(end) = ends.last_mut() {
            *end = Some(entries.len());
        }
        let builder = entries[base..].iter().find_map(|entry| entry.builder);
        let mut whole = vec![false; entries.len()];
        let mut start = base;
        for end in ends.into_iter().flatten() {
            match in_one(&entries[start..end], builder) {
                Some(true) => {
                    lines[end - 1] = span(&entries[start..end], &lines[start..end]).or(lines[end - 1]);
                    whole[end - 1] = entries[start..end].iter().filter(|entry| writes(entry)).count() > 1;
                }
                Some(false) => {}
                None => lines[end - 1] = None,
            }
            start = end;
        }
        let made = || entries.iter().zip(&lines).zip(&whole).filter(|((entry, _), _)| entry.layer);
        let layers: Vec<_> = made().map(|((_, lines), _)| *lines).collect();
        let together = made().enumerate().filter(|(_, (_, whole))| **whole).map(|(layer, _)| layer).collect();
        let (from, argument) = (self.from.clone(), self.argument.clone());
        Ok(Placed { base_layers, from, argument, from_lines, layers, together })
    }
}

/// Gives each step its entry, newest first; the text of one of the lowest `told` stages must agree.
fn align(
    steps: &[Step<'_>],
    told: usize,
    entries: &[Entry<'_>],
    shells: &[&str],
) -> Result<Aligned, Disagreement> {
    let mut below = entries.len();
    let mut made = Vec::new();
    let mut compared = false;
    for (index, step) in steps.iter().enumerate().rev() {
        let newest = entries[..below].last();
        match newest.and_then(|entry| step.instruction.agrees(entry, shells)) {
            Some(text) => {
                below -= 1;
                compared |= text && step.stage < told;
                made.push((below, index));
            }
            None if step.optional => {}
            None => return Err(Disagreement::Line(step.instruction.lines.start)),
        }
    }
    made.reverse();
    if compared { Ok(Aligned { below, made }) } else { Err(Disagreement::Nothing) }
}

/// How many of the last entries are what the image below them asks for with `ONBUILD`.
fn triggered(entries: &[Entry<'_>]) -> usize {
    let asked: Vec<Instruction> = entries
        .iter()
        .rev()
        .filter(|entry| entry.word == "ONBUILD")
        .take(MAX_EXTRAS)
        .filter_map(|entry| {
            Instruction::new(entry.word, entry.text, Vec::new(), Lines { start: 0, end: 0 }).trigger()
        })
        .collect();
    let most = asked.len().min(entries.len());
    let all_agree = |count: &usize| {
        let newest = entries.iter().rev().take(*count);
        newest.zip(&asked).all(|(entry, asked)| asked.agrees(entry, &[]).is_some())
    };
    (1..=most).rev().find(all_agree).unwrap_or(0)
}

/// Whether the only layer of a stage, on its last entry, holds what the whole stage did, as buildah has it without
/// `--layers`; `None` where that is not certain.
fn in_one(stage: &[Entry<'_>], builder: Option<Builder>) -> Option<bool> {
    let Some((last, before)) = stage.split_last() else { return Some(false) };
    if !last.layer || before.iter().any(|entry| entry.layer) {
        return Some(false);
    }
    let did = |words: &[&str]| before.iter().any(|entry| words.contains(&entry.word));
    // Where each instruction has a layer of its own, no change of the config has one, and nothing is copied without one.
    if !writes(last) || did(&["ADD", "COPY"]) {
        return Some(true);
    }
    // The classic builder gives no layer to a command that changed nothing.
    if did(&["RUN"]) { builder.map(|builder| builder == Builder::Buildah) } else { Some(false) }
}

/// Whether an entry may have written files.
fn writes(entry: &Entry<'_>) -> bool {
    FILES.contains(&entry.word) || entry.word == "WORKDIR"
}

/// From the first line that may have written files to the last.
fn span(stage: &[Entry<'_>], lines: &[Option<Lines>]) -> Option<Lines> {
    let made = stage.iter().zip(lines).filter(|(entry, _)| writes(entry)).filter_map(|(_, lines)| *lines);
    made.reduce(|a, b| Lines { start: a.start.min(b.start), end: a.end.max(b.end) })
}
