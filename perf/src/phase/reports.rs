//! REPORTS and REPORTS_MANY: every report of one result; in process, into memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    io,
    num::NonZero,
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use jiff::Timestamp;
use serde_json::Value;
use stella::{
    digest::Digest,
    image::{Image, Layer, Platform},
    inventory::{Installed, Inventory},
    package::{Ecosystem, OsRelease, Package},
    report::{
        Asked, FeedRef, ImageRef, Judged, LayerCount, LayerRef, LedgerEntry, LookedAt, Os, Proof, Report,
        Run, SCHEMA, ScanResult, SnapshotRef, Written, codequality, cyclonedx, github, gitlab, json, junit,
        markdown, metrics, sarif, spdx, table,
    },
    sbom::Sbom,
};

use super::{Measurement, Sample, Subject, policy};
use crate::{Failure, corpus::finding};

/// How much the reports are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// [`finding::COUNT`] findings.
    One,
    /// [`finding::MANY`] findings.
    Many,
}

impl Size {
    fn findings(self) -> usize {
        match self {
            Self::One => finding::COUNT,
            Self::Many => finding::MANY,
        }
    }
}

/// What reports are written of.
struct Scan {
    report: Report,
    sbom: Sbom,
}

/// A form of report.
struct Form {
    name: &'static str,
    write: fn(&Scan, &mut dyn io::Write) -> io::Result<()>,
    count: Count,
    /// What must stand in it: of [`Size::One`] and of [`Size::Many`]. Anything else is another amount of work.
    holds: [usize; 2],
}

/// How what stands in a report is counted.
#[derive(Clone, Copy)]
enum Count {
    /// Entries of the list at this JSON pointer.
    List(&'static str),
    /// How often a text is there.
    Times(&'static str),
}

const LINES: Count = Count::Times("\n");

/// Every form, in the order of the steps.
const FORMS: [Form; 11] = [
    // Every finding.
    Form {
        name: "json",
        write: |scan, out| json::write(&scan.report, out),
        count: Count::List("/results/0/findings"),
        holds: [1026, 30_000],
    },
    // All but what the policy ignores, which the platforms would open again and again: 101 of 1,026. Of more, the 5,000 worst.
    Form {
        name: "sarif",
        write: |scan, out| sarif::write(&scan.report, sarif::Options::default(), out),
        count: Count::List("/runs/0/results"),
        holds: [925, 5_000],
    },
    // The verdict, the 28 rules, and what a rule decided, 739 of 1,026. At most 5,000.
    Form {
        name: "junit",
        write: |scan, out| junit::write(&scan.report, out),
        count: Count::Times("<testcase "),
        holds: [768, 5_000],
    },
    // All but what the policy ignores.
    Form {
        name: "gitlab",
        write: |scan, out| gitlab::write(&scan.report, gitlab::Version::V15_1, out),
        count: Count::List("/vulnerabilities"),
        holds: [925, 5_000],
    },
    Form {
        name: "codequality",
        write: |scan, out| codequality::write(&scan.report, out),
        count: Count::List(""),
        holds: [925, 5_001],
    },
    // Every package, and the operating system.
    Form {
        name: "cyclonedx",
        write: |scan, out| {
            cyclonedx::write(
                &scan.sbom,
                scan.report.results.first(),
                cyclonedx::Version::V1_6,
                Timestamp::UNIX_EPOCH,
                out,
            )
        },
        count: Count::List("/components"),
        holds: [471, 9_373],
    },
    // And the image.
    Form {
        name: "spdx",
        write: |scan, out| spdx::write(&scan.sbom, Timestamp::UNIX_EPOCH, out),
        count: Count::List("/packages"),
        holds: [472, 9_374],
    },
    Form {
        name: "markdown",
        write: |scan, out| markdown::write(&scan.report, out),
        count: LINES,
        holds: [1_050, 6_878],
    },
    Form {
        name: "github",
        write: |scan, out| github::write(&scan.report, out),
        count: LINES,
        holds: [20, 20],
    },
    Form {
        name: "metrics",
        write: |scan, out| metrics::write(&scan.report, out),
        count: LINES,
        holds: [79, 79],
    },
    // A line for each finding that is not ignored, and 55 of heads, layers, counts, verdict and reasons.
    Form {
        name: "table",
        write: |scan, out| table::write(&scan.report, table::Options::default(), out),
        count: LINES,
        holds: [980, 27_001],
    },
];

/// Every form once per sample.
pub struct Reports {
    size: Size,
    scan: Scan,
    /// One for each form, which holds it without growing: the harness's memory is no part of the figures.
    buffers: [Mutex<Vec<u8>>; FORMS.len()],
    size_bytes: usize,
}

impl Reports {
    /// Writes each once, and counts what stands in it.
    pub fn open(size: Size) -> Result<Self, Failure> {
        let report = report(size)?;
        let sbom = sbom(&report.results[0]);
        let mut reports =
            Self { size, scan: Scan { report, sbom }, buffers: Default::default(), size_bytes: 0 };
        let mut wrong = Vec::new();
        for (index, form) in FORMS.iter().enumerate() {
            let (held, want) = (reports.held(index), form.holds[size as usize]);
            match held {
                Ok(held) if held == want => {}
                Ok(held) => wrong.push(format!("{} must hold {want}, it holds {held}", form.name)),
                Err(error) => wrong.push(format!("{}: {error}", form.name)),
            }
        }
        if wrong.is_empty() { Ok(reports) } else { Err(wrong.join("; ").into()) }
    }

    /// Writes a form, and counts what stands in it and its bytes.
    fn held(&mut self, index: usize) -> Result<usize, Failure> {
        let form = &FORMS[index];
        let bytes = self.buffers[index].get_mut().unwrap_or_else(PoisonError::into_inner);
        (form.write)(&self.scan, bytes)?;
        let held = match form.count {
            Count::List(pointer) => {
                let value: Value = serde_json::from_slice(bytes)?;
                value.pointer(pointer).and_then(Value::as_array).ok_or("a report without its list")?.len()
            }
            Count::Times(text) => String::from_utf8_lossy(bytes).matches(text).count(),
        };
        self.size_bytes += bytes.len();
        Ok(held)
    }
}

fn report(size: Size) -> Result<Report, Failure> {
    let (mut findings, verdict) = policy::judged(size.findings())?;
    for (number, judged) in findings.iter_mut().enumerate() {
        judged.asked = asked(judged, number);
    }
    let layers = finding::INSTRUCTIONS.iter().enumerate().map(|(index, instruction)| LayerRef {
        diff_id: finding::diff_id(index),
        instruction: (*instruction).to_owned(),
        written: Some(written("Dockerfile", 1 + 2 * index)),
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
        checked: None,
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
            called: String::new(),
            digest: Digest::of(b"manifest"),
            config_digest: Digest::of(b"config"),
            platform: "linux/amd64".to_owned(),
            base: None,
            base_argument: None,
            layers,
        },
        snapshot: SnapshotRef {
            id: Digest::of(b"snapshot"),
            demo: false,
            feeds: feeds.to_vec(),
            databases: Vec::new(),
        },
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
    Ok(Report { schema: SCHEMA, results: vec![result], stopped: None, run })
}

fn written(file: &str, line: usize) -> Written {
    Written { file: file.to_owned(), line, last_line: line, line_hash: format!("{line:016x}:1") }
}

/// A language's packages are asked for in a lock file.
fn asked(judged: &Judged, number: usize) -> Option<Asked> {
    let file = match judged.finding.package.ecosystem {
        Ecosystem::Pypi => "requirements.txt",
        Ecosystem::Npm => "package-lock.json",
        _ => return None,
    };
    Some(Asked { written: written(file, 1 + number), pin: None })
}

/// The packages that have findings, as an inventory.
fn sbom(result: &ScanResult) -> Sbom {
    let packages: BTreeSet<Installed> = result.findings.iter().map(installed).collect();
    let image = &result.image;
    let layers = image.layers.iter().map(|layer| Layer {
        diff_id: layer.diff_id,
        blob: None,
        instruction: layer.instruction.clone(),
    });
    Sbom {
        reference: image.reference.clone(),
        image: Image {
            manifest_digest: Some(image.digest),
            config_digest: image.config_digest,
            platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() },
            layers: layers.collect(),
            base: None,
            named_base: None,
            history: Vec::new(),
        },
        inventory: Inventory {
            os: Some(OsRelease { id: "debian".into(), version: "12".into(), ..OsRelease::default() }),
            packages: packages.into_iter().collect(),
            files: result.looked_at.files,
            size_bytes: result.looked_at.bytes,
            ..Inventory::default()
        },
    }
}

fn installed(judged: &Judged) -> Installed {
    let finding = &judged.finding;
    let ecosystem = finding.package.ecosystem;
    Installed {
        package: Package {
            ecosystem,
            name: finding.package.name.clone(),
            version: finding.package.version.clone(),
            arch: (ecosystem == Ecosystem::Deb).then(|| "amd64".to_owned()),
            source: None,
            module: None,
        },
        layer: finding.layer.index,
        paths: finding.paths.clone(),
        identities: Vec::new(),
        built_using: Vec::new(),
    }
}

impl Measurement for Reports {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: format!("{} findings, seeded; {} forms", self.size.findings(), FORMS.len()),
            diff_ids: Vec::new(),
            floor: "the report once, as JSON without spaces".into(),
        }
    }

    /// As the gate writes them: as many at a time as there are processors.
    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut written = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(form) = FORMS.get(index) else { return Ok::<_, io::Error>(written) };
                let mut buffer = self.buffers[index].lock().unwrap_or_else(PoisonError::into_inner);
                buffer.clear();
                let start = Instant::now();
                (form.write)(&self.scan, &mut *buffer)?;
                black_box(buffer.as_slice());
                written.push((index, start.elapsed().as_secs_f64() * 1e3));
            }
        };
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(FORMS.len());
        let start = Instant::now();
        let mut written = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut written = work()?;
            for other in others {
                written.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            Ok::<_, io::Error>(written)
        })?;
        let wall_ms = start.elapsed().as_secs_f64() * 1e3;
        written.sort_by_key(|(index, _)| *index);
        let steps = written.into_iter().map(|(index, step_ms)| (FORMS[index].name.into(), step_ms)).collect();
        let start = Instant::now();
        black_box(serde_json::to_vec(black_box(&self.scan.report))?);
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
        let wrong =
            [Size::One, Size::Many].map(|size| Reports::open(size).err().map(|error| error.to_string()));
        assert_eq!(wrong, [None, None]);
    }
}
