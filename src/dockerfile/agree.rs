//! Whether an instruction is what made an entry of a history: by its word, and by its text where builders repeat that.

use super::{
    Instruction,
    entry::{Builder, Entry, SHELL_ENDS},
    parse::{cut_flags, here_document},
    squeeze,
};

impl Instruction {
    /// `None` where it is not; else whether the text says so too, or only the word.
    pub(super) fn agrees(&self, entry: &Entry<'_>, shells: &[&str]) -> Option<bool> {
        if entry.word != self.word {
            return None;
        }
        let said = entry.said.as_str();
        let agrees = match self.word {
            "RUN" | "CMD" | "ENTRYPOINT" => {
                let said = [said, without_digests(said)];
                self.said.iter().any(|command| said.iter().any(|said| self.is_command(said, command, shells)))
            }
            // BuildKit says what is copied, with its variables put in; others only where it goes to.
            "COPY" | "ADD" if entry.builder == Some(Builder::BuildKit) && !self.text.contains('$') => {
                let said = squeeze(cut_flags(entry.text).1);
                self.said.contains(&said)
            }
            "COPY" | "ADD" => {
                return self.destination().map_or(Some(false), |path| same_path(&path, entry.text));
            }
            // What follows has its variables put in.
            "WORKDIR" | "USER" | "STOPSIGNAL" | "MAINTAINER" | "VOLUME" | "SHELL"
                if self.text.contains('$') =>
            {
                return Some(false);
            }
            "WORKDIR" => return same_path(&self.text, entry.text),
            "USER" | "STOPSIGNAL" | "MAINTAINER" | "VOLUME" | "SHELL" | "ONBUILD" => {
                self.said.iter().any(|text| text == said)
            }
            "ENV" | "LABEL" => match self.key() {
                Some(key) => said.starts_with(&key),
                None => return Some(false),
            },
            // Ports are sorted, checks are written as Go writes a struct, buildah confuses the names of arguments.
            _ => return Some(false),
        };
        agrees.then_some(true)
    }

    /// Whether an entry says this command, behind arguments and a shell or bare.
    fn is_command(&self, said: &str, command: &str, shells: &[&str]) -> bool {
        let Some(before) = said.strip_suffix(command) else { return false };
        before.is_empty()
            || SHELL_ENDS.iter().any(|end| before.ends_with(end))
            || shells.iter().any(|shell| before.ends_with(shell))
            || (self.exec.is_some() && before.starts_with('|'))
    }

    /// The text as a history may have it, squeezed, if it begins with these flags.
    pub(super) fn say(&self, flags: &str) -> Vec<String> {
        let arguments = self.exec.as_ref().map(|arguments| arguments.join(" "));
        let text = arguments.as_ref().unwrap_or(&self.text);
        let mut said = match self.word {
            "COPY" | "ADD" => return vec![self.copied(text)],
            "RUN" if !self.documents.is_empty() => return self.scripts(flags),
            // Go writes tabs and ends of lines so.
            "CMD" | "ENTRYPOINT" => {
                vec![squeeze(text), squeeze(&text.replace('\t', "\\t").replace('\n', "\\n"))]
            }
            _ => vec![squeeze(text)],
        };
        // buildah repeats flags, and JSON as it is written.
        said.push(squeeze(&format!("{flags}{}", self.text)));
        said.dedup();
        said
    }

    /// A command with here-documents: BuildKit makes the first a script or a file, if it is alone, or puts all behind the
    /// command that takes them; buildah puts their text there.
    fn scripts(&self, flags: &str) -> Vec<String> {
        let Some(first) = self.documents.first() else { return Vec::new() };
        let (mut whole, mut texts) = (self.text.clone(), format!("{flags}{}", self.text));
        for document in &self.documents {
            whole.push_str(&document.text);
            whole.push_str(&document.name);
            texts.push_str(&document.text);
        }
        [first.text.as_str(), &format!("/dev/pipes/{}", first.name), &whole, &texts].map(squeeze).to_vec()
    }

    /// What is copied, as BuildKit says it: files, names of here-documents, destination.
    fn copied(&self, text: &str) -> String {
        let mut files: Vec<&str> = text.split_whitespace().collect();
        let destination = files.pop().unwrap_or_default();
        let documents: Vec<_> = files.iter().filter_map(|word| here_document(word)).collect();
        files.retain(|word| here_document(word).is_none());
        let mut copied = files.concat();
        for (_, name) in documents {
            copied.push_str("<<");
            copied.push_str(&name);
        }
        copied.push_str(destination);
        squeeze(&copied)
    }

    /// Where files go, where that is written without variables.
    fn destination(&self) -> Option<String> {
        let last = match &self.exec {
            Some(arguments) => arguments.last()?.as_str(),
            None => self.text.split_whitespace().last()?,
        };
        (!last.contains('$')).then(|| last.to_owned())
    }

    /// The first name that is set, where that is written without variables.
    fn key(&self) -> Option<String> {
        let end = self.text.find(|c: char| c == '=' || c.is_whitespace())?;
        let key = squeeze(&self.text[..end]);
        (!key.is_empty() && !key.contains('$')).then_some(key)
    }
}

/// Whether a text ends with a path, which a builder may have made whole; only the word where it leads up or is `.`.
fn same_path(path: &str, text: &str) -> Option<bool> {
    let path = path.trim_matches(['"', '\'']);
    if path == "/" {
        let text = text.trim_end();
        return (text == path || text.ends_with(" /")).then_some(true);
    }
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    let text = text.trim_end().trim_matches(['"', '\'']).trim_end_matches('/');
    let before = text.strip_suffix(path).filter(|_| !path.is_empty() && path != ".");
    match before {
        Some(before) => (before.is_empty() || before.ends_with(['/', ' ', '"'])).then_some(true),
        None => (path.is_empty() || path.split('/').any(|part| matches!(part, "." | ".."))).then_some(false),
    }
}

/// Without the digests of what is mounted, which buildah puts behind a command.
fn without_digests(said: &str) -> &str {
    let mut rest = said;
    while let Some((before, digest)) = rest.rsplit_once(":sha256:")
        && digest.len() == 64
        && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        rest = before;
    }
    rest
}
