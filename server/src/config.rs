//! The server's configuration: where things are, and every limit and deadline by name.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stella::feeds::{Allowed, amount};

/// All that a server needs to know.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where the embedded store is.
    pub data_dir: PathBuf,
    /// The compiled advisories; `None` for `advisories.db` in the data directory. Until they are there the server runs and is not
    /// ready; a file that is named must be there, unless it will be fetched.
    pub advisories: Option<PathBuf>,
    /// What starts this program, with the arguments that come before a command; empty where nothing can be started.
    pub program: Vec<OsString>,
    /// Bounds and deadlines.
    pub settings: Settings,
}

/// The configuration file: YAML, every key optional.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What one caller, and all of them, may cost.
    pub limits: Limits,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// What is fetched of advisories, and when. Where this section is, that is done once a day, and at once where there are none.
    pub feeds: Feeds,
}

impl Default for Settings {
    fn default() -> Self {
        let feeds = Feeds { schedule: Schedule::Off, ..Feeds::default() };
        Self { limits: Limits::default(), deadlines: Deadlines::default(), feeds }
    }
}

/// The variable that comes before [`Feeds::token`].
pub const FEEDS_TOKEN: &str = "STELLA_SERVER_FEEDS_TOKEN";

/// What is fetched of advisories, and when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Feeds {
    /// `HH:MM` in UTC, once a day, and up to 15 minutes later, so that not all servers ask at once; or `off`. Where there are no
    /// advisories, the first update begins with the server; one that failed is tried again each hour.
    pub schedule: Schedule,
    /// `SOURCE` or `SOURCE:PART`, as `stella-server feeds update` takes them; empty for those that are on by default.
    pub sources: Vec<String>,
    /// `SOURCE=URL`: fetched from there instead of from its publisher.
    pub mirrors: Vec<String>,
    /// PEM files of authorities that publishers and mirrors may be certified by, beside the system's.
    pub ca: Vec<PathBuf>,
    /// What one file gets, its mirrors and retries included.
    pub deadline_ms: u64,
    /// `2GB`, `500MB`: about the most memory that what is read may take until it is compiled; one file at most half of it.
    pub max_memory: Size,
    /// What a caller of `POST /v1/feeds/update` must bring as its bearer token, 16 characters at least. Without it nobody may call.
    /// The variable `STELLA_SERVER_FEEDS_TOKEN` comes before it.
    pub token: Option<Secret>,
    /// When a new database is held back.
    pub canary: Canary,
}

impl Default for Feeds {
    fn default() -> Self {
        Self {
            schedule: Schedule::Daily { hour: 1, minute: 0 },
            sources: Vec::new(),
            mirrors: Vec::new(),
            ca: Vec::new(),
            deadline_ms: 1_800_000,
            max_memory: Size { bytes: Allowed::default().memory_bytes },
            token: None,
            canary: Canary::default(),
        }
    }
}

/// When a new database is held back, and what it is tried on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    /// A feed may lose so many percent of its records,
    pub lost_percent: u64,
    /// or so many, whichever is more.
    pub lost_records: u64,
    /// What a feed knows until, the day of its last check, else that of its newest record, may go back by so many days.
    pub older_days: u64,
    /// Different findings that come may be so many percent of the old ones, and so may those that go; one that fails the standard
    /// policy only now counts as one that came, and one that fails it no more as one that went,
    pub moved_percent: u64,
    /// or so many, whichever is more. What several images have counts once.
    pub moved_findings: u64,
    /// From so many different findings on, not all of one ecosystem may go at once, nor all that fail.
    pub whole_findings: u64,
    /// Images that fail and would do so no more may be so many percent of those that fail,
    pub opened_percent: u64,
    /// or so many, whichever is more. Images that would fail only now are reported, and hold nothing back.
    pub opened_images: u64,
    /// Different images of stored scans that are matched again, the newest first.
    pub scans: usize,
    /// How long that may take; images that are left then are not matched, and the report says so.
    pub time_ms: u64,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            lost_percent: 20,
            lost_records: 50,
            older_days: 2,
            moved_percent: 25,
            moved_findings: 20,
            whole_findings: 3,
            opened_percent: 25,
            opened_images: 5,
            scans: 200,
            time_ms: 30_000,
        }
    }
}

/// When something is done by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub enum Schedule {
    /// Never.
    Off,
    /// Each day, UTC.
    Daily {
        /// 0 to 23.
        hour: i8,
        /// 0 to 59.
        minute: i8,
    },
}

impl TryFrom<String> for Schedule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let number = |text: &str, most: i8| {
            let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_plain && *number <= most)
        };
        let time =
            text.split_once(':').and_then(|(hour, minute)| Some((number(hour, 23)?, number(minute, 59)?)));
        let (hour, minute) = time.ok_or_else(|| {
            format!("schedule {text:?}: want \"HH:MM\" in UTC, such as \"01:00\", or \"off\"")
        })?;
        Ok(Self::Daily { hour, minute })
    }
}

/// Bytes, as people write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Size {
    /// How many.
    pub bytes: u64,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = amount(text).ok_or_else(|| format!("{text:?} is no size: write N, NMB or NGB"))?;
        Ok(Self { bytes })
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Secret(String);

/// Fewer can be guessed.
const LEAST_SECRET_CHARS: usize = 16;

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().count() >= LEAST_SECRET_CHARS {
            Ok(Self(text))
        } else {
            Err(format!("the token for updates of the feeds has less than {LEAST_SECRET_CHARS} characters"))
        }
    }
}

impl Secret {
    /// Whether it is the same text; how long that takes says nothing about it.
    pub fn is(&self, text: &str) -> bool {
        let digests = [&self.0, text].map(|text| *stella::digest::Digest::of(text.as_bytes()).bytes());
        let [a, b] = digests;
        a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What one caller, and all of them, may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one JSON body.
    pub request_bytes: usize,
    /// Bytes of one fragment, compressed.
    pub fragment_bytes: usize,
    /// Bytes of one SBOM, uncompressed.
    pub sbom_bytes: usize,
    /// Bytes of all bodies that are being read or worked on.
    pub bodies_bytes: usize,
    /// Connections at a time, and never more than the process may have files open; more wait to be accepted.
    pub connections: usize,
    /// Requests worked on at a time; 0 for two per processor, because some of them wait for the disk.
    pub work: usize,
    /// Requests that wait for their turn; more are answered 503.
    pub queue: usize,
    /// Bytes of decoded fragments held in memory.
    pub fragment_cache_bytes: usize,
    /// Bytes of the store's pages held in memory.
    pub store_cache_bytes: usize,
    /// Scans that are remembered.
    pub scans: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 8 << 20,
            fragment_bytes: 64 << 20,
            sbom_bytes: 64 << 20,
            bodies_bytes: 512 << 20,
            connections: 4096,
            work: 0,
            queue: 128,
            fragment_cache_bytes: 256 << 20,
            store_cache_bytes: 64 << 20,
            scans: 10_000,
        }
    }
}

/// How long things may take, milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// From the first byte of a connection or the last answer to the end of the next request's headers.
    pub headers_ms: u64,
    /// Reading one request's body.
    pub body_ms: u64,
    /// One request from its headers to its answer.
    pub request_ms: u64,
    /// What the store gets to answer `/readyz`.
    pub ready_ms: u64,
    /// What running requests get to finish after a stop was asked for. Container engines kill after ten seconds.
    pub shutdown_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { headers_ms: 30_000, body_ms: 60_000, request_ms: 120_000, ready_ms: 2_000, shutdown_ms: 8_000 }
    }
}

impl Deadlines {
    /// [`body_ms`](Self::body_ms) as a duration.
    pub fn body(&self) -> Duration {
        Duration::from_millis(self.body_ms)
    }

    /// [`ready_ms`](Self::ready_ms) as a duration.
    pub fn ready(&self) -> Duration {
        Duration::from_millis(self.ready_ms)
    }

    /// [`request_ms`](Self::request_ms) as a duration.
    pub fn request(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("configuration {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// It is not of the form.
    #[error("configuration {}: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        why: String,
    },
}

impl Settings {
    /// Reads a configuration file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|why| Error::Read { path: path.to_owned(), why })?;
        // Without the lines around the place: one of them may be the token.
        serde_saphyr::from_str_with_options(&text, serde_saphyr::options! { with_snippet: false })
            .map_err(|error| Error::Form { path: path.to_owned(), why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path())
    }

    #[test]
    fn what_is_not_named_keeps_its_default() {
        let settings = read("limits:\n  connections: 9\n").unwrap();
        assert_eq!(settings.limits, Limits { connections: 9, ..Limits::default() });
        assert_eq!(settings.deadlines, Deadlines::default());
    }

    #[test]
    fn advisories_are_fetched_where_somebody_asked_for_it() {
        let schedule = |text: &str| read(text).unwrap().feeds.schedule;
        assert_eq!(schedule("{}"), Schedule::Off);
        assert_eq!(schedule("feeds:\n  sources: [kev]\n"), Schedule::Daily { hour: 1, minute: 0 });
        assert_eq!(schedule("feeds:\n  schedule: off\n"), Schedule::Off);
        for text in ["23:59", "\"23:59\""] {
            let daily = Schedule::Daily { hour: 23, minute: 59 };
            assert_eq!(schedule(&format!("feeds:\n  schedule: {text}\n")), daily);
        }
        for wrong in ["24:00", "1:00", "+1:00", "01:60", "\"\"", "daily", "3600"] {
            let error = read(&format!("feeds:\n  schedule: {wrong}\n")).unwrap_err().to_string();
            assert!(error.contains("HH:MM"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_size_is_read_as_a_flag_is() {
        let size = |text: &str| read(&format!("feeds:\n  max_memory: {text}\n"));
        let bytes = |text: &str| size(text).unwrap().feeds.max_memory.bytes;
        assert_eq!([bytes("3GB"), bytes("\"500MB\""), bytes("4096")], [3 << 30, 500 << 20, 4096]);
        assert_eq!(read("feeds: {}\n").unwrap().feeds.max_memory.bytes, 2 << 30);
        let error = size("much").unwrap_err().to_string();
        assert!(error.contains("\"much\" is no size") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let feeds = read("feeds:\n  token: 0123456789abcdef\n").unwrap().feeds;
        assert!(!format!("{feeds:?}").contains("0123"), "{feeds:?}");
        let token = feeds.token.unwrap();
        assert!(token.is("0123456789abcdef") && !token.is("0123456789abcdeF") && !token.is(""));
        let error = read("feeds:\n  token: short\n").unwrap_err().to_string();
        assert!(error.contains("16 characters"), "{error}");
    }

    #[test]
    fn an_error_shows_no_token() {
        for text in [
            "feeds:\n  token: SuperSecretToken0123\n  scedule: off\n",
            "feeds:\n  token: [SuperSecretToken0123]\n",
            "feeds: {token: SuperSecret}\n",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("SuperSecret"), "{error}");
        }
    }

    #[test]
    fn a_typo_is_named_with_its_line() {
        let error = read("limits:\n  conections: 9\n").unwrap_err().to_string();
        assert!(error.contains("conections") && error.contains('2'), "{error}");
    }
}
