//! Metrics.

use std::collections::BTreeMap;

use stella::{
    inventory::Skipped,
    report::{LayerCount, Report, Run, Timings},
};

use crate::sample::{POLICY, hostile_result, plain_result, report, result};

pub fn metrics(report: &Report) -> String {
    let mut out = Vec::new();
    stella::report::metrics::write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The series, read as OpenMetrics asks and as GitLab does: every metric is explained and stands in one piece, no series
/// stands twice, a label has no `#`.
fn series(text: &str) -> BTreeMap<String, f64> {
    let (body, end) = text.split_at(text.len() - "# EOF\n".len());
    assert_eq!(end, "# EOF\n");
    let mut series = BTreeMap::new();
    let mut named = Vec::new();
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().unwrap().to_owned();
            assert!(name.starts_with("stella_") && !named.contains(&name), "{name}");
            named.push(name);
        } else if let Some(about) = line.strip_prefix("# ") {
            assert_eq!(about.split(' ').nth(1), named.last().map(String::as_str));
        } else {
            assert!(!line.contains('#'), "{line}");
            let (labelled, value) = line.rsplit_once("} ").unwrap();
            let (name, labels) = labelled.split_once('{').unwrap();
            assert_eq!(Some(name), named.last().map(String::as_str));
            let unescaped = labels.replace("\\\\", "").replace("\\\"", "");
            assert_eq!(unescaped.matches('"').count() % 2, 0, "{line}");
            assert!(series.insert(format!("{labelled}}}"), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    series
}

#[test]
fn metrics_as_they_are_read() {
    let mut report = report(vec![plain_result()]);
    report.run = Run {
        layers: LayerCount { hits: 6, misses: 1 },
        bytes_read: 4_096,
        timings_ms: Timings { analyse: 12.345_678, total: 1_500.0, ..Timings::default() },
        ..Run::default()
    };
    let text = metrics(&report);
    let app = "image=\"registry.example:5000/team/app\"";
    let of = format!("{app},platform=\"linux/amd64\"");
    let begin = format!(
        "# HELP stella_verdict 1 for what the gate came to, 0 for what it did not.\n\
         # TYPE stella_verdict gauge\n\
         stella_verdict{{{of},outcome=\"pass\"}} 0\n\
         stella_verdict{{{of},outcome=\"warn\"}} 0\n\
         stella_verdict{{{of},outcome=\"unfinished\"}} 0\n\
         stella_verdict{{{of},outcome=\"fail\"}} 1\n\
         # HELP stella_findings Findings by severity and by what the policy does.\n\
         # TYPE stella_findings gauge\n\
         stella_findings{{{of},severity=\"critical\",action=\"fail\"}} 1\n\
         stella_findings{{{of},severity=\"critical\",action=\"warn\"}} 0\n"
    );
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.contains("# TYPE stella_image_bytes gauge\n# UNIT stella_image_bytes bytes\n"), "{text}");
    let series = series(&text);
    for (name, value) in [
        (format!("stella_findings{{{of},severity=\"high\",action=\"ignore\"}}"), 1.0),
        (format!("stella_findings{{{of},severity=\"low\",action=\"none\"}}"), 1.0),
        (format!("stella_skipped{{{of},allowed=\"no\"}}"), 0.0),
        (format!("stella_packages{{{of},ecosystem=\"deb\"}}"), 119.0),
        (format!("stella_advisories{{{of}}}"), 12_345.0),
        (format!("stella_image_layers{{{of}}}"), 2.0),
        (format!("stella_image_files{{{of}}}"), 3_456.0),
        (format!("stella_image_bytes{{{of}}}"), 120_300_000.0),
        (format!("stella_run_layers{{{app},known=\"yes\"}}"), 6.0),
        (format!("stella_run_layers{{{app},known=\"no\"}}"), 1.0),
        (format!("stella_run_read_bytes{{{app}}}"), 4_096.0),
        (format!("stella_run_degraded{{{app}}}"), 0.0),
        (format!("stella_run_phase_duration_seconds{{{app},phase=\"analyse\"}}"), 0.012_346),
        (format!("stella_run_phase_duration_seconds{{{app},phase=\"total\"}}"), 1.5),
    ] {
        assert_eq!(series.get(&name), Some(&value), "{name}");
    }
    assert_eq!(
        series.iter().filter(|(name, _)| name.starts_with("stella_findings")).map(|(_, n)| n).sum::<f64>(),
        4.0
    );
}

#[test]
fn metrics_say_that_nobody_looked() {
    let unfinished = |report: &Report| {
        let series = series(&metrics(report));
        series.iter().any(|(name, value)| name.contains("outcome=\"unfinished\"") && *value == 1.0)
    };
    let mut result = result(POLICY, vec![]);
    assert!(!unfinished(&report(vec![result.clone()])));
    assert!(unfinished(&report(vec![])));
    result.looked_at.skipped = vec![Skipped { name: "a".into(), what: "b".into(), why: "c".into() }];
    result.verdict.consider(&result.looked_at.skipped, &[]);
    let report = report(vec![result]);
    assert!(unfinished(&report));
    assert!(metrics(&report).contains("allowed=\"no\"} 1\n"));
}

#[test]
fn metrics_stay_readable_and_few() {
    let mut hostile = hostile_result();
    hostile.image.platform = "# \" \\ ' ` $x }".to_owned();
    hostile.looked_at.packages.extend((0..1_000).map(|index| (format!("e{index}"), usize::MAX)));
    hostile.snapshot.feeds[0].records = u64::MAX;
    let twice = report(vec![hostile.clone(), hostile.clone(), plain_result()]);
    let series_of = series(&metrics(&twice));
    assert!(series_of.len() < 400, "{}", series_of.len());
    let many = metrics(&report(vec![hostile; 60]));
    assert!(series(&many).iter().any(|(name, value)| name.contains("left_out_platforms") && *value == 10.0));
    assert!(many.len() < 5_000_000);
}
