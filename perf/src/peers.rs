//! Stella beside its peers, in one run: the same images, in turns, each program as its users call it.
//!
//! Syft and Trivy write an SBOM, which needs no advisories of theirs. Stella does its whole job in the same time: packages,
//! match against advisories, policy, two reports.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Failure,
    phase::ground::{Ground, work},
    process,
    report::{duration::measured, table::Table},
    statistics::Summary,
};

/// What to run, and where its programs are.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    ground: crate::phase::ground::Arguments,
    /// Syft's program; left out where there is none.
    #[arg(long, value_name = "FILE")]
    syft: Option<PathBuf>,
    /// Trivy's program; left out where there is none.
    #[arg(long, value_name = "FILE")]
    trivy: Option<PathBuf>,
    /// How often each is run on each image.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
}

/// One program on one image, its cache empty or filled.
struct Contender {
    program: &'static str,
    image: String,
    warm: bool,
    command: Box<dyn Fn(&Path) -> Command>,
    wall_ms: Vec<f64>,
    cpu_ms: Vec<f64>,
    peak_bytes: u64,
}

/// Takes the samples; gives the table as Markdown.
pub fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let work = work()?;
    let ground = &arguments.ground.open(work.path())?;
    // Each runs in a directory of its own, where a relative path would lead elsewhere.
    let there = |path: &PathBuf| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    let trivy = arguments.trivy.as_ref().map(there).transpose()?;
    let syft = arguments.syft.as_ref().map(there).transpose()?;
    let images = [
        ("delta-v1, gzip", &ground.image("delta-v1")?.gzip),
        ("delta-v1, zstd", &ground.image("delta-v1")?.zstd),
        ("many, gzip", &ground.image("many")?.gzip),
    ];
    let mut contenders = Vec::new();
    for (image, layout) in images {
        for warm in [false, true] {
            let mut add = |program, command| {
                contenders.push(Contender {
                    program,
                    image: image.to_owned(),
                    warm,
                    command,
                    wall_ms: Vec::new(),
                    cpu_ms: Vec::new(),
                    peak_bytes: 0,
                });
            };
            add("stella gate", stella(ground, layout)?);
            if let Some(trivy) = &trivy {
                add("trivy, SBOM", self::trivy(trivy, layout));
            }
            if let Some(syft) = &syft {
                add("syft, SBOM", self::syft(syft, layout));
            }
        }
    }
    for _ in 0..arguments.samples {
        for (number, contender) in contenders.iter_mut().enumerate() {
            contender.sample(&ground.work.join(format!("peer-{number}")))?;
        }
    }
    Ok(table(&contenders, arguments, ground))
}

type Call = Box<dyn Fn(&Path) -> Command>;

/// As a build calls it; its cache is in the home directory it is given.
fn stella(ground: &Ground, layout: &Path) -> Result<Call, Failure> {
    let (program, advisories) = (ground.stella.clone(), ground.advisories()?);
    let image = format!("oci:{}", layout.display());
    Ok(Box::new(move |home| {
        let mut command = Command::new(&program);
        command.args(["gate", &image, "--advisories"]).arg(&advisories);
        command
            .args(["-o", "sarif=report.sarif", "-o", "json=report.json", "--cache-dir"])
            .arg(home.join("cache"));
        command
    }))
}

fn trivy(program: &Path, layout: &Path) -> Call {
    let (program, layout) = (program.to_owned(), layout.to_owned());
    Box::new(move |home| {
        let mut command = Command::new(&program);
        command.args(["image", "--input"]).arg(&layout);
        command.args(["--format", "cyclonedx", "--output", "sbom.json", "--offline-scan", "--no-progress"]);
        command
            .args(["--skip-db-update", "--skip-java-db-update", "--quiet", "--cache-dir"])
            .arg(home.join("cache"));
        command
    })
}

/// It has no cache of layers: warm is as cold.
fn syft(program: &Path, layout: &Path) -> Call {
    let (program, layout) = (program.to_owned(), layout.to_owned());
    Box::new(move |_| {
        let mut command = Command::new(&program);
        command.arg(format!("oci-dir:{}", layout.display())).args([
            "-o",
            "cyclonedx-json=sbom.json",
            "--quiet",
        ]);
        command
    })
}

impl Contender {
    fn sample(&mut self, home: &Path) -> Result<(), Failure> {
        if !self.warm && home.exists() {
            fs::remove_dir_all(home)?;
        }
        let first = !home.exists();
        fs::create_dir_all(home)?;
        if self.warm && first {
            self.run(home)?;
        }
        let ended = self.run(home)?;
        self.wall_ms.push(ended.wall_ms);
        self.cpu_ms.push(ended.cpu_ms);
        self.peak_bytes = self.peak_bytes.max(ended.peak_bytes);
        Ok(())
    }

    fn run(&self, home: &Path) -> Result<process::Ended, Failure> {
        let mut command = (self.command)(home);
        command.env_clear().env("HOME", home).env("TMPDIR", home).envs(
            // Syft would ask the network whether there is a newer one.
            [("SYFT_CHECK_FOR_APP_UPDATE", "false")],
        );
        let ended = process::run(command.current_dir(home))?;
        // Stella's 1 is a verdict.
        if !matches!(ended.status.code(), Some(0 | 1)) {
            return Err(format!(
                "{} on {} ended with {}:\n{}",
                self.program, self.image, ended.status, ended.said
            )
            .into());
        }
        Ok(ended)
    }
}

fn table(contenders: &[Contender], arguments: &Arguments, ground: &Ground) -> String {
    let mut out = String::new();
    let versions: Vec<String> = [
        ("stella", Some(&ground.stella)),
        ("trivy", arguments.trivy.as_ref()),
        ("syft", arguments.syft.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, program)| Some(format!("{name} {}", version(program?))))
    .collect();
    let _ = writeln!(out, "{}; P50 of {} each, in turns.\n", versions.join(", "), arguments.samples);
    let mut table = Table::new([
        ("image", false),
        ("program", false),
        ("cache", false),
        ("wall", true),
        ("x stella", true),
        ("processor", true),
        ("peak memory", true),
    ]);
    let p50 = |values: &[f64]| Summary::of(values).map_or(f64::NAN, |summary| summary.p50_ms);
    let stella: BTreeMap<(&str, bool), f64> = contenders
        .iter()
        .filter(|contender| contender.program.starts_with("stella"))
        .map(|contender| ((contender.image.as_str(), contender.warm), p50(&contender.wall_ms)))
        .collect();
    for contender in contenders {
        let wall_ms = p50(&contender.wall_ms);
        let times =
            stella.get(&(contender.image.as_str(), contender.warm)).map_or(f64::NAN, |own| wall_ms / own);
        table.row([
            contender.image.clone(),
            contender.program.to_owned(),
            if contender.warm { "warm" } else { "cold" }.to_owned(),
            measured(wall_ms),
            format!("{times:.1}"),
            measured(p50(&contender.cpu_ms)),
            format!("{} MiB", contender.peak_bytes >> 20),
        ]);
    }
    table.write(&mut out);
    out
}

/// The first version number that a program names.
fn version(program: &Path) -> String {
    let said =
        Command::new(program).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    said.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("of unknown version")
        .to_owned()
}
