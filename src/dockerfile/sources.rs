//! What a Dockerfile takes from the directory that it is built from. Which directory that is, it does not say.

use std::collections::{BTreeSet, HashMap};

use wildmatch::WildMatch;

use super::{Dockerfile, Instruction, Lines, parse::words};

/// What a Dockerfile takes: a path from the directory that it is built from. A part of it may be a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    parts: Vec<WildMatch>,
    /// Any directories may stand before the parts: a variable does.
    is_anywhere: bool,
    /// Whether a part is a pattern.
    is_pattern: bool,
    taken: Taken,
}

/// Which instructions may have what is taken, by their lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Taken {
    /// From the one that begins on a line on: that copies it. From any on what another stage took, which may be copied whenever.
    Since(usize),
    /// The one alone that begins on a line: it mounts it.
    Mounted(usize),
}

/// Which layers' instructions may have a file of the checkout; where nothing is said of it, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtHand {
    since: Option<usize>,
    /// At most [`MAX_MOUNTED`].
    mounted: Vec<usize>,
}

/// Instructions that are known to mount one file.
const MAX_MOUNTED: usize = 100;

impl AtHand {
    /// A source that the file is of.
    pub fn add(&mut self, source: &Source) {
        match source.taken {
            Taken::Since(line) => self.since = Some(self.since.map_or(line, |since| since.min(line))),
            Taken::Mounted(line) if self.mounted.len() < MAX_MOUNTED => self.mounted.push(line),
            Taken::Mounted(_) => {}
        }
    }

    /// Whether the file is at hand for the instructions on some lines.
    pub fn is_for(&self, lines: Lines) -> bool {
        *self == Self::default()
            || self.since.is_some_and(|since| since <= lines.end)
            || self.mounted.iter().any(|line| (lines.start..=lines.end).contains(line))
    }
}

impl Dockerfile {
    /// What the stage `target`, or else the last one, takes, and those that it needs: by `COPY`, by `ADD`, and by the mounts of a
    /// `RUN`.
    pub fn sources(&self, target: Option<&str>) -> Vec<Source> {
        let mut sources = BTreeSet::new();
        let chain = self.stages_below(target);
        for index in self.needed(target) {
            let is_of_chain = chain.contains(&index);
            for instruction in &self.stages[index].instructions {
                let taken = match instruction.word {
                    _ if !is_of_chain => Taken::Since(1),
                    "RUN" => Taken::Mounted(instruction.lines.start),
                    _ => Taken::Since(instruction.lines.start),
                };
                sources.extend(instruction.sources().into_iter().map(|path| (path, taken)));
            }
        }
        sources.iter().map(|(path, taken)| Source::new(path, *taken)).collect()
    }

    /// A stage and those that it starts from, as far as no variable names one.
    fn stages_below(&self, target: Option<&str>) -> BTreeSet<usize> {
        let mut index = self.target(target).unwrap_or(self.stages.len() - 1);
        let mut stages = BTreeSet::from([index]);
        while let Some(below) = self.named(&self.stages[index].from, index) {
            index = below;
            stages.insert(index);
        }
        stages
    }

    /// A stage, and those that it starts or copies from. A variable may name any stage before it.
    fn needed(&self, target: Option<&str>) -> BTreeSet<usize> {
        let target = self.target(target).unwrap_or(self.stages.len() - 1);
        let mut positions: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, stage) in self.stages.iter().enumerate() {
            positions.entry(stage.name.as_deref().unwrap_or_default()).or_default().push(index);
        }
        let (mut needed, mut any) = (BTreeSet::from([target]), false);
        for index in (0..=target).rev() {
            if !any && !needed.contains(&index) {
                continue;
            }
            needed.insert(index);
            let stage = &self.stages[index];
            let flags = stage.instructions.iter().flat_map(|instruction| words(&instruction.flags));
            for name in flags.filter_map(copied_from).chain([stage.from.as_str()]) {
                any |= name.contains('$');
                let named = positions.get(name.to_ascii_lowercase().as_str()).map_or(&[][..], Vec::as_slice);
                let newest = named[..named.partition_point(|other| *other < index)].last().copied();
                let numbered = || name.parse().ok().filter(|other| *other < index);
                needed.extend(newest.or_else(numbered));
            }
        }
        needed
    }
}

impl Instruction {
    fn sources(&self) -> Vec<String> {
        let mut flags = words(&self.flags);
        match self.word {
            "RUN" => flags.filter_map(mounted).map(str::to_owned).collect(),
            // What is of another stage or image is no file of the checkout.
            "ADD" | "COPY" if flags.all(|flag| copied_from(flag).is_none()) => {
                let written = || words(&self.text).map(|word| word.trim_matches(['"', '\'']).to_owned());
                let mut paths = self.exec.clone().unwrap_or_else(|| written().collect());
                // The last is where to.
                paths.pop();
                paths.retain(|path| !path.starts_with("<<") && !path.contains("://"));
                paths
            }
            _ => Vec::new(),
        }
    }
}

/// The stage or image that `--from=NAME` or `--mount=from=NAME` takes files from.
fn copied_from(flag: &str) -> Option<&str> {
    flag.strip_prefix("--from=")
        .or_else(|| fields(flag)?.find_map(|(key, value)| (key == "from").then_some(value)))
}

/// The fields of a `--mount`.
fn fields(flag: &str) -> Option<impl Iterator<Item = (&str, &str)>> {
    let fields = flag.strip_prefix("--mount=")?.trim_matches(['"', '\'']).split(',');
    Some(fields.filter_map(|field| field.split_once('=')))
}

/// What `--mount=type=bind,source=PATH` takes; without a type it is that one, without a source it is everything.
fn mounted(flag: &str) -> Option<&str> {
    let mut source = ".";
    for (key, value) in fields(flag)? {
        match key {
            "from" => return None,
            "type" if value != "bind" => return None,
            "source" | "src" => source = value,
            _ => {}
        }
    }
    Some(source)
}

impl Source {
    fn new(path: &str, taken: Taken) -> Self {
        let (mut parts, mut is_anywhere) = (Vec::new(), false);
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                // It may be several parts.
                _ if part.contains('$') => {
                    parts.clear();
                    is_anywhere = true;
                }
                _ => parts.push(part),
            }
        }
        if parts.iter().all(|part| matches!(*part, "*" | "**")) {
            parts.clear();
        }
        let is_pattern = parts.iter().any(|part| part.contains(['*', '?']));
        Self { parts: parts.into_iter().map(WildMatch::new).collect(), is_anywhere, is_pattern, taken }
    }

    /// Whether it is all there is.
    pub fn is_all(&self) -> bool {
        self.parts.is_empty()
    }

    /// What of a path, from the directory that is built from, is below what is taken; nothing where it is that itself. `None`
    /// where it is not taken.
    pub fn below<'p, 'a>(&self, path: &'p [&'a str]) -> Option<&'p [&'a str]> {
        let last = if self.is_anywhere { path.len() } else { 0 };
        (0..=last).find_map(|start| {
            let (parts, below) = path[start..].split_at_checked(self.parts.len())?;
            self.is(parts).then_some(below)
        })
    }

    /// Whether a path is what is taken, from one directory or another. A pattern may have taken something else.
    pub fn ends(&self, path: &[&str]) -> bool {
        let start = path.len().checked_sub(self.parts.len()).filter(|_| !self.is_pattern);
        start.is_some_and(|start| self.is(&path[start..]))
    }

    fn is(&self, parts: &[&str]) -> bool {
        self.parts.iter().zip(parts).all(|(pattern, part)| pattern.matches(part))
    }
}
