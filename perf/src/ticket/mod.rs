//! Tickets: what a soft gate opens where its phase passed `factor` times its target, in the issues of GitLab or GitHub.
//!
//! ```text
//! results -> tickets (text) -> the CI's variables (tracker) -> look for the marker -> open (client)
//! ```
//!
//! Never twice for the same regression: a hidden marker in the description names phase, variant and kind of reason, and
//! nothing is opened, or added, while an open issue has it. Once that one is closed, the next regression opens a new one.
//! Two runs at the same moment could both look before either opens: CI runs one benchmark at a time (`resource_group` in
//! `.gitlab-ci.yml`, `concurrency` on GitHub), nothing else limits that.
//!
//! A ticket that could not be opened is said on stderr and in `tickets.md`; the exit code stays, because the gate is soft
//! and its verdict does not depend on a tracker.

mod client;
mod text;
mod tracker;

use std::fmt;

use crate::result::Results;
use text::Ticket;
use tracker::Tracker;

/// Whether soft gates open tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Where the CI's variables name a project and a token is there.
    Auto,
    /// No.
    Never,
}

/// What became of one ticket.
#[derive(Debug)]
pub struct Filed {
    /// `PHASE` or `PHASE/VARIANT`.
    id: String,
    /// What, or why not.
    result: Result<Outcome, client::Error>,
}

/// A ticket that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was open before: nothing was added.
    WasOpen(u64),
    /// It was opened now.
    Opened(u64),
    /// It was opened, and the tracker dropped its label, by which the next run would find it.
    OpenedWithoutLabel(u64),
}

/// Opens what is to be opened; `variable` looks up the environment.
pub fn file(
    mode: Mode,
    results: &Results,
    factor: f64,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<Filed> {
    let tickets = Ticket::of(results, factor, tracker::run_address(variable).as_deref());
    if mode == Mode::Never || tickets.is_empty() {
        return Vec::new();
    }
    let tracker = Tracker::of(variable);
    tickets
        .into_iter()
        .map(|ticket| {
            let result = match &tracker {
                Ok(tracker) => tracker.file(&ticket),
                Err(error) => Err(error.clone()),
            };
            Filed { id: ticket.id, result }
        })
        .collect()
}

impl fmt::Display for Filed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        match &self.result {
            Ok(Outcome::WasOpen(number)) => {
                write!(f, "{id}: issue #{number} is open already, nothing is added")
            }
            Ok(Outcome::Opened(number)) => write!(f, "{id}: opened issue #{number}"),
            Ok(Outcome::OpenedWithoutLabel(number)) => write!(
                f,
                "{id}: WARNING: opened issue #{number}, but the tracker dropped its label {}: the next run cannot find it and would open another; give the token the right to set labels",
                tracker::LABEL
            ),
            Err(error) => write!(f, "{id}: WARNING: NO TICKET WAS OPENED: {error}"),
        }
    }
}

/// The list for `tickets.md` and the job's log; empty where no ticket was due.
pub fn markdown(filed: &[Filed]) -> String {
    if filed.is_empty() {
        return String::new();
    }
    let lines: String = filed.iter().map(|filed| format!("- {filed}\n")).collect();
    format!("\nTickets of soft gates\n\n{lines}")
}
