//! The plot: one panel per phase, each with an axis of its own from 0 up.

use std::fmt::Write as _;

use jiff::{Timestamp, tz::Offset};
use maud::{Markup, PreEscaped, html};

use super::{
    Window,
    panel::{Panel, Point},
    scale::{Horizontal, Vertical},
};
use crate::{
    judge::Outcome,
    report::{
        column,
        duration::{chosen, measured},
    },
};

const STYLE: &str = include_str!("plot.css");
const ACROSS: usize = 3;
const WIDTH: f64 = 392.0;
const HEIGHT: f64 = 208.0;
const MARGIN: f64 = 16.0;
/// Space for the legend above the panels.
const LEGEND: f64 = 58.0;
/// Inside a panel, around what is plotted: left, right, above, below.
const AROUND: (f64, f64, f64, f64) = (54.0, 66.0, 52.0, 28.0);
/// A limit is drawn if it is at most this many times the largest figure; further up it would press the line flat.
const IN_RANGE: f64 = 1.8;

/// Where a panel begins.
#[derive(Clone, Copy)]
struct Corner(f64, f64);

/// The whole plot; it stands alone as a file and inside a page.
#[expect(clippy::cast_precision_loss, reason = "there are few panels")]
pub fn svg(window: &Window, panels: &[Panel]) -> Markup {
    let rows = panels.len().div_ceil(ACROSS).max(1);
    let width = 2.0 * MARGIN + WIDTH * ACROSS as f64;
    let height = LEGEND + MARGIN + HEIGHT * rows as f64;
    let title = format!("P95 per phase, {} to {}", day(window.from), window.last);
    html! {
        svg.trend xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            role="img" aria-labelledby="trend-title trend-desc" {
            title id="trend-title" { (title) }
            desc id="trend-desc" { (description(panels)) }
            style { (PreEscaped(STYLE)) }
            text.name x=(MARGIN + 8.0) y="26" { (title) }
            (legend())
            @if panels.is_empty() {
                text.quiet x=(MARGIN + 8.0) y=(LEGEND + 40.0) { "No run in this time." }
            }
            @for (index, panel) in panels.iter().enumerate() {
                @let (across, down) = ((index % ACROSS) as f64, (index / ACROSS) as f64);
                (self::panel(window, panel, Corner(MARGIN + WIDTH * across, LEGEND + HEIGHT * down)))
            }
        }
    }
}

/// What a reader who does not see the plot is told.
fn description(panels: &[Panel]) -> String {
    let mut out = "One panel per phase.".to_owned();
    for panel in panels {
        let (mut points, id) = (panel.points(), &panel.id);
        // Writing to a string cannot fail.
        let _ = match (points.next(), panel.points().last()) {
            (Some(first), Some(last)) => write!(
                out,
                " {id}: P95 from {} on {} to {} on {}.",
                measured(first.p95_ms),
                day(first.at),
                measured(last.p95_ms),
                day(last.at)
            ),
            _ => write!(out, " {id}: not measured."),
        };
    }
    out
}

fn legend() -> Markup {
    let at = |place: f64| MARGIN + 8.0 + place;
    let y = 46.0;
    let text = |place: f64, text: &str| html! { text.quiet x=(at(place)) y=(y + 4.0) { (text) } };
    let line = |class: &str, place: f64| html! { line class=(class) x1=(at(place)) x2=(at(place + 26.0)) y1=(y) y2=(y) {} };
    html! {
        g {
            (line("p95", 0.0)) (circle("dot", at(13.0), y, 2.5)) (text(32.0, "P95"))
            (line("p50", 68.0)) (text(100.0, "P50"))
            (line("target", 136.0)) (text(168.0, "target"))
            (line("goal", 216.0)) (text(248.0, "goal"))
            (circle("warn", at(292.0), y, 3.2)) (text(302.0, "warning"))
            (diamond(at(364.0), y)) (text(374.0, "gate closed"))
            (cross(at(456.0), y)) (text(466.0, "not measured"))
            line.change x1=(at(552.0)) x2=(at(552.0)) y1=(y - 7.0) y2=(y + 7.0) {}
            (text(562.0, "another machine or other layers: not comparable, not joined"))
        }
    }
}

fn panel(window: &Window, panel: &Panel, Corner(x, y): Corner) -> Markup {
    let (left, right, above, below) = AROUND;
    let across = Horizontal { window: *window, from: x + left, to: x + WIDTH - right };
    let largest = panel.points().map(|point| point.p95_ms).fold(0.0, f64::max);
    let in_range = |limit_ms: &f64| *limit_ms <= IN_RANGE * largest;
    let target = panel.target.map(|target| target.target_p95_ms);
    let goal = panel.target.and_then(|target| target.goal_p95_ms);
    let highest = [target, goal].into_iter().flatten().filter(in_range).fold(largest, f64::max);
    let down = Vertical {
        top_ms: if highest > 0.0 { 1.12 * highest } else { 1.0 },
        from: y + above,
        to: y + HEIGHT - below,
    };
    let last_at = panel.points().last().map(|last| down.at(last.p95_ms));
    html! {
        g.panel data-phase=(panel.id) {
            text.name x=(x + 8.0) y=(y + 22.0) { (panel.id) title { (panel.covers) } }
            text.quiet x=(x + 8.0) y=(y + 38.0) { (limits(target, goal)) }
            (axes(&across, &down, largest > 0.0))
            @for (limit, name) in [(target, "target"), (goal, "goal")] {
                @if let Some(ms) = limit.filter(in_range) {
                    line class=(name) x1=(n(across.from)) x2=(n(across.to)) y1=(n(down.at(ms))) y2=(n(down.at(ms))) {}
                }
            }
            @for change in &panel.changes {
                line.change x1=(n(across.at(change.at))) x2=(n(across.at(change.at))) y1=(n(down.from)) y2=(n(down.to)) {
                    title { (day(change.at)) ": " (change.what) }
                }
            }
            @for gap in panel.gaps.iter().filter(|_| largest > 0.0) {
                g { title { (day(gap.at)) ": " (gap.what) } (cross(across.at(gap.at), down.to - 8.0)) }
            }
            @for line in &panel.lines { (self::line(line, &across, &down)) }
            @for (limit, name) in [(target, "target"), (goal, "goal")] {
                @if let Some(ms) = limit.filter(in_range) {
                    text class={ "limit " (name) "-text" } x=(n(across.to + 8.0)) y=(n(beside(down.at(ms), last_at) + 4.0)) {
                        (name)
                    }
                }
            }
            @match panel.points().last() {
                Some(last) => text.value x=(n(across.at(last.at) + 8.0)) y=(n(down.at(last.p95_ms) + 4.0)) {
                    (measured(last.p95_ms))
                },
                None => text.quiet x=(n(across.from + 8.0)) y=(n(down.from + 14.0)) {
                    (panel.gaps.last().map_or("not measured", |gap| gap.what.as_str()))
                },
            }
        }
    }
}

fn limits(target: Option<f64>, goal: Option<f64>) -> String {
    let said =
        [target.map(|ms| format!("target {}", chosen(ms))), goal.map(|ms| format!("goal {}", chosen(ms)))];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where the name of a line at `place` stands, so that it does not lie on the last value.
fn beside(place: f64, value: Option<f64>) -> f64 {
    const APART: f64 = 14.0;
    match value {
        Some(value) if place <= value => place.min(value - APART),
        Some(value) => place.max(value + APART),
        None => place,
    }
}

fn axes(across: &Horizontal, down: &Vertical, values: bool) -> Markup {
    html! {
        @if values {
            @for ms in down.ticks_ms() {
                line.grid x1=(n(across.from)) x2=(n(across.to)) y1=(n(down.at(ms))) y2=(n(down.at(ms))) {}
                text.quiet x=(n(across.from - 6.0)) y=(n(down.at(ms) + 4.0)) text-anchor="end" {
                    @if ms == 0.0 { "0" } @else { (chosen(ms)) }
                }
            }
        }
        line.axis x1=(n(across.from)) x2=(n(across.to)) y1=(n(down.to)) y2=(n(down.to)) {}
        @for (date, place) in across.days() {
            line.axis x1=(n(place)) x2=(n(place)) y1=(n(down.to)) y2=(n(down.to + 4.0)) {}
            text.quiet x=(n(place)) y=(n(down.to + 16.0)) text-anchor="middle" { (date.strftime("%-d %b")) }
        }
    }
}

fn line(points: &[Point], across: &Horizontal, down: &Vertical) -> Markup {
    let places = |value: fn(&Point) -> f64| {
        let places =
            points.iter().map(|point| format!("{},{}", n(across.at(point.at)), n(down.at(value(point)))));
        places.collect::<Vec<_>>().join(" ")
    };
    html! {
        polyline.p50 points=(places(|point| point.p50_ms)) {}
        polyline.p95 points=(places(|point| point.p95_ms)) {}
        @for point in points {
            @let (x, y) = (across.at(point.at), down.at(point.p95_ms));
            @if points.len() == 1 { (circle("small", x, down.at(point.p50_ms), 1.6)) }
            g.point {
                title {
                    (day(point.at)) ": P95 " (measured(point.p95_ms)) ", P50 " (measured(point.p50_ms)) ", "
                    (column::verdict(point.outcome))
                }
                @match point.outcome {
                    Outcome::Fail => (diamond(x, y)),
                    Outcome::Warn => (circle("warn", x, y, 3.0)),
                    Outcome::Pass | Outcome::NotJudged => (circle("dot", x, y, 2.5)),
                }
            }
        }
    }
}

fn circle(class: &str, x: f64, y: f64, radius: f64) -> Markup {
    html! { circle class=(class) cx=(n(x)) cy=(n(y)) r=(radius) {} }
}

fn diamond(x: f64, y: f64) -> Markup {
    html! { path.fail d={ "M" (n(x)) " " (n(y - 6.0)) "l6 6l-6 6l-6 -6z" } {} }
}

fn cross(x: f64, y: f64) -> Markup {
    html! { path.gap d={ "M" (n(x - 3.5)) " " (n(y - 3.5)) "l7 7m0 -7l-7 7" } {} }
}

/// A place to a tenth of a pixel.
fn n(place: f64) -> String {
    format!("{:.1}", place)
}

fn day(at: Timestamp) -> String {
    Offset::UTC.to_datetime(at).date().to_string()
}
