//! A new database on its way into use. Whoever makes one puts it beside the one that is in use; the server tries it, and takes it
//! or holds it back, in one step each. Killed at any moment, the one in use is the old one or the new one, whole, and a trial that
//! was cut begins again.
//!
//! ```text
//! advisories.db.candidate -> advisories.db.trying -> advisories.db, or advisories.db.held
//!                                                    advisories.db.canary.json: what the trial saw
//! ```
//!
//! Several servers may share one file: the one that has locked what is being tried settles it, for all of them.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use stella::{
    advisory::{Snapshot, replace, write_whole},
    digest::Digest,
    feeds::{Target, records_by_source},
};

use crate::{
    advisories::Stamp,
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

/// Name of a held file that has no id.
pub const UNREADABLE: &str = "unreadable";

/// Whether there is a file, in use or on its way.
pub fn is_any(live: &Path) -> bool {
    Target::tried(live).in_line().iter().any(|path| path.exists())
}

/// Tries what is new, one at a time.
pub struct Trials {
    thresholds: Canary,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A trial that is over, and whose file could not be put in place yet: to match everything again would cost the same each time.
    done: Option<(Stamp, Report)>,
    /// Whether it was said that somebody else is at it.
    is_told: bool,
}

impl State {
    /// Says once that somebody else is at it.
    fn tell(&mut self, trying: &Path) {
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::info!(path = %trying.display(), "another server tries these new advisories");
        }
    }
}

/// A file that is locked for as long as it is open here; `None` where another server has locked it. Where files cannot be locked,
/// that is no reason to try nothing.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    let is_taken = matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock));
    Ok((!is_taken).then_some(file))
}

impl Trials {
    /// By these thresholds.
    pub fn new(thresholds: Canary) -> Self {
        Self { thresholds, state: Mutex::default() }
    }

    /// Tries the new database, if one is there; `false` where it cannot be put in place now.
    pub fn look(&self, scans: &Scans) -> bool {
        let target = Target::tried(scans.advisories.path());
        let (candidate, trying) = (target.candidate(), target.trying());
        scans.metrics.held.set(i64::from(target.held().exists()));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !candidate.exists() && !trying.exists() {
            *state = State::default();
            return true;
        }
        let settled = self.settle(&target, &mut state, scans);
        match settled {
            Err(error) if trying.exists() || candidate.exists() => {
                scans.metrics.candidate("failed");
                tracing::error!(%error, path = %trying.display(), "new advisories cannot be put in place; tried again later");
                false
            }
            Err(error) => {
                tracing::warn!(%error, path = %trying.display(), "somebody else has settled these new advisories");
                true
            }
            Ok(()) => true,
        }
    }

    fn settle(&self, target: &Target, state: &mut State, scans: &Scans) -> io::Result<()> {
        let trying = target.trying();
        // One that another server tries keeps its name until it is settled.
        if let Ok(None) = lock(&trying) {
            state.tell(&trying);
            return Ok(());
        }
        // From here on no update can put another one in its place.
        match fs::rename(target.candidate(), &trying) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let Some(file) = lock(&trying)? else {
            state.tell(&trying);
            return Ok(());
        };
        let stamp = Stamp::from(&file.metadata()?);
        let old = scans.advisories.snapshot().map(|old| old.id());
        let done = state.done.take().filter(|(of, report)| *of == stamp && report.old == old);
        let report = done.map_or_else(|| try_out(target, scans, &self.thresholds), |(_, report)| report);
        // Settled by somebody else before it was locked here, or where nothing can be locked.
        if Stamp::of(&trying) != Ok(stamp) {
            return Ok(());
        }
        let settled = put_in_place(target, &report, scans);
        if settled.is_err() {
            state.done = Some((stamp, report));
        }
        settled
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
    let Some(old) = old else {
        report.warnings.push("no advisories were open: there was nothing to compare it with".to_owned());
        return report;
    };
    if old.id() == new.id() {
        return report;
    }
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
}

/// What a held database is called by who accepts or discards it; the id is `null` of one that cannot be read.
pub fn name(id: Option<Digest>) -> String {
    id.map_or_else(|| UNREADABLE.to_owned(), |id| id.to_string())
}

/// What is to be called for a held database.
pub fn call(word: &str, id: Option<Digest>, live: &Path) -> String {
    format!("stella-server feeds {word} {} --advisories {}", name(id), live.display())
}

/// Opens a database of which every byte is as it was written.
pub fn open(path: &Path) -> Result<Snapshot, stella::advisory::Error> {
    let snapshot = Snapshot::open(path)?;
    snapshot.verify()?;
    Ok(snapshot)
}

fn put_in_place(target: &Target, report: &Report, scans: &Scans) -> io::Result<()> {
    // Before the file itself: one that is held back always has its report.
    write_report(target, report)?;
    for warning in &report.warnings {
        tracing::warn!("trial of new advisories: {warning}");
    }
    let (new, moved) = (report.new.map(|id| id.to_string()).unwrap_or_default(), &report.findings);
    if report.outcome == Outcome::Held {
        replace(&target.held(), &target.trying())?;
        scans.metrics.candidate("held");
        let (reasons, path) = (report.reasons.join("; "), report_path(target));
        let accept = call("accept", report.new, target.live());
        tracing::error!(
            new, reasons, report = %path.display(),
            "new advisories are held back, the old ones stay: look at the report, then `{accept}` takes them and `discard` in its place removes them; or mend what is wrong and update again"
        );
        return Ok(());
    }
    // What was held back before is older than this one. It goes first: where the new one is in use, nothing waits any more.
    match fs::remove_file(target.held()) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // So is one that was to be accepted when that was killed.
    let _ = fs::remove_file(target.beside(".aside"));
    replace(target.live(), &target.trying())?;
    scans.advisories.refresh();
    scans.metrics.candidate("taken");
    let (images, added, removed) = (report.images.matched, moved.added(), moved.removed());
    let (opened, closed) = (report.images.opened, report.images.closed);
    tracing::info!(new, images, added, removed, opened, closed, "new advisories are in use");
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use stella::{
        advisory::{Advisory, Compiler, End, Range, State as Word},
        finding::Severity,
    };

    use super::*;
    use crate::{
        advisories::Advisories, config::Limits, fragments::Fragments, metrics::Metrics, store::Embedded,
    };

    /// A database of one advisory; its id.
    pub fn database(path: &Path, id: &str) -> Digest {
        let mut compiler = Compiler::default();
        let advisory = Advisory {
            id: id.into(),
            source: "test".into(),
            aliases: Vec::new(),
            summary: String::new(),
            severity: Severity::High,
            state: Word::Affected,
            ranges: vec![Range { introduced: None, end: End::Fixed("2".into()) }],
            versions: Vec::new(),
        };
        compiler.add("npm", "left-pad", "2024-01-01T00:00:00Z", advisory);
        compiler.write(path).unwrap()
    }

    /// A server's parts over a directory, and where its advisories are.
    fn scans(directory: &Path) -> (Scans, Trials, Target) {
        let metrics = Arc::new(Metrics::new());
        let limits = Limits::default();
        let store = Embedded::open(directory, 1 << 20, 10, metrics.store_errors.clone()).unwrap();
        let target = Target::tried(directory.join("advisories.db"));
        let scans = Scans {
            store: Arc::new(store),
            fragments: Fragments::new(0),
            advisories: Advisories::open(target.live(), Arc::clone(&metrics)),
            limits: stella::layer::Limits::default(),
            sbom_bytes: limits.sbom_bytes,
            metrics,
        };
        (scans, Trials::new(Canary::default()), target)
    }

    fn open_id(scans: &Scans) -> Option<Digest> {
        scans.advisories.snapshot().map(|snapshot| snapshot.id())
    }

    #[test]
    fn a_database_that_cannot_be_read_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path().join("advisories.db");
        // Another release's format is a number after the magic.
        database(&live, "old");
        let mut bytes = fs::read(&live).unwrap();
        bytes[8] ^= 0x40;
        fs::write(&live, bytes).unwrap();
        let (scans, trials, target) = scans(directory.path());
        assert_eq!(open_id(&scans), None);
        let new = database(&target.candidate(), "new");
        assert!(trials.look(&scans));
        assert_eq!(open_id(&scans), Some(new));
        let report = report(&target).unwrap();
        assert_eq!((report.outcome, report.old), (Outcome::Taken, None));
        assert!(report.warnings[0].contains("nothing to compare it with"), "{report:?}");
    }

    #[test]
    fn a_trial_that_cannot_be_put_in_place_is_not_made_again() {
        let directory = tempfile::tempdir().unwrap();
        database(&directory.path().join("advisories.db"), "old");
        let (scans, trials, target) = scans(directory.path());
        let new = database(&target.candidate(), "new");
        // The report cannot be written.
        fs::create_dir_all(report_path(&target).join("in the way")).unwrap();
        assert!(!trials.look(&scans));
        assert_ne!(open_id(&scans), Some(new));
        {
            // Would be gone with another trial.
            let mut state = trials.state.lock().unwrap();
            state.done.as_mut().unwrap().1.warnings.push("of the first trial".to_owned());
        }
        assert!(!trials.look(&scans));
        fs::remove_dir_all(report_path(&target)).unwrap();
        assert!(trials.look(&scans));
        assert_eq!(open_id(&scans), Some(new));
        assert!(report(&target).unwrap().warnings.contains(&"of the first trial".to_owned()));
        // The next one is another file, and has a trial of its own.
        fs::create_dir_all(report_path(&target).join("in the way")).unwrap_err();
        database(&target.candidate(), "next");
        assert!(trials.look(&scans));
        assert!(!report(&target).unwrap().warnings.contains(&"of the first trial".to_owned()));
    }

    #[test]
    fn of_two_servers_one_settles_it() {
        let directory = tempfile::tempdir().unwrap();
        let old = database(&directory.path().join("advisories.db"), "old");
        let (scans, trials, target) = scans(directory.path());
        let new = database(&target.trying(), "new");
        database(&target.held(), "held");
        let other = File::open(target.trying()).unwrap();
        other.lock().unwrap();
        let next = database(&target.candidate(), "next");
        assert!(trials.look(&scans) && trials.look(&scans));
        assert_eq!((open_id(&scans), report(&target)), (Some(old), None));
        assert!(target.held().exists(), "all is left to the other one");
        assert_eq!(open(&target.trying()).unwrap().id(), new);
        replace(target.live(), &target.trying()).unwrap();
        drop(other);
        assert!(trials.look(&scans));
        assert_eq!(open_id(&scans), Some(next));
        assert_eq!(report(&target).unwrap().new, Some(next));
    }
}
