//! Reports: each is a pure function of one [`Report`] and a writer; of an [`Sbom`](crate::sbom::Sbom) where it is an
//! inventory.

mod alert;
mod asked;
pub mod codequality;
mod columns;
pub mod cyclonedx;
pub mod dotenv;
mod fix;
mod gap;
pub mod github;
pub mod gitlab;
mod installs;
pub mod json;
pub mod junit;
mod line_hash;
pub mod markdown;
pub mod metrics;
mod pin;
mod place;
mod publisher;
pub mod sarif;
pub mod spdx;
pub mod table;
mod text;
mod versions;
mod words;

pub use asked::{Checkout, Text};
pub use text::{NO_NAME, image_name, image_tag, plain};
pub use versions::without_versions;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Unexpected};

use crate::{
    base::Base,
    digest::Digest,
    finding::Finding,
    inventory::{LockFile, Skipped},
    policy::{Decision, Verdict},
    sbom::Attested,
};

/// Version of the JSON report's form.
pub const SCHEMA: u32 = 1;

/// The whole outcome of a gate: what was found (`results`), and what was done (`run`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One entry per platform, sorted by platform. A function of image, policy, snapshot, engine version and `now`.
    pub results: Vec<ScanResult>,
    /// Why there is no result; absent where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// What was done to get there; differs from run to run.
    pub run: Run,
}

/// What is known of a gate that ended before it came to a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stopped {
    /// The image, as reports would have called it.
    pub image: String,
    /// The moment the verdict would have been for, RFC 3339, UTC.
    pub now: String,
    /// What ended it, and what to do about it.
    pub why: String,
}

impl Report {
    /// The image's name, the same from build to build: without scheme, tag and digest.
    fn image_name(&self) -> &str {
        let stopped = self.stopped.as_ref().map(|stopped| image_name(&stopped.image));
        self.results.first().map(|result| result.image.name()).or(stopped).unwrap_or(NO_NAME)
    }

    /// The moment the verdict is for; empty where nobody says.
    fn now(&self) -> &str {
        let stopped = self.stopped.as_ref().map(|stopped| stopped.now.as_str());
        self.results.first().map(|result| result.now.as_str()).or(stopped).unwrap_or_default()
    }

    /// Whether it is worth less than it looks: something fell back, or the advisories are too old.
    fn is_degraded(&self) -> bool {
        self.run.degraded || self.results.iter().any(|result| !result.verdict.degraded.is_empty())
    }

    /// Why there is no result; `None` where there is one.
    fn why_stopped(&self) -> Option<&str> {
        let why = || self.stopped.as_ref().map_or("no image was looked at", |stopped| stopped.why.as_str());
        self.results.is_empty().then(why)
    }
}

/// What was found in one image of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanResult {
    /// Version of the engine.
    pub engine: String,
    /// The moment the verdict is for, RFC 3339, UTC.
    pub now: String,
    /// The image.
    pub image: ImageRef,
    /// The advisories it was matched against.
    pub snapshot: SnapshotRef,
    /// What was looked at, and what was not.
    pub looked_at: LookedAt,
    /// Sorted by severity (worst first), id, package, layer.
    pub findings: Vec<Judged>,
    /// The outcome.
    pub verdict: Verdict,
}

/// The image that was gated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRef {
    /// As the caller named it.
    pub reference: String,
    /// What it is called, with its tag, where `reference` is a file, a directory or an ID; else absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub called: String,
    /// Digest of the manifest, or of the config where the source has no manifest.
    pub digest: Digest,
    /// Digest of the config: Docker's image ID.
    pub config_digest: Digest,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Every layer, bottom to top.
    pub layers: Vec<LayerRef>,
    /// Its base image; `null` where that is not known.
    #[serde(default)]
    pub base: Option<Base>,
    /// The argument of the Dockerfile whose default the version in `base.name` is: the build may have been given another. Absent
    /// where it is none's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_argument: Option<BaseArgument>,
}

/// An `ARG` that a `FROM` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaseArgument {
    /// Its name.
    pub name: String,
    /// Where its default is written; absent for a Dockerfile outside of the checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
}

impl ImageRef {
    /// The name that stays the same from build to build and from machine to machine: without scheme, tag and digest.
    pub fn name(&self) -> &str {
        image_name(if self.called.is_empty() { &self.reference } else { &self.called })
    }

    /// Whether it is a directory, which is of no architecture.
    pub fn is_directory(&self) -> bool {
        !self.platform.contains('/')
    }
}

/// One layer of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerRef {
    /// The layer's name.
    pub diff_id: Digest,
    /// The instruction behind it; empty where the image does not say.
    pub instruction: String,
    /// Where that instruction is written; of a layer of the base image, where the image starts from it. Absent where no
    /// Dockerfile is known to have made the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
}

/// Lines of a file of the checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// The file, relative to the checkout's root, its parts divided by slashes.
    pub file: String,
    /// The first line, from 1.
    #[serde(deserialize_with = "line")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub line: usize,
    /// The last line.
    #[serde(deserialize_with = "line")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub last_line: usize,
    /// What GitHub knows the first line by: see [`line_hash`].
    #[serde(deserialize_with = "hash")]
    #[schemars(regex(pattern = r"^[0-9a-f]{1,16}:[0-9]{1,10}$"))]
    pub line_hash: String,
}

/// A line as all readers of reports take it: none counts from 0, some hold it in 32 bits.
fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let line = u64::deserialize(deserializer)?;
    let fits = usize::try_from(line).ok().filter(|line| (1..=0x7fff_ffff).contains(line));
    fits.ok_or_else(|| {
        serde::de::Error::invalid_value(Unexpected::Unsigned(line), &"a line from 1 to 2147483647")
    })
}

/// The hash of a line as this program writes it: 64 bits, and which of equal ones it is.
fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let hash = String::deserialize(deserializer)?;
    let is_number = |text: &str, digits, is_digit: fn(&u8) -> bool| {
        (1..=digits).contains(&text.len()) && text.as_bytes().iter().all(is_digit)
    };
    let fits = hash.split_once(':').is_some_and(|(of_line, which)| {
        is_number(of_line, 16, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && is_number(which, 10, u8::is_ascii_digit)
    });
    // It is not repeated: it may be of any length.
    fits.then_some(hash).ok_or_else(|| serde::de::Error::custom("a line's hash is no HEXADECIMAL:NUMBER"))
}

/// The advisories that were matched against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotRef {
    /// Digest of the compiled file's content.
    pub id: Digest,
    /// Whether it is the small snapshot that comes with the demo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// Its feeds, sorted by name.
    pub feeds: Vec<FeedRef>,
    /// Those who speak of vulnerabilities themselves, such as `nvd` or `cisa-kev`, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<FeedRef>,
}

/// One feed of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedRef {
    /// The feed's own name of what it covers, such as `Debian:12` or `PyPI`.
    pub name: String,
    /// Advisories it brought.
    pub records: u64,
    /// The newest `modified` among them, RFC 3339; empty where the feed gives none.
    pub as_of: String,
    /// The last day (UTC) on which all that it is made of was the newest that its publishers had, YYYY-MM-DD; absent where nobody
    /// asked them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
}

impl FeedRef {
    /// How old it is, for people.
    fn age(&self) -> String {
        let newest = if self.as_of.is_empty() {
            "of unknown date".to_owned()
        } else {
            format!("newest {}", self.as_of)
        };
        let checked = self.checked.as_ref().map(|day| format!(", checked {day}")).unwrap_or_default();
        newest + &checked
    }
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LookedAt {
    /// Layers of the image.
    pub layers: usize,
    /// Regular files in them.
    pub files: u64,
    /// Bytes of the uncompressed layers.
    pub bytes: u64,
    /// The operating system; `null` where the image has none.
    pub os: Option<Os>,
    /// Packages per ecosystem.
    pub packages: BTreeMap<String, usize>,
    /// Lock files and manifests, sorted by path. In an image their packages are not counted: what it was built from is
    /// not what it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_files: Vec<LockFile>,
    /// Who gave the inventory and in which form, where the image itself was not looked into; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    /// What was not looked at, sorted. Not empty means exit 3 unless each is allowed by name in `verdict.allowed`.
    pub skipped: Vec<Skipped>,
}

/// The operating system of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Os {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// Whether its security support has ended at `now`; `null` where that is not known.
    pub end_of_life: Option<bool>,
}

/// A finding with what the policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// What the policy decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// The version that ends all findings of this package which have a fix and are not ignored, and that no other advisory with
    /// a fix hits; absent where that is `fixed_in`, or nothing is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_to: Option<String>,
    /// Where the checkout asks for this version of the package; absent where it is not known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Where in the checkout the package was read, of a directory or an SBOM of one: its entry in each of the lock files, nearest
    /// first; else the first line of the first file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Written>,
}

/// Where the checkout asks for a version of a package: in a lock file, or in an instruction of the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// The line.
    #[serde(flatten)]
    pub written: Written,
    /// The words that pin the version: of an instruction, such as `curl=7.88.1-10`, or of the `go` or `toolchain` line of a
    /// `go.mod`, such as `go 1.21.0`; absent in other lock files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Layers known and not known, over all platforms.
    pub layers: LayerCount,
    /// Fragments sent to the server.
    pub uploaded: usize,
    /// Requests made to the server.
    pub round_trips: usize,
    /// Requests that had to be made again.
    pub retries: usize,
    /// Bytes read from the image source, compressed as stored.
    pub bytes_read: u64,
    /// Whether something fell back; the reasons are in `notes`.
    pub degraded: bool,
    /// Whether a report that was written before this one could not be: who waits for it was not told, whatever the verdict is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwritten: bool,
    /// What a reader should know of this run.
    pub notes: Vec<String>,
    /// Who the server was told is asking: `oidc`, `token` or `anonymous`; absent where none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What the CI platform says of the build; absent outside of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// SBOMs that came with the image, held against what was found in it, or taken for it; only where that was done on this
    /// machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attested: Vec<Attested>,
    /// How each layer's bytes stand to its name.
    pub ledger: Vec<LedgerEntry>,
    /// Milliseconds per phase.
    pub timings_ms: Timings,
}

/// A build, in the words of the platform that ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// The platform, such as `github`; `other` for one that only says that it is one.
    pub platform: String,
    /// The commit that was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch; of a pull request, the one that is to be merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The number of the pull or merge request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<String>,
}

/// Hits and misses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerCount {
    /// Layers whose fragment was known.
    pub hits: usize,
    /// Layers that had to be analysed.
    pub misses: usize,
}

/// How one layer's bytes stand to its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerEntry {
    /// The layer.
    pub diff_id: Digest,
    /// The proof.
    pub proof: Proof,
}

/// What a layer's name rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Its bytes were read and hashed in this run.
    VerifiedNow,
    /// The pair of blob digest and diff ID was verified in an earlier run.
    PairVerifiedEarlier,
    /// The container engine says so.
    AssertedByTheEngine,
}

/// As a number of milliseconds that is read back as it was written; what a clock says beyond is noise.
fn to_the_microsecond<S: Serializer>(milliseconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((milliseconds * 1000.0).round() / 1000.0)
}

/// Milliseconds per phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// Asking which layers are missing.
    #[serde(serialize_with = "to_the_microsecond")]
    pub missing: f64,
    /// Reading and analysing them.
    #[serde(serialize_with = "to_the_microsecond")]
    pub analyse: f64,
    /// Sending their fragments.
    #[serde(serialize_with = "to_the_microsecond")]
    pub upload: f64,
    /// Merging and matching.
    #[serde(rename = "match", serialize_with = "to_the_microsecond")]
    pub matching: f64,
    /// Applying the policy.
    #[serde(serialize_with = "to_the_microsecond")]
    pub policy: f64,
    /// Writing the reports.
    #[serde(serialize_with = "to_the_microsecond")]
    pub report: f64,
    /// From start to here.
    #[serde(serialize_with = "to_the_microsecond")]
    pub total: f64,
}
