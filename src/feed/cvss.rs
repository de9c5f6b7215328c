//! Base scores of CVSS vectors: v4.0 (specification, section 8), v3.0 and v3.1 (section 7), v2 (guide, section 3.2.1).
//! Metrics of time, threat and environment change none of them.

use serde::Deserialize;

use super::json::Text;
use crate::finding::Severity;

/// A metric of any version, in the members that the JSON schemas of CVSS have in common.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metric<'a> {
    #[serde(borrow)]
    pub vector_string: Option<Text<'a>>,
    /// The schema of version 2 has none.
    #[serde(borrow)]
    pub base_severity: Option<Text<'a>>,
}

impl Metric<'_> {
    /// The severity that it says, or else that of its vector.
    pub(super) fn severity(&self) -> Severity {
        let said = self.base_severity.as_deref().and_then(word);
        said.or_else(|| severity(self.vector_string.as_deref()?)).unwrap_or_default()
    }

    /// The vector, empty where it gives none.
    pub(super) fn vector(&self) -> String {
        self.vector_string.as_deref().unwrap_or_default().to_owned()
    }
}

/// The version of a vector, 2 to 4: by its prefix, or where it has none by a metric that no other version has; `None` of
/// what is no vector.
pub(super) fn version(vector: &str) -> Option<u8> {
    let has = |metric: &str| vector.split('/').any(|part| part.starts_with(metric));
    match vector.strip_prefix("CVSS:") {
        Some(prefixed) if prefixed.starts_with("3.0/") || prefixed.starts_with("3.1/") => Some(3),
        Some(prefixed) => prefixed.starts_with("4.0/").then_some(4),
        None if has("AT:") => Some(4),
        None if has("PR:") => Some(3),
        None => has("Au:").then_some(2),
    }
}

/// The rating of a CVSS vector; `None` if it is none.
pub(super) fn severity(vector: &str) -> Option<Severity> {
    Some(rating(match version(vector)? {
        2 => score_2(vector)?,
        3 => score_3(vector)?,
        _ => score_4(vector)?,
    }))
}

/// The rating of a base score.
pub(super) fn rating(score: f64) -> Severity {
    match score {
        score if score >= 9.0 => Severity::Critical,
        score if score >= 7.0 => Severity::High,
        score if score >= 4.0 => Severity::Medium,
        score if score > 0.0 => Severity::Low,
        _ => Severity::Negligible,
    }
}

/// The rating that a word stands for, in any case.
pub(super) fn word(word: &str) -> Option<Severity> {
    Some(match word.to_lowercase().as_str() {
        "critical" => Severity::Critical,
        "high" | "important" => Severity::High,
        "medium" | "moderate" => Severity::Medium,
        "low" => Severity::Low,
        "negligible" | "unimportant" | "none" => Severity::Negligible,
        _ => return None,
    })
}

fn value<'a>(vector: &'a str, metric: &str) -> Option<&'a str> {
    vector.split('/').find_map(|part| part.strip_prefix(metric)?.strip_prefix(':'))
}

/// The value of a metric, looked up in `weights`.
fn weight(vector: &str, metric: &str, weights: &[(&str, f64)]) -> Option<f64> {
    let value = value(vector, metric)?;
    weights.iter().find(|(name, _)| *name == value).map(|(_, weight)| *weight)
}

fn score_3(vector: &str) -> Option<f64> {
    let get = |metric, weights: &[_]| weight(vector, metric, weights);
    let impact_weights = [("H", 0.56), ("L", 0.22), ("N", 0.0)];
    let changed = get("S", &[("U", 0.0), ("C", 1.0)])? > 0.0;
    let privileges = if changed { [0.85, 0.68, 0.5] } else { [0.85, 0.62, 0.27] };
    let exploitability = 8.22
        * get("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * get("AC", &[("L", 0.77), ("H", 0.44)])?
        * get("PR", &[("N", privileges[0]), ("L", privileges[1]), ("H", privileges[2])])?
        * get("UI", &[("N", 0.85), ("R", 0.62)])?;
    let kept = |metric| get(metric, &impact_weights).map(|weight| 1.0 - weight);
    let base = 1.0 - kept("C")? * kept("I")? * kept("A")?;
    let impact = if changed { 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15) } else { 6.42 * base };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let factor = if changed { 1.08 } else { 1.0 };
    Some(round_up((factor * (impact + exploitability)).min(10.0)))
}

/// The smallest number with one decimal that is not below; in whole hundred-thousandths, as CVSS 3.1 defines it,
/// because binary fractions would tip some scores over.
fn round_up(score: f64) -> f64 {
    let parts = (score * 100_000.0).round();
    if parts % 10_000.0 == 0.0 { parts / 100_000.0 } else { ((parts / 10_000.0).floor() + 1.0) / 10.0 }
}

fn score_2(vector: &str) -> Option<f64> {
    let get = |metric, weights: &[_]| weight(vector, metric, weights);
    let kept = |metric| get(metric, &[("N", 0.0), ("P", 0.275), ("C", 0.660)]).map(|weight| 1.0 - weight);
    let exploitability = 20.0
        * get("AV", &[("L", 0.395), ("A", 0.646), ("N", 1.0)])?
        * get("AC", &[("H", 0.35), ("M", 0.61), ("L", 0.71)])?
        * get("Au", &[("M", 0.45), ("S", 0.56), ("N", 0.704)])?;
    let impact = 10.41 * (1.0 - kept("C")? * kept("I")? * kept("A")?);
    let factor = if impact == 0.0 { 0.0 } else { 1.176 };
    Some(((0.6 * impact + 0.4 * exploitability - 1.5) * factor * 10.0).round() / 10.0)
}

/// The scores of version 4 in tenths, of the vectors that are the worst of their class. The classes are of EQ1 (0 to 2), EQ2
/// (0, 1), EQ3 with EQ6 (00, 01, 10, 11, 21), and EQ4 (1, 2). Of the specification's 270 classes these are the ones that
/// base metrics lead to, and those next below: EQ5, and EQ4 of 0, take metrics of threat or environment.
const SCORES_4: [[[[u8; 2]; 5]; 2]; 3] = [
    [[[100, 93], [96, 90], [93, 88], [92, 80], [79, 69]], [[95, 92], [91, 81], [92, 84], [82, 70], [71, 63]]],
    [[[94, 87], [89, 75], [86, 72], [76, 57], [65, 53]], [[90, 77], [77, 66], [74, 61], [59, 52], [58, 23]]],
    [[[86, 70], [74, 54], [72, 53], [57, 36], [47, 24]], [[73, 54], [55, 43], [61, 46], [51, 18], [24, 10]]],
];

/// How many steps the values of metrics are from the worst, which stands first of those that each may have.
fn steps<const N: usize>(vector: &str, metrics: [(&str, &str); N]) -> Option<[u8; N]> {
    let mut steps = [0; N];
    for (step, (metric, values)) in steps.iter_mut().zip(metrics) {
        let value = value(vector, metric).filter(|value| value.len() == 1)?;
        *step = u8::try_from(values.find(value)?).ok()?;
    }
    Some(steps)
}

/// The score of the worst vector of the class, less the mean of what each part of the vector has gone of its way to the
/// class next below.
fn score_4(vector: &str) -> Option<f64> {
    let reach = steps(vector, [("AV", "NALP"), ("PR", "NLH"), ("UI", "NPA")])?;
    let hurdles = steps(vector, [("AC", "LH"), ("AT", "NP")])?;
    let vulnerable = steps(vector, [("VC", "HLN"), ("VI", "HLN"), ("VA", "HLN")])?;
    let subsequent = steps(vector, [("SC", "HLN"), ("SI", "HLN"), ("SA", "HLN")])?;
    if vulnerable == [2; 3] && subsequent == [2; 3] {
        return Some(0.0); // no impact at all
    }
    let sum = |steps: [u8; 3]| steps.iter().sum::<u8>();
    let eq1 = match reach {
        [0, 0, 0] => 0,
        [3, ..] => 2,
        reach => {
            if reach.contains(&0) {
                1
            } else {
                2
            }
        }
    };
    let eq2 = usize::from(hurdles != [0, 0]);
    // The places of EQ3 with EQ6 in a row of scores: 00, 10 and 21.
    let eq3 = match vulnerable {
        [0, 0, _] => 0,
        vulnerable => {
            if vulnerable.contains(&0) {
                2
            } else {
                4
            }
        }
    };
    let eq4 = usize::from(!subsequent.contains(&0)); // EQ4 of 1, or of 2
    let score_of = |eq1: usize, eq2: usize, eq3: usize, eq4: usize| f64::from(SCORES_4[eq1][eq2][eq3][eq4]);
    let score = score_of(eq1, eq2, eq3, eq4);
    // The score next below, the steps from the worst of the class, and how many steps the class has.
    let below = [
        (eq1 < 2)
            .then(|| (score_of(eq1 + 1, eq2, eq3, eq4), sum(reach) - [0, 1, 3][eq1], [1.0, 4.0, 5.0][eq1])),
        (eq2 == 0).then(|| (score_of(eq1, 1, eq3, eq4), 0, 1.0)),
        match eq3 {
            0 => Some((score_of(eq1, eq2, 1, eq4).max(score_of(eq1, eq2, 2, eq4)), sum(vulnerable), 7.0)),
            2 => Some((score_of(eq1, eq2, 3, eq4), sum(vulnerable) - 1, 8.0)),
            _ => None,
        },
        (eq4 == 0).then(|| (score_of(eq1, eq2, eq3, 1), sum(subsequent), 5.0)),
        Some((score, 0, 1.0)), // EQ5: there is always a class below, and no way to it without a metric of threat
    ];
    let ways: Vec<f64> = below
        .into_iter()
        .flatten()
        .map(|(next, steps, all)| (score - next) * f64::from(steps) / all)
        .collect();
    let mean = ways.iter().sum::<f64>() / ways.len() as f64;
    // Half a tenth is rounded up, also where binary fractions come out a little below.
    Some((score - mean + 0.000_01).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_scores() {
        for (vector, score) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:H", 7.4),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", 5.4),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.6),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
            ("CVSS:3.0/AV:L/AC:H/PR:L/UI:N/S:C/C:H/I:N/A:N", 5.6),
        ] {
            assert_eq!(score_3(vector), Some(score), "{vector}");
        }
        assert_eq!(score_2("AV:N/AC:L/Au:N/C:P/I:P/A:P"), Some(7.5));
        assert_eq!(score_2("AV:N/AC:L/Au:N/C:N/I:N/A:C"), Some(7.8));
        assert_eq!(score_2("AV:L/AC:H/Au:N/C:C/I:C/A:C"), Some(6.2));
    }

    /// Of FIRST's examples, and of the vectors that its calculator is tested with.
    #[test]
    fn published_scores_of_version_4() {
        for (vector, score) in [
            ("AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),
            ("AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7),
            ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
            ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:H/VA:L/SC:N/SI:H/SA:L", 9.2),
            ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:L/SC:H/SI:N/SA:L", 7.8),
            ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:H/SI:L/SA:H", 7.9),
            ("AV:N/AC:L/AT:N/PR:N/UI:A/VC:H/VI:H/VA:N/SC:N/SI:L/SA:L", 8.5),
            ("AV:N/AC:L/AT:N/PR:L/UI:N/VC:H/VI:N/VA:N/SC:H/SI:N/SA:N", 8.3),
            ("AV:N/AC:L/AT:N/PR:L/UI:A/VC:H/VI:H/VA:H/SC:H/SI:N/SA:H", 9.3),
            ("AV:N/AC:L/AT:P/PR:N/UI:P/VC:N/VI:L/VA:N/SC:L/SI:H/SA:N", 5.1),
            ("AV:N/AC:L/AT:P/PR:L/UI:A/VC:N/VI:N/VA:N/SC:L/SI:N/SA:H", 4.5),
            ("AV:N/AC:L/AT:P/PR:H/UI:A/VC:N/VI:H/VA:L/SC:N/SI:N/SA:L", 5.7),
            ("AV:N/AC:H/AT:N/PR:L/UI:A/VC:L/VI:L/VA:H/SC:L/SI:L/SA:N", 5.8),
            ("AV:N/AC:H/AT:N/PR:H/UI:A/VC:N/VI:N/VA:N/SC:N/SI:H/SA:N", 4.0),
            ("AV:N/AC:H/AT:P/PR:N/UI:N/VC:H/VI:H/VA:N/SC:N/SI:N/SA:L", 9.1),
            ("AV:L/AC:L/AT:P/PR:L/UI:P/VC:H/VI:H/VA:L/SC:N/SI:L/SA:L", 5.3),
            ("AV:L/AC:L/AT:N/PR:L/UI:P/VC:L/VI:N/VA:N/SC:H/SI:L/SA:H", 4.5),
            ("AV:P/AC:H/AT:N/PR:N/UI:A/VC:H/VI:H/VA:H/SC:L/SI:L/SA:L", 5.4),
            ("AV:P/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:H/SI:H/SA:L", 2.3),
            ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
        ] {
            assert_eq!(score_4(vector), Some(score), "{vector}");
        }
    }

    #[test]
    fn versions_are_told_apart_without_their_prefix() {
        for (vector, rating) in [
            ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Severity::Critical),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", Severity::High),
            ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Severity::Critical),
            ("CVSS:4.0/AV:N/AC:H/AT:N/PR:H/UI:A/VC:N/VI:N/VA:N/SC:N/SI:H/SA:N/E:U", Severity::Medium),
        ] {
            assert_eq!(severity(vector), Some(rating), "{vector}");
        }
    }

    #[test]
    fn a_metric_says_its_severity_or_has_it_of_its_vector() {
        let of = |text: &str| serde_json::from_str::<Metric<'_>>(text).unwrap().severity();
        assert_eq!(of(r#"{"vectorString":"CVSS:4.0/AV:N","baseSeverity":"CRITICAL"}"#), Severity::Critical);
        assert_eq!(of(r#"{"vectorString":"AV:N/AC:L/Au:N/C:P/I:P/A:P","baseScore":7.5}"#), Severity::High);
        assert_eq!(of(r#"{"vectorString":"CVSS:4.0/AV:N","baseSeverity":null}"#), Severity::Unknown);
    }

    #[test]
    fn what_is_no_vector_has_no_rating() {
        for vector in ["", "7.5", "CVSS:3.1/AV:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"] {
            assert_eq!(severity(vector), None, "{vector}");
        }
        assert_eq!(severity("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N"), None);
        assert_eq!(severity("CVSS:5.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), None);
    }
}
