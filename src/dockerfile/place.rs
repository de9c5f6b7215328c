//! A chain of instructions beside a history, from the newest backwards.
//!
//! Each instruction has one entry, with or without a layer. Beside them stand: behind the last, a `LABEL` for each `--label`
//! of the command line (the classic builder, buildah); in front of the first, what `ONBUILD` of the base image asks for.
//! BuildKit writes no entry for `ONBUILD`. buildah without `--layers` gives all of a stage one layer, on its last entry.

use std::borrow::Cow;

use super::{Dockerfile, Instruction, Lines, MAX_HISTORY, chain::Chain, entry::Entry, squeeze};
use crate::image::History;

/// Most labels of a command line, and most triggers of a base image.
const MAX_EXTRAS: usize = 32;

/// Stages that are tried, only to say which was meant.
const MAX_TARGETS: usize = 8;

/// A Dockerfile beside the image that was built from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// So many layers, from the bottom, are the base image's.
    pub base_layers: usize,
    /// The base image, or `scratch`, by the defaults of the Dockerfile's arguments; `None` where one has none.
    pub from: Option<String>,
    /// The `FROM` that names it.
    pub from_lines: Lines,
    /// For each layer of the image, the lines that made it; `None` for the base image's and where it is not certain. What
    /// an `ONBUILD` of the base image made, its `FROM` made.
    pub layers: Vec<Option<Lines>>,
}

/// Why a Dockerfile is not laid beside a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The caller named a stage that is not there.
    #[error("it has no stage {0:?}")]
    NoStage(String),
    /// A base that could be a stage or an image.
    #[error("line {0}: an ARG without a default names what the stage starts from")]
    Unnamed(usize),
    /// Nothing to compare with.
    #[error("the image has no history of its layers")]
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
}

impl Dockerfile {
    /// Lays the stage `target`, or else the last one, beside a history (oldest first) that counts all of `layers` layers.
    pub fn place(
        &self,
        target: Option<&str>,
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
        let placed = self.chain(target).and_then(|chain| chain.place(&entries));
        if placed.is_ok() || target.is_some() {
            return placed;
        }
        let agrees = |index| self.chain_of(index).and_then(|chain| chain.place(&entries)).is_ok();
        match self.other_stages().take(MAX_TARGETS).find(|(index, _)| agrees(*index)) {
            Some((_, name)) => Err(Disagreement::Target(name.to_owned())),
            None => placed,
        }
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
        // Shells that have no `-c`, such as one that is a language of its own.
        let shells: Vec<String> = steps
            .iter()
            .filter(|step| step.instruction.word == "SHELL")
            .map(|step| squeeze(&step.instruction.text))
            .collect();
        let labels = entries.iter().rev().take(MAX_EXTRAS).take_while(|entry| entry.word == "LABEL").count();
        let mut first = None;
        for extra in 0..=labels {
            match align(&steps, &entries[..entries.len() - extra], &shells) {
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
        let mut start = base;
        for end in ends.into_iter().flatten() {
            if let Some(whole) = in_one(&entries[start..end], &lines[start..end]) {
                lines[end - 1] = Some(whole);
            }
            start = end;
        }
        let layers =
            entries.iter().zip(lines).filter(|(entry, _)| entry.layer).map(|(_, lines)| lines).collect();
        Ok(Placed { base_layers, from: self.from.clone(), from_lines, layers })
    }
}

/// Gives each step its entry, newest first.
fn align(steps: &[Step<'_>], entries: &[Entry<'_>], shells: &[String]) -> Result<Aligned, Disagreement> {
    let mut below = entries.len();
    let mut made = Vec::new();
    let mut compared = false;
    for (index, step) in steps.iter().enumerate().rev() {
        let newest = entries[..below].last();
        match newest.and_then(|entry| step.instruction.agrees(entry, shells)) {
            Some(text) => {
                below -= 1;
                compared |= text;
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

/// The lines behind the only layer of a stage, where the layer is not of the entry that has it: buildah gives a stage's last
/// entry all that the stage made.
fn in_one(entries: &[Entry<'_>], lines: &[Option<Lines>]) -> Option<Lines> {
    let writes = |entry: &Entry<'_>| matches!(entry.word, "RUN" | "COPY" | "ADD");
    let (last, before) = entries.split_last()?;
    let alone = last.layer && before.iter().all(|entry| !entry.layer);
    if !alone || (writes(last) && !before.iter().any(writes)) {
        return None;
    }
    let files = |entry: &Entry<'_>| writes(entry) || entry.word == "WORKDIR";
    let made = entries.iter().zip(lines).filter(|(entry, _)| files(entry)).filter_map(|(_, lines)| *lines);
    made.reduce(|a, b| Lines { start: a.start.min(b.start), end: a.end.max(b.end) })
}
