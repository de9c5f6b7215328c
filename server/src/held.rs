//! `stella-server feeds accept` and `discard`: what becomes of a database that was held back. It is named by its id, for the server
//! may hold back another one at any moment, and nobody has looked at that.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use clap::Args;
use stella::{
    advisory::{self, replace},
    digest::Digest,
    feeds::{Error, Target},
};

use crate::{
    canary::{Outcome, Report},
    command::{print, said_of},
    trial::{self, UNREADABLE, name},
};

/// Fewer digits may be those of another one, too.
const LEAST_DIGITS: usize = 12;

/// `accept` and `discard`.
#[derive(Debug, Args)]
pub struct Held {
    /// Its id, as `status` and the server's log name it, or 12 and more digits that it begins with; `unreadable` for a file that
    /// cannot be read
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Directory of the server
    #[arg(long, env = "STELLA_SERVER_DATA_DIR", value_name = "DIR", required_unless_present = "advisories")]
    data_dir: Option<PathBuf>,
    /// Compiled advisories [default: advisories.db in the data directory]
    #[arg(long, env = "STELLA_SERVER_ADVISORIES", value_name = "FILE")]
    advisories: Option<PathBuf>,
}

impl Held {
    fn target(&self) -> Target {
        let default = || self.data_dir.clone().unwrap_or_default().join(crate::ADVISORIES);
        Target::tried(self.advisories.clone().unwrap_or_else(default))
    }

    /// Takes it.
    pub fn accept(&self) -> Result<(), Error> {
        let target = self.target();
        if self.id.as_deref() == Some(UNREADABLE) {
            return Err(Error::usage("a file that cannot be read is not taken")
                .advise("`discard` it, and update again"));
        }
        let (aside, id) = self.aside(&target, "accept")?;
        if let Some(newer) = newer(&target, id) {
            let _ = put_back(&aside, &target.held());
            return Err(Error::unfinished(format!(
                "{} was held against another database than {newer}, which is in use now",
                name(id)
            ))
            .advise("`discard` it, and update again"));
        }
        replace(target.live(), &aside).map_err(|error| at(&aside, &error))?;
        print(&format!("{} is in use: a server that runs takes it with its next scan\n", name(id)))?;
        report(&target, id, Outcome::Accepted)
    }

    /// Removes it.
    pub fn discard(&self) -> Result<(), Error> {
        let target = self.target();
        let (aside, id) = self.aside(&target, "discard")?;
        fs::remove_file(&aside).map_err(|error| at(&aside, &error))?;
        print(&format!("{} is removed\n", name(id)))?;
        report(&target, id, Outcome::Discarded)
    }

    /// Moves the file out of the way of a server that may replace it, and gives its place there once it is sure that it is the one that
    /// was meant.
    fn aside(&self, target: &Target, word: &str) -> Result<(PathBuf, Option<Digest>), Error> {
        let (held, aside) = (target.held(), target.beside(".aside"));
        // Of a call that was killed.
        put_back(&aside, &held).map_err(|error| at(&aside, &error))?;
        let found = id_of(&held)?;
        let Some(meant) = &self.id else {
            let call = trial::call(word, found, target.live());
            return Err(Error::usage("say by its ID what is meant")
                .advise(format!("`{call}`, if it is what is held back now")));
        };
        let check = |found: Option<Digest>| {
            let is_meant = means(meant, found)?;
            let other = || {
                Error::unfinished(format!("{meant} is not held back, {} is: look at it first", name(found)))
            };
            is_meant.then_some(()).ok_or_else(other)
        };
        check(found)?;
        fs::rename(&held, &aside).map_err(|error| at(&held, &error))?;
        let checked = id_of(&aside).and_then(|found| check(found).map(|()| found));
        let found = checked.inspect_err(|_| drop(put_back(&aside, &held)))?;
        Ok((aside, found))
    }
}

/// Id of the database in use, where that is another one than the held one was tried against.
fn newer(target: &Target, id: Option<Digest>) -> Option<Digest> {
    let old = trial::report(target).filter(|report| report.new == id)?.old;
    let live = trial::open(target.live()).ok()?.id();
    (Some(live) != old).then_some(live)
}

/// Whether the words mean this database.
fn means(words: &str, found: Option<Digest>) -> Result<bool, Error> {
    let Some(found) = found else { return Ok(words == UNREADABLE) };
    let digits = words.strip_prefix("sha256:").unwrap_or(words).to_ascii_lowercase();
    if words != UNREADABLE
        && (digits.len() < LEAST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        let message = format!("{words:?} is no ID, nor {LEAST_DIGITS} or more digits that one begins with");
        return Err(Error::usage(message).advise(format!("{} is held back", name(Some(found)))));
    }
    let id = found.to_string();
    Ok(id.strip_prefix("sha256:").unwrap_or(&id).starts_with(&digits))
}

/// Id of a held file; `None` of one that cannot be read.
fn id_of(path: &Path) -> Result<Option<Digest>, Error> {
    match trial::open(path) {
        Ok(snapshot) => Ok(Some(snapshot.id())),
        Err(advisory::Error::Read(error)) if error.kind() == ErrorKind::NotFound => {
            Err(Error::unfinished(format!("{}: nothing is held back", path.display())))
        }
        Err(_) => Ok(None),
    }
}

/// Gives a file its name back, unless a newer one has it by now: then that is the one that waits.
fn put_back(aside: &Path, held: &Path) -> io::Result<()> {
    match fs::hard_link(aside, held) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // Where files cannot have two names.
        Err(_) if !held.exists() => fs::rename(aside, held),
        _ => fs::remove_file(aside),
    }
}

/// Says in the canary's report what became of it; last, so that it never says more than what is true.
fn report(target: &Target, id: Option<Digest>, outcome: Outcome) -> Result<(), Error> {
    let of = |report: &Report| report.new == id && report.outcome == Outcome::Held;
    let Some(report) = trial::report(target).filter(of) else { return Ok(()) };
    let report = Report { outcome, ..report };
    print(&said_of(&report))?;
    trial::write_report(target, &report).map_err(|error| at(&trial::report_path(target), &error))
}

fn at(path: &Path, error: &io::Error) -> Error {
    Error::unfinished(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::database;

    #[test]
    fn only_what_is_meant_is_taken_or_removed() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::tried(directory.path().join("advisories.db"));
        let call = |id: Option<&str>| Held {
            id: id.map(str::to_owned),
            data_dir: Some(directory.path().to_owned()),
            advisories: None,
        };
        let error = |done: Result<(), Error>| {
            let error = done.unwrap_err();
            (error.is_usage, format!("{error}; {}", error.advice))
        };
        assert!(error(call(None).accept()).1.contains("nothing is held back"));
        let live = database(target.live(), "live").to_string();
        let [first, second] = ["first", "second"].map(|name| database(&target.held(), name).to_string());
        // Without words, with few, and with those of the one that was there before.
        let (is_usage, text) = error(call(None).accept());
        assert!(is_usage && text.contains(&format!("feeds accept {second} --advisories ")), "{text}");
        assert!(error(call(Some(&second[..18])).accept()).0);
        let (is_usage, text) = error(call(Some(&first)).discard());
        assert!(!is_usage && text.contains(&second), "{text}");
        assert_eq!(id_of(target.live()).unwrap().unwrap().to_string(), live);
        // A call was killed after the first step.
        fs::rename(target.held(), target.beside(".aside")).unwrap();
        call(Some(&second["sha256:".len()..][..12])).accept().unwrap();
        assert_eq!(id_of(target.live()).unwrap().unwrap().to_string(), second);
        assert!(!target.held().exists() && !target.beside(".aside").exists());

        fs::write(target.held(), "damaged").unwrap();
        assert!(error(call(Some(&first)).discard()).1.contains("unreadable is"));
        assert!(error(call(Some(UNREADABLE)).accept()).0);
        call(Some(UNREADABLE)).discard().unwrap();
        assert!(!target.held().exists());
        assert_eq!(id_of(target.live()).unwrap().unwrap().to_string(), second);
    }

    #[test]
    fn what_is_put_back_takes_no_newer_ones_place() {
        let directory = tempfile::tempdir().unwrap();
        let [aside, held] = ["aside", "held"].map(|name| directory.path().join(name));
        fs::write(&aside, "old").unwrap();
        fs::write(&held, "new").unwrap();
        put_back(&aside, &held).unwrap();
        assert_eq!((fs::read(&held).unwrap(), aside.exists()), (b"new".to_vec(), false));
    }
}
