//! What people read while the program runs: one line at a time on stderr. Data never goes this way.

use std::{fmt, io::Write};

use anstyle::{AnsiColor, Style};
use stella::{inventory::Skipped, report::plain};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Errors, and why a gate failed.
    Quiet,
    /// Notes too.
    Normal,
}

/// Writes to stderr; colours as the terminal, `NO_COLOR` and `--color` allow.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// How much is said.
    pub level: Level,
}

impl Log {
    /// Something worth knowing.
    pub fn note(self, text: impl fmt::Display) {
        if self.level >= Level::Normal {
            line("note", AnsiColor::Cyan, &text);
        }
    }

    /// Something that may be wrong.
    pub fn warn(self, text: impl fmt::Display) {
        line("warning", AnsiColor::Yellow, &text);
    }

    /// Something that is wrong.
    pub fn error(self, text: impl fmt::Display) {
        line("error", AnsiColor::Red, &text);
    }

    /// What was not looked at.
    pub fn skipped(self, skipped: &Skipped) {
        let Skipped { name, what, why } = skipped;
        self.error(format_args!("not looked at: {name}: {what} ({why})"));
    }

    /// A line without a label.
    pub fn plain(self, text: impl fmt::Display) {
        // A closed stderr must not end the gate: the exit code still counts.
        let _ = writeln!(anstream::stderr(), "{}", printable(&text.to_string()));
    }
}

fn line(label: &str, colour: AnsiColor, text: &dyn fmt::Display) {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let text = printable(&text.to_string());
    let _ = writeln!(anstream::stderr(), "{style}{label}{style:#}: {text}");
}

/// Text of an image, a feed or a server, line by line as [`plain`] has it: nothing steers a terminal or commands a runner, and no
/// line but the first can be taken for one of ours.
fn printable(text: &str) -> String {
    let line = |line: &str| {
        let text = line.trim_start();
        format!("{}{}", " ".repeat(line.len() - text.len()), plain(text))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n  | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_is_ours() {
        let text = "a.jar\nnote: gate passed\n--- fine\n  \u{1b}[31m::error::x";
        let lines = "a.jar\n  | note: gate passed\n  | --- fine\n  |   \\u{1b}[31m::error::x";
        assert_eq!(printable(text), lines);
    }
}
