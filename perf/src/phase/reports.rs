//! REPORTS: one result as JSON, SARIF, JUnit and table; in process, into memory.

use std::{collections::BTreeMap, hint::black_box, io, time::Instant};

use serde_json::Value;
use stella::{
    digest::Digest,
    report::{
        FeedRef, ImageRef, LayerCount, LayerRef, LedgerEntry, LookedAt, Os, Proof, Report, Run, SCHEMA,
        ScanResult, SnapshotRef, json, junit, sarif, table,
    },
};

use super::{Measurement, Sample, Subject, policy};
use crate::{Failure, corpus::finding};

type Write = fn(&Report, &mut dyn io::Write) -> io::Result<()>;

/// Every format, in the order of the steps.
const FORMATS: [(&str, Write); 4] = [
    ("json", json::write),
    ("sarif", |report, out| sarif::write(report, sarif::Options::default(), out)),
    ("junit", junit::write),
    ("table", |report, out| table::write(report, table::Options::default(), out)),
];

/// What each report must hold, in the order of [`FORMATS`]. JSON: every finding. SARIF: all but the 101 that the policy
/// waives, which the platforms would open again and again. JUnit: the verdict, the 28 rules, and the 739 that a rule decided.
/// The table: a line for each of the 925, and 55 of heads, layers, counts, verdict and reasons.
const EXPECTED: [usize; 4] = [1026, 925, 768, 980];

/// Every format once per sample.
pub struct Reports {
    report: Report,
    /// Holds the largest report without growing: the harness's memory is no part of the figures.
    buffer: Vec<u8>,
    size_bytes: usize,
}

impl Reports {
    /// Writes each once, and reads back what can be read.
    pub fn open() -> Result<Self, Failure> {
        let mut reports = Self { report: report()?, buffer: Vec::new(), size_bytes: 0 };
        let (counts, size_bytes) = reports.counts()?;
        if counts != EXPECTED {
            return Err(format!("the reports must hold {EXPECTED:?}, they hold {counts:?}").into());
        }
        reports.size_bytes = size_bytes;
        Ok(reports)
    }

    fn write(&mut self, write: Write) -> Result<&[u8], Failure> {
        self.buffer.clear();
        write(&self.report, &mut self.buffer)?;
        Ok(&self.buffer)
    }

    /// What stands in each report, and the bytes of all.
    fn counts(&mut self) -> Result<([usize; 4], usize), Failure> {
        let mut size_bytes = 0;
        let mut counts = [0; 4];
        for (count, (name, write)) in counts.iter_mut().zip(FORMATS) {
            let bytes = self.write(write)?;
            size_bytes += bytes.len();
            let list = |pointer| -> Result<usize, Failure> {
                let value: Value = serde_json::from_slice(bytes)?;
                Ok(value.pointer(pointer).and_then(Value::as_array).ok_or("a report without its list")?.len())
            };
            let times = |text: &str| String::from_utf8_lossy(bytes).matches(text).count();
            *count = match name {
                "json" => list("/results/0/findings")?,
                "sarif" => list("/runs/0/results")?,
                "junit" => times("<testcase "),
                _ => times("\n"),
            };
        }
        Ok((counts, size_bytes))
    }
}

fn report() -> Result<Report, Failure> {
    let (findings, verdict) = policy::judged()?;
    let layers = finding::INSTRUCTIONS.iter().enumerate().map(|(index, instruction)| LayerRef {
        diff_id: finding::diff_id(index),
        instruction: (*instruction).to_owned(),
        written: None,
    });
    let layers: Vec<LayerRef> = layers.collect();
    let mut packages = BTreeMap::new();
    for judged in &findings {
        *packages.entry(judged.finding.package.ecosystem.as_str().to_owned()).or_default() += 1;
    }
    let feeds = [("Debian:12", 32_810), ("PyPI", 5302), ("npm", 3766)].map(|(name, records)| FeedRef {
        name: name.to_owned(),
        records,
        as_of: "2025-12-28T23:23:11Z".to_owned(),
    });
    let run = Run {
        layers: LayerCount { hits: 0, misses: layers.len() },
        bytes_read: 61_000_000,
        ledger: layers
            .iter()
            .map(|layer| LedgerEntry { diff_id: layer.diff_id, proof: Proof::VerifiedNow })
            .collect(),
        ..Run::default()
    };
    let result = ScanResult {
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        now: "2026-06-15T12:00:00Z".to_owned(),
        image: ImageRef {
            reference: "registry.example.org/team/app:1.2.3".to_owned(),
            digest: Digest::of(b"manifest"),
            config_digest: Digest::of(b"config"),
            platform: "linux/amd64".to_owned(),
            base: None,
            layers,
        },
        snapshot: SnapshotRef { id: Digest::of(b"snapshot"), demo: false, feeds: feeds.to_vec() },
        looked_at: LookedAt {
            layers: finding::INSTRUCTIONS.len(),
            files: 9_400,
            bytes: 241_000_000,
            os: Some(Os { id: "debian".to_owned(), version: "12".to_owned(), end_of_life: Some(false) }),
            packages,
            lock_files: Vec::new(),
            inventory: None,
            skipped: Vec::new(),
        },
        findings,
        verdict,
    };
    Ok(Report { schema: SCHEMA, results: vec![result], run })
}

impl Measurement for Reports {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: format!("{} findings, seeded", finding::COUNT),
            diff_ids: Vec::new(),
            floor: "the report once, as JSON without spaces".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let (mut steps, mut wall_ms) = (Vec::with_capacity(FORMATS.len()), 0.0);
        for (name, write) in FORMATS {
            let start = Instant::now();
            black_box(self.write(write)?);
            let step_ms = start.elapsed().as_secs_f64() * 1e3;
            wall_ms += step_ms;
            steps.push((name.into(), step_ms));
        }
        let start = Instant::now();
        black_box(serde_json::to_vec(black_box(&self.report))?);
        let floor_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(vec![Sample { wall_ms, floor_ms, steps, cpu_ms: None, peak_bytes: None }])
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("bytes", self.size_bytes as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_holds_what_it_must() {
        let mut reports = Reports { report: report().unwrap(), buffer: Vec::new(), size_bytes: 0 };
        assert_eq!(reports.counts().unwrap().0, EXPECTED);
    }
}
