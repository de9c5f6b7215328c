//! `stella-server feeds`: the advisories of a server, whether it runs or not. What it makes is put beside the database that is in
//! use, and the server tries it: at once where it runs, else when it starts.

use std::{collections::BTreeMap, fmt::Arguments, fs, io::Write, path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date, tz::Offset};
use serde::Serialize;
use stella::{
    advisory::Snapshot,
    digest::Digest,
    feeds::{
        self, Allowed, Bar, Database, Error, Input, Keys, Limits, Store, Target, Tell, records_by_source,
    },
    report::plain,
    signer::Signer,
};

use crate::{
    canary::{Outcome, Report},
    config::Size,
    held::Held,
    trial,
};

/// The words of `stella-server feeds`.
#[derive(Debug, Subcommand)]
pub enum Feeds {
    /// Fetch what changed of the advisories that people publish, and compile all of it for the server to try: exit 3 where a source
    /// could not be had, which is named; what was had of it before stays
    #[command(after_long_help = feeds::help())]
    Update(Update),
    /// Compile advisories for the server to try, from directories, archives and files as their sources publish them; or take a
    /// database that `stella feeds export` wrote
    Import(Import),
    /// What the database holds and how old it is, what was fetched for it, and the last word on a new one
    Status(Status),
    /// Take the database that the server held back
    Accept(Held),
    /// Remove the database that the server held back; an update makes the same again where its sources did not change
    Discard(Held),
}

/// Where things are.
#[derive(Debug, Args)]
pub struct Place {
    /// Directory of the server; downloads are kept there
    #[arg(long, env = "STELLA_SERVER_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Compiled advisories [default: advisories.db in the data directory]
    #[arg(long, env = "STELLA_SERVER_ADVISORIES", value_name = "FILE")]
    advisories: Option<PathBuf>,
}

/// What the making of a database may do.
#[derive(Debug, Args)]
struct May {
    /// Take a path too that lost all of its records; the server's trial sees that they are gone
    #[arg(long)]
    allow_shrink: bool,
    /// About the most memory that what is read may take until it is compiled, such as 2GB; one path at most half of it. For the
    /// server's own updates: `feeds.max_memory` in its configuration
    #[arg(long, value_name = "SIZE", default_value = "2GB")]
    max_memory: Size,
}

impl May {
    fn allowed(&self) -> Allowed {
        Allowed { shrink: self.allow_shrink, memory_bytes: self.max_memory.bytes }
    }
}

/// `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// What to fetch: a source, or a part of one, such as kev, osv:npm, alpine:v3.20
    /// [default: those that are on, in the list below, and what was fetched before]
    #[arg(value_name = "SOURCE", value_delimiter = ',')]
    sources: Vec<String>,
    /// Fetch a source from this address instead of its publisher's; repeats, and they are asked in this order
    #[arg(long, value_name = "SOURCE=URL", value_delimiter = ',')]
    mirror: Vec<String>,
    /// Fetch nothing: compile what was fetched before
    #[arg(long)]
    offline: bool,
    /// Give up on a file after this many seconds, its mirrors and retries included
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    deadline: u64,
    /// A PEM file of authorities that publishers may be certified by, beside the system's; repeats
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    #[command(flatten)]
    may: May,
    #[command(flatten)]
    place: Place,
}

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// What to read; together they replace the database
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// A public key of those whose bundles are taken, in PEM; repeats
    #[arg(long, value_name = "FILE")]
    signer: Vec<PathBuf>,
    /// Take a bundle that is older than the database which is there, or has less feeds
    #[arg(long)]
    allow_older: bool,
    /// The day (UTC) on which all of it was fetched, and so was the newest that there is, such as 2026-11-27: a gate measures the
    /// age of the advisories by it [default: by the newest record of each feed]
    #[arg(long, value_name = "DAY")]
    fetched: Option<Date>,
    #[command(flatten)]
    may: May,
    #[command(flatten)]
    place: Place,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    place: Place,
    /// How to write it
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}

impl Place {
    fn target(&self) -> Target {
        let default = || self.data_dir.join(crate::ADVISORIES);
        Target::tried(self.advisories.clone().unwrap_or_else(default))
    }
}

/// Longer is as good as never.
const MOST_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Does what the words say.
pub fn run(command: Feeds) -> Result<(), Error> {
    match command {
        Feeds::Update(args) => update(args),
        Feeds::Import(args) => import(&args),
        Feeds::Status(args) => status(&args),
        Feeds::Accept(held) => held.accept(),
        Feeds::Discard(held) => held.discard(),
    }
}

fn update(args: Update) -> Result<(), Error> {
    let deadline = Duration::from_secs(args.deadline.min(MOST_SECONDS));
    let update = feeds::Update {
        sources: args.sources,
        mirrors: args.mirror,
        authorities: args.ca,
        limits: Limits { deadline, ..Limits::default() },
        allowed: args.may.allowed(),
        keys: Keys::of(|name| std::env::var(name).ok()),
        is_offline: args.offline,
        year: Offset::UTC.to_datetime(Timestamp::now()).year(),
    };
    let updated = update.run(Some(&args.place.target()), &args.place.data_dir, &Log)?;
    if let Some(snapshot) = &updated.snapshot {
        print(&Database::new(snapshot, Timestamp::now()).to_string())?;
    }
    updated.is_whole()
}

fn import(args: &Import) -> Result<(), Error> {
    let target = args.place.target();
    // One at a time, as with updates.
    let _held = Store::open(&args.place.data_dir).map_err(Error::unfinished)?;
    if let [path] = args.paths.as_slice()
        && feeds::is_bundle(path)
    {
        let signers = args.signer.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
        let snapshot = feeds::take(path, &signers, args.allow_older, &target, &Log)?;
        return print(&Database::new(&snapshot, Timestamp::now()).to_string());
    }
    let inputs = Input::of(&args.paths, args.fetched)?;
    let imported = feeds::import(&inputs, &target, args.may.allowed(), &Log)?;
    print(&Database::new(&imported.snapshot, Timestamp::now()).to_string())?;
    imported.is_whole()
}

/// A public key has some hundred bytes.
const MOST_KEY_BYTES: u64 = 1 << 20;

fn signer(path: &PathBuf) -> Result<Signer, Error> {
    use std::io::Read as _;
    let wrong = |why: &dyn std::fmt::Display| Error::usage(format!("--signer {} {why}", path.display()));
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MOST_KEY_BYTES).read_to_string(&mut text));
    read.map_err(|error| wrong(&error))?;
    Signer::parse(path, &text).map_err(|error| wrong(&error))
}

/// `stella-server feeds status -o json`.
#[derive(Serialize)]
struct Said {
    #[serde(flatten)]
    status: feeds::Status,
    /// Records that each form of advisories gave to the database; `null` where that is not known.
    records: Option<BTreeMap<String, u64>>,
    /// Id of a new database that the server has not tried yet.
    candidate: Option<Digest>,
    /// Id of one that it held back; `null` also where that cannot be read.
    held: Option<Digest>,
    /// Whether it holds one back.
    is_held: bool,
    /// What the last trial saw.
    canary: Option<Report>,
    /// The database that is in use.
    #[serde(skip)]
    live: PathBuf,
}

fn status(args: &Status) -> Result<(), Error> {
    let target = args.place.target();
    let snapshot = Snapshot::open(target.live());
    let id = |path: PathBuf| Snapshot::open(&path).ok().map(|snapshot| snapshot.id());
    let records = snapshot.as_ref().ok().and_then(|snapshot| records_by_source(&target, snapshot.id()));
    let said = Said {
        records,
        status: feeds::Status::new(
            snapshot.as_ref().ok(),
            Some(&target),
            Some(&args.place.data_dir),
            Timestamp::now(),
        ),
        candidate: id(target.candidate()).or_else(|| id(target.trying())),
        held: trial::open(&target.held()).ok().map(|held| held.id()),
        is_held: target.held().exists(),
        canary: trial::report(&target),
        live: target.live().to_owned(),
    };
    match args.output {
        Form::Json => {
            let text = serde_json::to_string_pretty(&said).map_err(Error::unfinished)?;
            print(&format!("{text}\n"))?;
        }
        Form::Table => print(&said.text())?,
    }
    snapshot.map(drop).map_err(|error| {
        Error::unfinished(format!("{}: {error}", target.live().display()))
            .advise("run `stella-server feeds update`, and the server if it does not run")
    })
}

impl Said {
    fn text(&self) -> String {
        let mut text = self.status.database.as_ref().map(ToString::to_string).unwrap_or_default();
        text += &self.status.sources_text();
        if let Some(records) = &self.records {
            let each = records.iter().map(|(source, records)| format!("{source} {records}"));
            text += &format!("records: {}\n", each.collect::<Vec<_>>().join(", "));
        }
        if let Some(id) = self.candidate {
            text += &format!("candidate {id}: not tried yet\n");
        }
        if let Some(report) = &self.canary {
            text += &said_of(report);
        }
        if self.is_held {
            let id = trial::name(self.held);
            text += &format!(
                "held {id}: `{}` takes it, `discard` in its place removes it\n",
                trial::call("accept", self.held, &self.live)
            );
        }
        text
    }
}

/// The last word of the canary, for people.
pub(crate) fn said_of(report: &Report) -> String {
    let outcome = match report.outcome {
        Outcome::Taken => "taken",
        Outcome::Held => "held back",
        Outcome::Accepted => "held back, then accepted",
        Outcome::Discarded => "held back, then discarded",
    };
    let (images, findings) = (&report.images, &report.findings);
    let new = report.new.map_or_else(|| "a file".to_owned(), |id| id.to_string());
    let mut text = format!("canary {}: {new} {outcome}\n", report.tried);
    text += &format!(
        "  {} images matched, {} fail by the old one: {} of them no more, and {} others now\n",
        images.matched, images.failed, images.opened, images.closed,
    );
    text += &format!(
        "  {} different findings before and {} now: {} came and {} fail that did not, {} went and {} fail no more\n",
        findings.all.old,
        findings.all.new,
        findings.added(),
        findings.stricter,
        findings.removed(),
        findings.milder,
    );
    for warning in &report.warnings {
        text += &format!("  note: {}\n", plain(warning));
    }
    for reason in &report.reasons {
        text += &format!("  held back because: {}\n", plain(reason));
    }
    text
}

pub(crate) fn print(text: &str) -> Result<(), Error> {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|error| Error::unfinished(format!("stdout: {error}")))
}

/// The work is told in the server's own log.
struct Log;

impl Tell for Log {
    fn note(&self, text: Arguments<'_>) {
        tracing::info!("{}", plain(&text.to_string()));
    }

    fn warn(&self, text: Arguments<'_>) {
        tracing::warn!("{}", plain(&text.to_string()));
    }

    fn error(&self, text: Arguments<'_>) {
        tracing::error!("{}", plain(&text.to_string()));
    }

    fn begin(&self, _work: &str) -> Box<dyn Bar> {
        Box::new(())
    }
}
