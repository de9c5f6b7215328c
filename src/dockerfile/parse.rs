//! The text of a Dockerfile into instructions, as BuildKit's parser cuts it (`frontend/dockerfile/parser`).

use super::{Dockerfile, Error, FILES, HereDocument, Instruction, Lines, MAX_BYTES, Stage, Whole, known};

impl Dockerfile {
    /// Reads a Dockerfile.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::Size(text.len()));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = Self::read(text, true);
        match read {
            // `$((1 << 2))`: builders without here-documents leave it to the shell.
            Err(Error::HereDocument(_)) => Self::read(text, false).or(read),
            read => read,
        }
    }

    fn read(text: &str, here_documents: bool) -> Result<Self, Error> {
        let lines = text.lines().enumerate().collect();
        let mut source = Source { lines, next: 0, escape: escape(text), here_documents };
        let mut arguments = Vec::new();
        let mut stages: Vec<Stage> = Vec::new();
        while let Some(instruction) = source.instruction()? {
            match (instruction.word, stages.last_mut()) {
                ("FROM", _) => stages.push(stage(instruction)?),
                (_, Some(stage)) => stage.instructions.push(instruction),
                ("ARG", None) => arguments.push(instruction),
                (_, None) => return Err(Error::Order(instruction.lines.start)),
            }
        }
        if stages.is_empty() { Err(Error::NoStage) } else { Ok(Self { arguments, stages }) }
    }
}

fn stage(from: Instruction) -> Result<Stage, Error> {
    let mut words = from.text.split_whitespace();
    let image = words.next().ok_or(Error::Arguments(from.lines.start))?.trim_matches(['"', '\'']).to_owned();
    let name = words.next().filter(|word| word.eq_ignore_ascii_case("as")).and(words.next());
    Ok(Stage {
        name: name.map(str::to_ascii_lowercase),
        from: image,
        lines: from.lines,
        instructions: Vec::new(),
    })
}

impl Instruction {
    /// An instruction of its word and what follows it.
    pub(super) fn new(word: &'static str, rest: &str, documents: Vec<HereDocument>, lines: Lines) -> Self {
        let whole = rest.trim();
        let takes_flags = matches!(word, "FROM" | "RUN" | "COPY" | "ADD" | "HEALTHCHECK");
        let (flags, text) = if takes_flags { cut_flags(whole) } else { ("", whole) };
        let exec = if text.starts_with('[') { serde_json::from_str(text).ok() } else { None };
        let mut new = Self {
            word,
            flags: flags.to_owned(),
            text: text.to_owned(),
            exec,
            documents,
            said: Vec::new(),
            whole: Whole::default(),
            lines,
        };
        new.said = new.say(flags);
        new
    }

    /// What an `ONBUILD` makes a build upon its image do.
    pub(super) fn trigger(&self) -> Option<Self> {
        if self.word != "ONBUILD" {
            return None;
        }
        let (word, rest) = cut_word(&self.text);
        Some(Self::new(known(word)?, rest, self.documents.clone(), self.lines))
    }
}

/// The character that goes on with a line, of the directives at the top. What is none ends them.
fn escape(text: &str) -> char {
    for line in text.lines() {
        let Some((key, value)) = line.trim().strip_prefix('#').and_then(|line| line.split_once('=')) else {
            break;
        };
        match (key.trim().to_ascii_lowercase().as_str(), value.trim()) {
            ("escape", "`") => return '`',
            ("syntax" | "check" | "escape", value) if !value.is_empty() => {}
            _ => break,
        }
    }
    '\\'
}

struct Source<'a> {
    lines: Vec<(usize, &'a str)>,
    next: usize,
    escape: char,
    /// Whether the builder knows them.
    here_documents: bool,
}

impl Source<'_> {
    fn instruction(&mut self) -> Result<Option<Instruction>, Error> {
        let mut whole = Whole::default();
        let mut lines: Option<Lines> = None;
        while let Some((index, line)) = self.lines.get(self.next) {
            self.next += 1;
            // Inside an instruction, too, lines without text and lines of comment are passed over.
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let start = lines.map_or(index + 1, |lines| lines.start);
            lines = Some(Lines { start, end: index + 1 });
            let continued = continued(line, self.escape);
            whole.push(continued.unwrap_or(line), index + 1);
            if continued.is_none() {
                break;
            }
        }
        let Some(mut lines) = lines else { return Ok(None) };
        let (word, rest) = cut_word(whole.text().trim());
        let word = known(word).ok_or(Error::Word(lines.start))?;
        let first = self.next;
        let documents = self.documents(word, rest, &mut lines)?;
        let mut instruction = Instruction::new(word, rest, documents, lines);
        if instruction.text.is_empty() {
            return Err(Error::Arguments(lines.start));
        }
        whole.end_line();
        for (index, line) in &self.lines[first..self.next] {
            // A shell reads them, mostly.
            let continued = continued(line, '\\');
            whole.push(continued.unwrap_or(line), index + 1);
            if continued.is_none() {
                whole.end_line();
            }
        }
        instruction.whole = whole;
        Ok(Some(instruction))
    }

    /// The here-documents that a command names, in order.
    fn documents(&mut self, word: &str, rest: &str, lines: &mut Lines) -> Result<Vec<HereDocument>, Error> {
        let word = if word == "ONBUILD" { known(cut_word(rest).0).unwrap_or_default() } else { word };
        if !FILES.contains(&word) || !self.here_documents || !rest.contains("<<") {
            return Ok(Vec::new());
        }
        let mut documents = Vec::new();
        for word in words(rest) {
            let Some((tabs, name)) = here_document(word) else { continue };
            let mut text = String::new();
            loop {
                let (index, line) = self.lines.get(self.next).ok_or(Error::HereDocument(lines.start))?;
                self.next += 1;
                if (if tabs { line.trim_start_matches('\t') } else { line }) == name {
                    lines.end = index + 1;
                    break;
                }
                text.push_str(line);
                text.push('\n');
            }
            documents.push(HereDocument { name, text });
        }
        Ok(documents)
    }
}

/// The line without the character at its end that says it goes on; twice, it stands for itself.
fn continued(line: &str, escape: char) -> Option<&str> {
    let line = line.trim_end().strip_suffix(escape)?;
    if line.ends_with(escape) { None } else { Some(line) }
}

/// `[N]<<[-]NAME`, the name quoted or not: whether its lines may be indented by tabs, and its name.
pub(super) fn here_document(word: &str) -> Option<(bool, String)> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let name: String = rest.trim_start().chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    if name.is_empty() || name.contains('<') { None } else { Some((tabs, name)) }
}

fn cut_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// What begins with `--`, and the rest.
pub(super) fn cut_flags(text: &str) -> (&str, &str) {
    let mut rest = text;
    while rest.starts_with("--") {
        let (flag, behind) = rest.split_at(word_end(rest));
        rest = behind.trim_start();
        if flag == "--" {
            break;
        }
    }
    (&text[..text.len() - rest.len()], rest)
}

/// The words of a command as a shell cuts them, quotes and all. Between `<<` and a name may be space.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let mut end = word_end(rest);
        if rest[..end].ends_with("<<") {
            let name = rest[end..].trim_start();
            end = rest.len() - name.len() + word_end(name);
        }
        let (word, behind) = rest.split_at(end);
        rest = behind.trim_start();
        (!word.is_empty()).then_some(word)
    })
}

/// Where the word ends that a text begins with: at space that is neither quoted nor escaped.
pub(super) fn word_end(text: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}
