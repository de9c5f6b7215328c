//! The page for GitLab Pages: the plot, the last run in figures, every run's file.

use std::collections::BTreeSet;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Window,
    history::{History, Run},
};
use crate::{
    judge::Outcome,
    report::column::{COLUMNS, verdict},
    result::{PhaseStats, Results},
};

const STYLE: &str = include_str!("page.css");

/// The page; `plot` is the SVG's text.
pub fn html(window: &Window, history: &History, plot: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Stella-Perf" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Stella-Perf" }
                p.quiet {
                    "The 95th percentile of each phase, " (window.weeks) " weeks, " (history.runs.len()) " runs. "
                    a href="trend.svg" { "The plot alone" } "."
                }
                (notes(history))
                div.wide { (PreEscaped(plot)) }
                @if let Some(last) = history.runs.last() { (last_run(last)) (runs(&history.runs)) }
                (left_out(history))
            }
        }
    }
}

/// What a reader has to know before comparing anything.
fn notes(history: &History) -> Markup {
    let machines: BTreeSet<_> =
        history.runs.iter().map(|run| (&run.results.machine.cpu, run.results.machine.cores)).collect();
    let images = phases_with_other_layers(&history.runs);
    html! {
        @if machines.len() > 1 {
            div.note #machines {
                "Figures come from " (machines.len()) " machines; lines are broken where it changes:"
                ul { @for (cpu, cores) in machines { li { (cores) " x " (cpu) } } }
            }
        }
        @if !images.is_empty() {
            div.note #layers {
                "Figures of " (images.join(", ")) " come from images with different diff IDs; lines are broken where they change."
            }
        }
    }
}

/// What is not among the runs.
fn left_out(history: &History) -> Markup {
    html! {
        @if !history.unreadable.is_empty() {
            div.note #unreadable {
                "Left out, because they could not be read:"
                ul { @for left_out in &history.unreadable { li { (left_out) } } }
            }
        }
        @if !history.planted.is_empty() {
            p.quiet #planted { "Left out, because slow-downs were planted in them: " (history.planted.join(", ")) "." }
        }
    }
}

fn phases_with_other_layers(runs: &[Run]) -> Vec<String> {
    let rows = || runs.iter().flat_map(|run| &run.results.phases);
    let ids: BTreeSet<_> = rows().map(|row| (row.phase, row.variant.as_deref())).collect();
    ids.into_iter()
        .filter_map(|id| {
            let mut own = rows().filter(|row| (row.phase, row.variant.as_deref()) == id);
            let first = own.by_ref().find_map(|row| Some((row.id(), &row.figures()?.diff_ids)))?;
            own.filter_map(PhaseStats::figures).any(|figures| figures.diff_ids != *first.1).then_some(first.0)
        })
        .collect()
}

fn last_run(run: &Run) -> Markup {
    let machine = &run.results.machine;
    html! {
        h2 { "The last run" }
        p {
            (moment(run.at)) ", commit " code { (machine.commit) } ", on " (machine.cores) " x " (machine.cpu) ", "
            (machine.memory_bytes >> 20) " MiB, " (machine.kernel) "; images on " (machine.disk) ", working files on "
            (machine.work) ". "
            a href=(run.link()) { "Its figures" } "."
        }
        div.wide {
            table #last-run {
                thead {
                    tr {
                        @for column in COLUMNS { th scope="col" .number[column.number] { (column.heading) } }
                        th scope="col" { "why" }
                    }
                }
                tbody { @for row in &run.results.phases { (self::row(row)) } }
            }
        }
    }
}

fn row(row: &PhaseStats) -> Markup {
    let reasons: Vec<&str> = row.judgement.reasons.iter().map(|reason| reason.message.as_str()).collect();
    let (last, others) = COLUMNS.split_last().map_or((None, COLUMNS), |(last, others)| (Some(last), others));
    html! {
        tr {
            @for column in others { td .number[column.number] { ((column.cell)(row)) } }
            @if let Some(verdict) = last { td class=(class(row.judgement.outcome)) { ((verdict.cell)(row)) } }
            td.why { (reasons.join("; ")) }
        }
    }
}

fn runs(runs: &[Run]) -> Markup {
    html! {
        h2 { "Every run" }
        div.wide {
            table #runs {
                thead {
                    tr {
                        @for heading in ["run", "began", "commit", "processor", "measured", "gates", "figures"] {
                            th scope="col" { (heading) }
                        }
                    }
                }
                tbody {
                    @for run in runs.iter().rev() {
                        @let results = &run.results;
                        @let worst = worst(results);
                        tr {
                            td { (run.name) }
                            td { (moment(run.at)) }
                            td { code { (results.machine.commit.chars().take(12).collect::<String>()) } }
                            td { (results.machine.cores) " x " (results.machine.cpu) }
                            td {
                                (results.phases.iter().filter(|row| row.figures().is_some()).count())
                                " of " (results.phases.len())
                            }
                            td class=(class(worst)) { (verdict(worst)) }
                            td { a href=(run.link()) { "phase-stats.json" } }
                        }
                    }
                }
            }
        }
    }
}

/// The strictest outcome of what was measured; a phase that is not there yet makes no run a bad one.
fn worst(results: &Results) -> Outcome {
    let outcomes = results.phases.iter().map(|row| row.judgement.outcome);
    outcomes.filter(|outcome| *outcome != Outcome::NotJudged).max().unwrap_or_default()
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::NotJudged => "not-judged",
        Outcome::Warn => "warn",
        Outcome::Fail => "fail",
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
