//! The stages that one stage is built from, down to an image that is not of the Dockerfile.

use std::collections::BTreeMap;

use super::{
    Dockerfile, Stage,
    place::{Argument, Disagreement},
    variable::{parts, substitute},
};
use crate::image::Platform;

/// Values of the arguments that a `FROM` may name.
pub(super) type Arguments<'a> = BTreeMap<&'a str, String>;

/// Most stages that are tried for a name that only the build knows.
pub(super) const MAX_GUESSES: usize = 32;

/// A stage and those below it.
pub(super) struct Chain<'a> {
    /// Lowest first; never empty.
    pub stages: Vec<&'a Stage>,
    /// What the lowest starts from; `None` where variables without a default name it.
    pub from: Option<String>,
    /// Whose default its tag is.
    pub argument: Option<Argument>,
    /// Positions of the stages that those variables may name, where they may name more than an image; one more than are
    /// tried at most.
    pub perhaps: Vec<usize>,
    /// So many of the lowest stages must be told by their text: all, or those that were guessed.
    pub told: usize,
}

impl Dockerfile {
    /// The position of a stage: the last, or the one of a name or a number.
    pub(super) fn target(&self, target: Option<&str>) -> Result<usize, Disagreement> {
        let last = self.stages.len() - 1;
        let Some(target) = target else { return Ok(last) };
        self.named(target, self.stages.len())
            .or_else(|| target.parse().ok().filter(|index| *index <= last))
            .ok_or_else(|| Disagreement::NoStage(target.to_owned()))
    }

    /// The chain of the stage at `index`.
    pub(super) fn chain(&self, mut index: usize, arguments: &Arguments<'_>) -> Chain<'_> {
        let mut stages = vec![&self.stages[index]];
        // Each step leads to an earlier stage, so there is an end.
        let from = loop {
            let from = substitute(&self.stages[index].from, arguments);
            match from.as_deref().and_then(|from| self.named(from, index)) {
                Some(below) => index = below,
                None => break from,
            }
            stages.push(&self.stages[index]);
        };
        let argument = self.argument(&self.stages[index], arguments);
        // No stage could be named so, but the forms of variables have a colon too.
        let written = [":-", ":+", ":?"]
            .iter()
            .fold(self.stages[index].from.clone(), |from, form| from.replace(form, ""));
        let is_image = from.is_some() || written.contains([':', '/', '@']);
        let perhaps = if is_image { Vec::new() } else { self.names(index) };
        stages.reverse();
        Chain { told: stages.len(), stages, from, argument, perhaps }
    }

    /// The argument whose default a stage has the version of its image from.
    fn argument(&self, stage: &Stage, arguments: &Arguments<'_>) -> Option<Argument> {
        let parts = parts(&stage.from, arguments)?;
        let from: String = parts.iter().map(|(_, part)| part.as_str()).collect();
        let version = version(&from);
        let mut end = 0;
        let (origin, _) = parts.iter().find(|(_, part)| {
            end += part.len();
            version < end
        })?;
        let origin = (*origin)?;
        let line = if origin.is_own { Some(stage.lines.start) } else { self.default_line(origin.name) };
        Some(Argument { name: origin.name.to_owned(), line: line? })
    }

    /// The line of the last default that an argument has before the first `FROM`.
    fn default_line(&self, name: &str) -> Option<usize> {
        let pairs = self.arguments.iter().rev().flat_map(|argument| argument.pairs().into_iter().rev());
        pairs.into_iter().find(|pair| pair.name == name && pair.value.is_some()).map(|pair| pair.line)
    }

    /// The chain `above`, if it starts from the stage at `index`.
    pub(super) fn guess<'a>(
        &'a self,
        above: &Chain<'a>,
        index: usize,
        arguments: &Arguments<'_>,
    ) -> Chain<'a> {
        let mut chain = self.chain(index, arguments);
        chain.stages.extend(&above.stages);
        chain
    }

    /// The newest stage of each name before `end`.
    fn names(&self, end: usize) -> Vec<usize> {
        let is_newest = |index: &usize| {
            let name = self.stages[*index].name.as_deref();
            name.and_then(|name| self.named(name, end)) == Some(*index)
        };
        (0..end).rev().filter(is_newest).take(MAX_GUESSES + 1).collect()
    }

    /// Names of stages that are not the last.
    pub(super) fn other_stages(&self) -> impl Iterator<Item = (usize, &str)> {
        let stages = self.stages[..self.stages.len() - 1].iter().enumerate().rev();
        stages.filter_map(|(index, stage)| Some((index, stage.name.as_deref()?)))
    }

    /// The newest stage of a name before `end`.
    pub(super) fn named(&self, name: &str, end: usize) -> Option<usize> {
        let stages = &self.stages[..end];
        stages
            .iter()
            .rposition(|stage| stage.name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }

    /// What BuildKit knows of the platform that is built for, and the defaults of the arguments before the first `FROM`.
    pub(super) fn defaults(&self, platform: &Platform) -> Arguments<'_> {
        let mut defaults = Arguments::from([
            ("TARGETPLATFORM", platform.to_string()),
            ("TARGETOS", platform.os.clone()),
            ("TARGETARCH", platform.architecture.clone()),
            ("TARGETVARIANT", platform.variant.clone()),
        ]);
        for word in self.arguments.iter().flat_map(|argument| argument.text.split_whitespace()) {
            let Some((name, value)) = word.split_once('=') else { continue };
            match substitute(value.trim_matches(['"', '\'']), &defaults) {
                Some(value) => _ = defaults.insert(name, value),
                None => _ = defaults.remove(name),
            }
        }
        defaults
    }
}

/// Where in an image's name its version begins: its digest, else the first number of its tag, else its own last part.
fn version(name: &str) -> usize {
    if let Some(at) = name.find('@') {
        return at + 1;
    }
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let Some(tag) = name[last..].find(':').map(|colon| last + colon + 1) else { return last };
    name[tag..].find(|c: char| c.is_ascii_digit()).map_or(tag, |digit| tag + digit)
}
