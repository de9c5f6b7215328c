//! A new database on its way into use. Whoever makes one puts it beside the one that is in use; the server tries it, and takes it
//! or holds it back, in one step each. Killed at any moment, the one in use is the old one or the new one, whole, and a trial that
//! was cut begins again.
//!
//! ```text
//! advisories.db.candidate -> advisories.db.trying -> advisories.db, or advisories.db.held
//!                                                    advisories.db.canary.json: what the trial saw
//! ```

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use stella::{
    advisory::{Snapshot, replace, write_whole},
    feeds::{Target, records_by_source},
};

use crate::{
    canary::{Outcome, Report},
    config::Canary,
    log::caught,
    scan::Scans,
};

/// A report has some hundred findings; a file of more is not ours.
const MOST_REPORT_BYTES: u64 = 1 << 20;

/// Where the last word of the canary is.
pub fn report_path(target: &Target) -> PathBuf {
    target.beside(".canary.json")
}

/// The last word of the canary, where there is one.
pub fn report(target: &Target) -> Option<Report> {
    let mut text = Vec::new();
    File::open(report_path(target)).ok()?.take(MOST_REPORT_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes the last word of the canary.
pub fn write_report(target: &Target, report: &Report) -> io::Result<()> {
    write_whole(&report_path(target), &[&serde_json::to_vec_pretty(report)?])
}

/// Tries the new database, if one is there; whether it is settled, one way or the other.
pub fn look(scans: &Scans, thresholds: &Canary) -> bool {
    let target = Target::tried(scans.advisories.path());
    let (candidate, trying) = (target.candidate(), target.trying());
    scans.metrics.held.set(i64::from(target.held().exists()));
    if !candidate.exists() && !trying.exists() {
        return true;
    }
    // From here on nobody else can put another one in its place.
    let settled = match fs::rename(&candidate, &trying) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => settle(&target, try_out(&target, scans, thresholds), scans),
    };
    match settled {
        // Somebody else settled it.
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => {
            scans.metrics.candidate("failed");
            tracing::error!(%error, path = %trying.display(), "new advisories cannot be put in place");
            false
        }
        Ok(()) => true,
    }
}

fn try_out(target: &Target, scans: &Scans, thresholds: &Canary) -> Report {
    let old = scans.advisories.snapshot();
    let old_id = old.as_ref().map(|old| old.id());
    let new = match open(&target.trying()) {
        Ok(new) => new,
        Err(why) => {
            let mut report = Report::new(old_id, None, thresholds);
            report.hold(format!("it cannot be read: {why}"));
            return report;
        }
    };
    let mut report = Report::new(old_id, Some(new.id()), thresholds);
    let Some(old) = old.filter(|old| old.id() != new.id()) else { return report };
    let compared = caught(|| compare(&mut report, target, &old, &new, scans));
    if let Err(panic) = compared {
        report.hold(format!("trying it failed: {panic}"));
    }
    report
}

fn compare(report: &mut Report, target: &Target, old: &Snapshot, new: &Snapshot, scans: &Scans) {
    report.feeds(old, new);
    let given = |snapshot: &Snapshot| records_by_source(target, snapshot.id());
    if let (Some(old), Some(new)) = (given(old), given(new)) {
        for (source, records) in old {
            report.records("source", &source, records, new.get(&source).copied());
        }
    }
    report.images(old, new, scans);
    if report.images.matched == 0 {
        tracing::info!("no scan of an image is stored: of the new advisories only the feeds were compared");
    }
}

/// Opens a database of which every byte is as it was written.
pub fn open(path: &Path) -> Result<Snapshot, stella::advisory::Error> {
    let snapshot = Snapshot::open(path)?;
    snapshot.verify()?;
    Ok(snapshot)
}

fn settle(target: &Target, report: Report, scans: &Scans) -> io::Result<()> {
    // Before the file itself: one that is held back always has its report.
    write_report(target, &report)?;
    let (new, moved) = (report.new.map(|id| id.to_string()).unwrap_or_default(), &report.findings);
    if report.outcome == Outcome::Held {
        replace(&target.held(), &target.trying())?;
        scans.metrics.candidate("held");
        let (reasons, path) = (report.reasons.join("; "), report_path(target));
        tracing::error!(
            new, reasons, report = %path.display(),
            "new advisories are held back, the old ones stay: look at the report, then `stella-server feeds accept`, or mend \
             what is wrong and update again"
        );
        return Ok(());
    }
    // What was held back before is older than this one. It goes first: where the new one is in use, nothing waits any more.
    match fs::remove_file(target.held()) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    replace(target.live(), &target.trying())?;
    scans.advisories.refresh();
    scans.metrics.candidate("taken");
    let (images, added, removed) = (report.images.matched, moved.added(), moved.removed());
    tracing::info!(new, images, added, removed, "new advisories are in use");
    Ok(())
}
