//! `stella gate`: the whole way of the data, once.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use stella::{
    image::Image,
    inventory::Inventory,
    policy::{Action, Outcome, Policy},
    report::{Report, Run, SCHEMA, ScanResult, Stopped},
    sbom::Sbom,
};

use super::{
    Start,
    analyse::{Look, only_image, open},
    args::{self, GateOptions, OnError},
    asked, base,
    exit::{Exit, Failure},
    image::Opened,
    local::Local,
    log::Log,
    name::{self, Called},
    output::{Output, ReportFormat},
    progress::Progress,
    remote::Remote,
    reports,
    settings::{self, GateSettings},
};

/// Runs `stella gate`.
pub fn run(args: &args::Gate, log: Log, start: &Start<'_>) -> Result<Exit, Failure> {
    let image = settings::image(args.image.image.as_deref(), start.environment);
    let gate = Gate::new(&args.options, log, start)?;
    if !args.print_settings {
        let image = image?;
        return gate.image(&image, &image);
    }
    let settings = gate.settings(&image.unwrap_or_default())?;
    let table = settings::print::table(&settings, start.origins, start.environment)?;
    io::stdout()
        .write_all(table.as_bytes())
        .map_err(|error| Failure::unfinished(format!("stdout: {error}")))?;
    Ok(Exit::Pass)
}

/// How an image is gated, whichever it is.
pub struct Gate<'a> {
    args: &'a GateOptions,
    /// Where reports go: known before the other settings, so that what is wrong with those stands in them.
    outputs: Vec<Output>,
    log: Log,
    start: &'a Start<'a>,
}

impl<'a> Gate<'a> {
    /// Resolves where the reports go.
    pub fn new(args: &'a GateOptions, log: Log, start: &'a Start<'a>) -> Result<Self, Failure> {
        Ok(Self { args, outputs: GateSettings::outputs(args)?, log, start })
    }

    fn settings(&self, image: &str) -> Result<GateSettings, Failure> {
        GateSettings::new(image, self.args, self.outputs.clone(), self.start.environment)
    }

    /// Whether all settings are right, before there is an image; `shown` is what reports show for it.
    pub fn check(&self, shown: &str) -> Result<(), Failure> {
        let checked = self.settings(shown).and_then(|settings| match settings.source.server {
            // Advisories that are not there would be missed only after the build.
            None => Local::new(&settings).map(drop),
            Some(_) => Ok(()),
        });
        checked.inspect_err(|failure| self.stopped(shown, failure))
    }

    /// Gates an image, as IMAGE is given, and writes every report, which show `shown` for it.
    pub fn image(&self, image: &str, shown: &str) -> Result<Exit, Failure> {
        let stopped = |failure: &Failure| self.stopped(shown, failure);
        let mut settings = self.settings(image).inspect_err(stopped)?;
        settings.source.text = shown.to_owned();
        let gated = gate(&settings, self.log, self.start.at).inspect_err(stopped);
        match gated {
            Err(failure) if failure.exit == Exit::Unfinished && settings.on_error == OnError::Warn => {
                self.log.warn(&failure.message);
                self.log.warn("NOT GATED: the image was not looked at; --on-error=warn lets the build go on");
                Ok(Exit::Pass)
            }
            Ok(Exit::Unfinished) if settings.on_error == OnError::Warn => {
                self.log.warn(
                    "NOT GATED IN FULL: what is missing stands above; --on-error=warn lets the build go on",
                );
                Ok(Exit::Pass)
            }
            other => other,
        }
    }

    /// Writes every report of a gate that came to no verdict: what an earlier gate left in a file is not taken for this one's.
    pub fn stopped(&self, shown: &str, failure: &Failure) {
        let why = [failure.message.as_str(), failure.advice.as_str()];
        let stopped = Stopped {
            image: name::wanted(self.args.name.as_deref(), shown),
            // A wrong moment is what may have ended it.
            now: settings::now(self.start.environment).unwrap_or_else(|_| Timestamp::now()).to_string(),
            why: why.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; "),
        };
        let report =
            Report { schema: SCHEMA, results: Vec::new(), stopped: Some(stopped), run: Run::default() };
        // A wrong call says how to call; nobody waits for data.
        let wanted = |output: &&Output| output.file.is_some() || failure.exit == Exit::Unfinished;
        let (sboms, others): (Vec<_>, Vec<_>) = self
            .outputs
            .iter()
            .filter(wanted)
            .partition(|output| matches!(output.format, ReportFormat::Sbom(_)));
        for failure in reports::write_all(&report, None, &others, false) {
            self.log.error(&failure.message);
        }
        // There is no SBOM of nothing.
        for failure in sboms.into_iter().filter_map(|output| output.remove().err()) {
            self.log.error(&failure.message);
        }
    }
}

fn gate(settings: &GateSettings, log: Log, started: Instant) -> Result<Exit, Failure> {
    let source = &settings.source;
    // Without a server the advisories are needed in any case: say so before anything is read.
    let mut local = match source.server {
        None => Some(Local::new(settings)?),
        Some(_) => None,
    };
    let mut remote = source.server.as_ref().map(|server| Remote::new(server, log)).transpose()?;
    let mut opened = open(source, log)?;
    let notes = base::recognise(&settings.base, &source.options, &mut opened, log);
    let mut run = Run { notes, build: settings.ci.build(), ..Run::default() };
    if remote.is_some() && !settings.signers.is_empty() {
        let why = "with a server --sbom-signer has no effect yet: the image is analysed";
        log.warn(why);
        run.notes.push(why.to_owned());
    }
    if settings.wants_sbom() {
        only_image(&opened)?;
    }
    let Called { name: called, doubt } = name::called(settings.name.as_deref(), &opened);
    if let Some(doubt) = doubt {
        log.note(&doubt);
        run.notes.push(doubt);
    }
    let (mut results, mut sboms) = (Vec::new(), Vec::new());
    for (index, image) in opened.images.iter().enumerate() {
        // What lies beside the images belongs to no platform: it is said once, with the first.
        let mut skipped = image.skipped.clone();
        skipped.extend(opened.skipped.iter().filter(|_| index == 0).cloned());
        let job =
            Job { settings, opened: &opened, called: &called, image, skipped, progress: Progress::new(log) };
        let asked = match &mut remote {
            Some(remote) => match remote.scan(&job, &mut run) {
                Ok(scanned) => Some(scanned),
                Err(error) if error.is_unavailable() => {
                    let why = error.to_string();
                    local = Some(Local::new(settings).map_err(|_| {
                        Failure::unfinished(&why).advise(
                            "no advisories are at hand to analyse without the server: run `stella feeds import`, or --on-error=warn to go on unlooked",
                        )
                    })?);
                    log.warn(format_args!("{why}; analysing on this machine instead"));
                    run.degraded = true;
                    run.notes.push(why);
                    None
                }
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        if asked.is_none() {
            remote = None;
        }
        let scanned = match (asked, &local) {
            (Some(scanned), _) => scanned,
            (None, Some(local)) => local.scan(&job, &mut run)?,
            (None, None) => return Err(Failure::unfinished("neither a server nor advisories")),
        };
        let Scanned { mut result, sbom } = scanned;
        result.image.called.clone_from(&called);
        asked::place(&settings.base, &opened, image, &mut result, log);
        sboms.extend(sbom);
        results.push(result);
    }
    let mut report = Report { schema: SCHEMA, results, stopped: None, run };
    report.run.timings_ms.total = ms(started.elapsed());
    let exit = verdict(&report);
    let unwritten = write(&mut report, sboms.first(), settings, started);
    for failure in &unwritten {
        log.error(&failure.message);
    }
    say(&report, settings, log, exit);
    if exit != Exit::Pass || unwritten.is_empty() {
        // A gate that failed has failed, whoever was told.
        return Ok(exit);
    }
    let reports = if unwritten.len() == 1 { "a report" } else { "reports" };
    log.error(format_args!("gate UNFINISHED: {reports} could not be written"));
    if settings.on_error == OnError::Warn {
        log.warn(format_args!("NOT REPORTED IN FULL: the image passed, and {reports} of it could not be written; --on-error=warn lets the build go on"));
        return Ok(Exit::Pass);
    }
    Ok(Exit::Unfinished)
}

/// One image of one platform to gate.
pub struct Job<'a> {
    /// How.
    pub settings: &'a GateSettings,
    /// Where its layers are read.
    pub opened: &'a Opened,
    /// What reports call it; empty where the reference is a name.
    pub called: &'a str,
    /// The image.
    pub image: &'a super::image::OpenedImage,
    /// What cannot be looked at.
    pub skipped: Vec<stella::inventory::Skipped>,
    /// Told what happens.
    pub progress: Progress,
}

/// What came of a job.
pub struct Scanned {
    /// What was found.
    pub result: ScanResult,
    /// What the image holds, where a report is of that.
    pub sbom: Option<Sbom>,
}

impl Job<'_> {
    /// An image and what it holds, where a report is of that.
    pub fn sbom(&self, image: &Image, inventory: impl FnOnce() -> Inventory) -> Option<Sbom> {
        self.settings.wants_sbom().then(|| Sbom {
            reference: name::reference(self.called, &self.settings.source.text),
            image: image.clone(),
            inventory: inventory(),
        })
    }

    /// What is wanted of the image's layers.
    pub fn look(&self) -> Look<'_> {
        Look {
            source: &self.settings.source,
            verify_all: self.settings.verify_all,
            opened: self.opened,
            image: self.image,
            skipped: &self.skipped,
            progress: &self.progress,
        }
    }
}

/// Writes every report; the time it takes stands in JSON and dotenv, which are written last, and whether one before them could not
/// be written. Gives what could not be.
fn write(
    report: &mut Report,
    sbom: Option<&Sbom>,
    settings: &GateSettings,
    started: Instant,
) -> Vec<Failure> {
    let since = Instant::now();
    let sbom = sbom.map(|sbom| (sbom, settings.now));
    let turn = |output: &Output| match output.format {
        ReportFormat::Dotenv => 2,
        ReportFormat::Json => 1,
        _ => 0,
    };
    let mut failed = Vec::new();
    for now in 0..=2 {
        let outputs: Vec<_> = settings.outputs.iter().filter(|output| turn(output) == now).collect();
        failed.extend(reports::write_all(report, sbom, &outputs, settings.show_ignored));
        report.run.unwritten = !failed.is_empty();
        report.run.timings_ms.report = ms(since.elapsed());
        report.run.timings_ms.total = ms(started.elapsed());
    }
    failed
}

fn verdict(report: &Report) -> Exit {
    match report.results.iter().map(|result| result.verdict.outcome).max() {
        Some(Outcome::Fail) => Exit::Fail,
        Some(Outcome::Pass | Outcome::Warn) => Exit::Pass,
        Some(Outcome::Unfinished) | None => Exit::Unfinished,
    }
}

/// The last lines on stderr: why the gate is closed.
fn say(report: &Report, settings: &GateSettings, log: Log, exit: Exit) {
    if report.results.iter().any(|result| result.snapshot.demo) {
        log.warn("matched against the small DEMO snapshot of advisories: not fit to gate a real image");
    }
    if settings.timings {
        let (run, t) = (&report.run, &report.run.timings_ms);
        log.plain(format_args!(
            "ledger: {} hits, {} misses, {} uploaded, {} round trips, {} bytes read",
            run.layers.hits, run.layers.misses, run.uploaded, run.round_trips, run.bytes_read
        ));
        log.plain(format_args!(
            "ledger: missing {:.1} ms, analyse {:.1} ms, upload {:.1} ms, match {:.1} ms, policy {:.1} ms, report {:.1} ms, total {:.1} ms",
            t.missing, t.analyse, t.upload, t.matching, t.policy, t.report, t.total
        ));
    }
    let skipped = report
        .results
        .iter()
        .flat_map(|result| result.looked_at.skipped.iter().filter(|skipped| !result.verdict.allows(skipped)));
    let skipped: Vec<_> = skipped.collect();
    for skipped in &skipped {
        log.skipped(skipped);
    }
    for name in &settings.allow_skipped {
        let mut all = report.results.iter().flat_map(|result| &result.looked_at.skipped);
        if !all.any(|skipped| skipped.is_meant(name)) {
            log.note(format_args!("--allow-skipped {name}: nothing of that name was skipped"));
        }
    }
    // A table beside them says it too.
    let is_table = |output: &Output| output.format == ReportFormat::Table && output.file.is_none();
    let is_said = settings.outputs.iter().any(is_table);
    for result in &report.results {
        for reason in &result.verdict.reasons {
            match reason.action {
                Action::Fail => log.error(format_args!("rule {:?}: {}", reason.rule, reason.message)),
                Action::Warn if is_said => {}
                Action::Warn => log.note(format_args!("rule {:?}: {}", reason.rule, reason.message)),
                Action::Ignore => {}
            }
        }
    }
    match exit {
        Exit::Fail => {
            let reasons = report.results.iter().flat_map(|result| &result.verdict.reasons);
            let rules: BTreeSet<&str> =
                reasons.filter(|reason| reason.action == Action::Fail).map(|reason| &*reason.rule).collect();
            let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
            log.error(format_args!("gate FAILED: {}, by rule {rules}", settings.source.text));
        }
        Exit::Unfinished => {
            let mut names: Vec<_> = skipped.iter().map(|skipped| skipped.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            log.error(format_args!(
                "gate UNFINISHED: {} was not looked at in full; allow it by name with --allow-skipped {}",
                settings.source.text,
                names.join(",")
            ));
        }
        _ => log.note(format_args!("gate passed: {}", settings.source.text)),
    }
}

/// Parsed policies of a job; they were checked when the settings were made.
pub fn policies(settings: &GateSettings) -> Result<Vec<Policy>, Failure> {
    settings
        .policies
        .iter()
        .map(|text| Policy::parse(&text.origin, &text.text).map_err(Failure::usage))
        .collect()
}

/// Milliseconds with their fraction.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
