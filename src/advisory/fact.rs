//! What databases say of a vulnerability itself, whichever package has it.

use serde::{Deserialize, Serialize};

use crate::finding::Severity;

/// What one database says of one vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// How bad, in its word or by its vector.
    pub severity: Severity,
    /// The CVSS vector that the severity is of, with its version; of version 2 as it is written, without. Empty where it
    /// gives none.
    pub vector: String,
    /// The id was rejected: it stands for no vulnerability.
    pub rejected: bool,
    /// It is exploited.
    pub exploited: Option<Exploited>,
    /// How likely it is to be exploited soon.
    pub forecast: Option<Forecast>,
}

/// That a vulnerability is known to be exploited.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exploited {
    /// The day on which the database took it up, `2024-05-01`.
    pub since: String,
    /// Also in campaigns of ransomware.
    pub ransomware: bool,
}

/// EPSS: the probability of exploitation within 30 days. Whole numbers, so that equal files stay equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Forecast {
    /// In hundred-thousandths, 0 to 100,000.
    pub probability: u32,
    /// The part of all vulnerabilities that are not likelier, in hundred-thousandths.
    pub percentile: u32,
}
