//! Whether an instruction is what made an entry of a history: by its word, and by its text where builders repeat that.

use super::{
    Instruction,
    entry::{Entry, SHELL_ENDS},
    squeeze,
};

impl Instruction {
    /// `None` where it is not; else whether the text says so too, or only the word.
    pub(super) fn agrees(&self, entry: &Entry<'_>, shells: &[String]) -> Option<bool> {
        if entry.word != self.word {
            return None;
        }
        let said = entry.said.as_str();
        let agrees = match self.word {
            "RUN" | "CMD" | "ENTRYPOINT" => {
                self.said.iter().any(|command| self.is_command(said, command, shells))
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
    fn is_command(&self, said: &str, command: &str, shells: &[String]) -> bool {
        let Some(before) = said.strip_suffix(command) else { return false };
        before.is_empty()
            || SHELL_ENDS.iter().any(|end| before.ends_with(end))
            || shells.iter().any(|shell| before.ends_with(shell.as_str()))
            || (self.exec.is_some() && before.starts_with('|'))
    }

    /// The text as a history may have it, squeezed. Of here-documents a builder makes a script or a file, if one is alone, or
    /// puts all behind the command that takes them.
    pub(super) fn say(&self) -> Vec<String> {
        let Some(first) = self.documents.first().filter(|_| self.word == "RUN") else {
            let text = self.exec.as_ref().map(|arguments| arguments.join(" "));
            return vec![squeeze(text.as_ref().unwrap_or(&self.text))];
        };
        let mut whole = self.text.clone();
        for document in &self.documents {
            whole.push_str(&document.text);
            whole.push_str(&document.name);
        }
        [first.text.as_str(), &format!("/dev/pipes/{}", first.name), &whole].map(squeeze).to_vec()
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

/// Whether a text ends with a path, which a builder may have made whole; only the word where the path is `.`.
fn same_path(path: &str, text: &str) -> Option<bool> {
    let path = path.trim_matches(['"', '\'']);
    if path == "/" {
        let text = text.trim_end();
        return (text == path || text.ends_with(" /")).then_some(true);
    }
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.is_empty() || path == "." {
        return Some(false);
    }
    let before = text.trim_end().trim_matches(['"', '\'']).trim_end_matches('/').strip_suffix(path)?;
    (before.is_empty() || before.ends_with(['/', ' ', '"'])).then_some(true)
}
