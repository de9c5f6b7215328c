//! Base scores of CVSS vectors: v3.0 and v3.1 (specification, section 7), v2 (guide, section 3.2.1). Version 4 takes a
//! table of 270 scores and is left to the word of the source.

use crate::finding::Severity;

/// The rating of a CVSS v3 or v2 vector; `None` if it is neither.
pub(super) fn severity(vector: &str) -> Option<Severity> {
    Some(rating(if vector.starts_with("CVSS:3.") { score_3(vector)? } else { score_2(vector)? }))
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

/// The value of a metric, looked up in `weights`.
fn weight(vector: &str, metric: &str, weights: &[(&str, f64)]) -> Option<f64> {
    let value = vector.split('/').find_map(|part| part.strip_prefix(metric)?.strip_prefix(':'))?;
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

    #[test]
    fn what_is_no_vector_has_no_rating() {
        for vector in ["", "7.5", "CVSS:3.1/AV:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"] {
            assert_eq!(severity(vector), None, "{vector}");
        }
        assert_eq!(severity("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"), None);
    }
}
