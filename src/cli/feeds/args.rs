//! The words of `stella feeds`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint, builder::FalseyValueParser};
use jiff::civil::Date;
use stella::feeds;

#[derive(Debug, Subcommand)]
pub enum Feeds {
    /// Fetch what changed of the advisories that people publish, and compile all of it into the database: exit 3 where a source
    /// could not be had, or lost much of what it had, which is named; what was had of it before stays
    #[command(after_long_help = feeds::help())]
    Update(Update),
    /// Compile advisories into the database, from directories, archives and files as their sources publish them; or take a
    /// database that `stella feeds export` wrote
    Import(Import),
    /// Write the database as one signed bundle, for places without a network
    Export(Export),
    /// What the database holds and how old it is, and what was fetched for it
    Status(Status),
}

#[derive(Debug, Args)]
pub struct Update {
    /// What to fetch: a source, or a part of one, such as kev, osv:npm, alpine:v3.20
    /// [default: those that are on, in the list below, and what was fetched before]
    #[arg(value_name = "SOURCE", env = "STELLA_FEEDS_SOURCES", value_delimiter = ',')]
    pub sources: Vec<String>,
    /// Fetch a source from this address instead of its publisher's; repeats, and they are asked in this order. What is published
    /// of a file, such as its checksum, the first of them says
    #[arg(long, value_name = "SOURCE=URL", env = "STELLA_FEEDS_MIRROR", value_delimiter = ',', value_hint = ValueHint::Url)]
    pub mirror: Vec<String>,
    /// Fetch, and leave the database as it is
    #[arg(long, env = "STELLA_FEEDS_FETCH_ONLY", value_parser = FalseyValueParser::new(), conflicts_with = "offline")]
    pub fetch_only: bool,
    /// Fetch nothing: compile what was fetched before
    #[arg(long, env = "STELLA_FEEDS_OFFLINE", value_parser = FalseyValueParser::new())]
    pub offline: bool,
    /// Give up on a file after this many seconds, its mirrors and retries included
    #[arg(long, value_name = "SECONDS", env = "STELLA_FEEDS_DEADLINE", default_value_t = 1800)]
    pub deadline: u64,
    /// How many seconds a server may be silent
    #[arg(long, value_name = "SECONDS", env = "STELLA_FEEDS_SILENCE", default_value_t = 30)]
    pub silence: u64,
    /// The most that one file may have, such as 500MB
    #[arg(long, value_name = "SIZE", env = "STELLA_FEEDS_MAX_SIZE", default_value = "4GB")]
    pub max_size: String,
    /// Take a file too that has much less than it had, or that cannot be read and of which nothing is left
    #[arg(long, env = "STELLA_FEEDS_ALLOW_SHRINK", value_parser = FalseyValueParser::new())]
    pub allow_shrink: bool,
    /// About the most memory that what is read may take until it is compiled, such as 2GB; one file at most half of it
    #[arg(long, value_name = "SIZE", env = "STELLA_FEEDS_MAX_MEMORY", default_value = "2GB")]
    pub max_memory: String,
    /// A PEM file of authorities that publishers may be certified by, beside the system's; repeats
    #[arg(long, value_name = "FILE", env = "STELLA_CA", value_hint = ValueHint::FilePath, value_delimiter = ',')]
    pub ca: Vec<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct Import {
    /// What to read; together they replace the database
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// The day (UTC) on which all of it was fetched, and so was the newest that there is, such as 2026-11-27: a gate measures the
    /// age of the advisories by it [default: by the newest record of each feed]
    #[arg(long, value_name = "DAY", env = "STELLA_FEEDS_FETCHED")]
    pub fetched: Option<Date>,
    /// A public key of those whose bundles are taken, in PEM; repeats
    #[arg(long, value_name = "FILE", env = "STELLA_FEEDS_SIGNER", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub signer: Vec<PathBuf>,
    /// Take a bundle that is older than the database which is there, or has less feeds
    #[arg(long)]
    pub allow_older: bool,
    /// Take a path too that has much less than it had, or that cannot be read and of which nothing is left
    #[arg(long, env = "STELLA_FEEDS_ALLOW_SHRINK", value_parser = FalseyValueParser::new())]
    pub allow_shrink: bool,
    /// About the most memory that what is read may take until it is compiled, such as 2GB; one path at most half of it
    #[arg(long, value_name = "SIZE", env = "STELLA_FEEDS_MAX_MEMORY", default_value = "2GB")]
    pub max_memory: String,
    /// The database [default: in the user's data directory]
    #[arg(long, value_name = "FILE", env = "STELLA_ADVISORIES", value_hint = ValueHint::FilePath)]
    pub advisories: Option<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The bundle
    #[arg(value_hint = ValueHint::FilePath)]
    pub bundle: PathBuf,
    /// The private key, Ed25519 or ECDSA P-256, in PEM (PKCS #8)
    #[arg(long, value_name = "FILE", env = "STELLA_FEEDS_KEY", value_hint = ValueHint::FilePath)]
    pub key: PathBuf,
    /// The database [default: in the user's data directory]
    #[arg(long, value_name = "FILE", env = "STELLA_ADVISORIES", value_hint = ValueHint::FilePath)]
    pub advisories: Option<String>,
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub place: Place,
    /// How to write it
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Form::Table)]
    pub output: Form,
}

/// Where things are.
#[derive(Debug, Args)]
pub struct Place {
    /// The database [default: in the user's data directory]
    #[arg(long, value_name = "FILE", env = "STELLA_ADVISORIES", value_hint = ValueHint::FilePath)]
    pub advisories: Option<String>,
    /// Keep downloads here [default: the user's cache directory]
    #[arg(long, value_name = "DIR", env = "STELLA_CACHE_DIR", value_hint = ValueHint::DirPath)]
    pub cache_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}
