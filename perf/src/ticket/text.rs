//! The text of a ticket: a pure function of the results.

use crate::{
    judge::{About, Outcome},
    result::{Figures, PhaseStats, Results},
    targets::{Gate, Target},
};

const TITLE_CHARACTERS: usize = 200;
const VALUE_CHARACTERS: usize = 300;

/// One ticket.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    /// `PHASE` or `PHASE/VARIANT`.
    pub id: String,
    /// One line.
    pub title: String,
    /// Markdown; [`Ticket::marker`] is a line of it.
    pub body: String,
    /// What makes it this regression and no other: a comment that Markdown hides.
    pub marker: String,
}

impl Ticket {
    /// One for each soft phase past `factor` times its target; `run` is where the run can be looked at.
    pub fn of(results: &Results, factor: f64, run: Option<&str>) -> Vec<Self> {
        let due = results.phases.iter().filter_map(|row| {
            let (figures, target) = (row.figures()?, row.target?);
            let past = figures.summary.p95_ms > factor * target.target_p95_ms;
            (target.gate == Gate::Soft && past).then(|| ticket(results, row, figures, target, factor, run))
        });
        due.collect()
    }
}

fn ticket(
    results: &Results,
    row: &PhaseStats,
    figures: &Figures,
    target: Target,
    factor: f64,
    run: Option<&str>,
) -> Ticket {
    let id = row.id();
    // A planted slow-down is no regression, and must not hide one.
    let planted = if results.planted.is_empty() { "" } else { " planted" };
    let marker = format!("<!-- stella-perf: {id} target{planted} -->");
    let p95_ms = figures.summary.p95_ms;
    let title = cut(
        &format!(
            "Benchmark{}: {id} takes {:.1} times its target (P95 {p95_ms:.1} ms, target {} ms)",
            if planted.is_empty() { "" } else { " (planted slow-down)" },
            p95_ms / target.target_p95_ms,
            target.target_p95_ms
        ),
        TITLE_CHARACTERS,
    );
    let machine = &results.machine;
    let reasons: String = row
        .judgement
        .reasons
        .iter()
        .filter(|reason| reason.about == About::Target && reason.outcome == Outcome::Warn)
        .map(|reason| format!("- {}\n", code(&reason.message)))
        .collect();
    let planted = results.planted.iter().map(|plant| format!("- planted: {}\n", code(plant)));
    let run = run.map(|run| format!("- job: {}\n", code(run))).unwrap_or_default();
    let body = format!(
        "{marker}\n\n{} ({}) is past {factor} times its target. Its gate is soft: the build went on.\n\n\
         {reasons}- P50 {:.2} ms, P95 {p95_ms:.2} ms, P99 {:.2} ms of {} samples\n\
         - floor: P50 {:.2} ms, {}\n- source: {}\n- machine: {}, {} cores, {}\n- commit: {}\n- run: {}\n{run}{}\n\
         While this issue is open, later runs add nothing to it. Once it is closed, the next run past the bound opens another.\n",
        code(&id),
        code(row.phase.covers()),
        figures.summary.p50_ms,
        figures.summary.p99_ms,
        figures.summary.samples,
        figures.floor.p50_ms,
        code(&figures.floor.what),
        code(&figures.source),
        code(&machine.cpu),
        machine.cores,
        code(&machine.kernel),
        code(&machine.commit),
        code(&results.started),
        planted.collect::<String>(),
    );
    Ticket { id, title, body, marker }
}

/// Text that nobody here wrote, as code in one line: no markup, mention, reference or quick action in it takes effect.
fn code(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| match c {
            '`' => '\'',
            c if c.is_control() || c.is_whitespace() => ' ',
            c => c,
        })
        .collect();
    let line = cut(line.trim(), VALUE_CHARACTERS);
    if line.is_empty() { "(nothing)".to_owned() } else { format!("`{line}`") }
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_takes_no_effect() {
        assert_eq!(code("a`b\n/close @all <!-- x -->\u{2028}|"), "`a'b /close @all <!-- x --> |`");
        assert_eq!(code(" \n\t"), "(nothing)");
        assert_eq!(code(&"ü".repeat(400)).chars().count(), VALUE_CHARACTERS + 3);
        assert_eq!(cut("üüü", 3), "üüü");
    }
}
