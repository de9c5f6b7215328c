//! What moves between two databases: findings that come and go, and gates that open and close.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use stella::{
    finding::{Finding, Severity},
    package::Ecosystem,
    policy::{self, Action, Class, Outcome},
};

use crate::canary::Images;

/// Findings that a report names, those of the most images first.
const MOST_NAMED: usize = 200;

/// Different findings of all images together: one vulnerability of one version of one package counts once, however many images
/// have it, so that one advisory for what every image is made from is one that came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// All of them.
    pub all: Count,
    /// Those that fail the standard policy in some image.
    pub failing: Count,
    /// All of them, by the ecosystem of the package.
    pub ecosystems: BTreeMap<String, Count>,
    /// What came to some image, by severity.
    pub added: BTreeMap<Severity, u64>,
    /// What went from some image, by severity.
    pub removed: BTreeMap<Severity, u64>,
    /// What was found before, and by the standard policy fails only now.
    pub stricter: u64,
    /// What is still found, and by the standard policy fails no more: its severity, its fix or its state is lost.
    pub milder: u64,
    /// Some of all that moved, those of the most images first.
    pub named: Vec<Named>,
}

/// How many there are by each database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// By the old one.
    pub old: u64,
    /// By the new one.
    pub new: u64,
}

/// How a finding moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not found before.
    Came,
    /// It is not found any more.
    Went,
    /// It fails, and did not.
    Stricter,
    /// It fails no more.
    Milder,
}

/// A finding that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// How.
    pub change: Change,
    /// Such as a CVE.
    pub id: String,
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// How bad; of one that went, how bad it was.
    pub severity: Severity,
    /// In how many images.
    pub images: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    id: String,
    package: String,
    version: String,
    ecosystem: Ecosystem,
}

/// What is said of a finding.
#[derive(Clone, Copy)]
struct Said {
    severity: Severity,
    fails: bool,
}

/// Gathers what moves, image by image.
#[derive(Default)]
pub struct Moves {
    /// By the old database and the new one, each with whether it fails in some image.
    all: [BTreeMap<Key, bool>; 2],
    moved: BTreeMap<(Change, Key), (Severity, u64)>,
}

impl Moved {
    /// How many came.
    pub fn added(&self) -> u64 {
        self.added.values().sum()
    }

    /// How many went.
    pub fn removed(&self) -> u64 {
        self.removed.values().sum()
    }
}

impl Moves {
    /// Takes one image's findings by the old database and the new one.
    pub fn image(&mut self, old: Vec<Finding>, new: Vec<Finding>, images: &mut Images) {
        let [(old, failed), (new, fails)] = [old, new].map(judge);
        images.matched += 1;
        images.failed += u64::from(failed);
        images.opened += u64::from(failed && !fails);
        images.closed += u64::from(fails && !failed);
        for (key, before) in &old {
            match new.get(key) {
                None => self.moves(Change::Went, key, *before),
                Some(now) if before.fails && !now.fails => self.moves(Change::Milder, key, *now),
                Some(now) if now.fails && !before.fails => self.moves(Change::Stricter, key, *now),
                Some(_) => {}
            }
        }
        for (key, now) in new.iter().filter(|(key, _)| !old.contains_key(key)) {
            self.moves(Change::Came, key, *now);
        }
        for (all, one) in self.all.iter_mut().zip([old, new]) {
            for (key, said) in one {
                *all.entry(key).or_default() |= said.fails;
            }
        }
    }

    fn moves(&mut self, change: Change, key: &Key, said: Said) {
        self.moved.entry((change, key.clone())).or_insert((said.severity, 0)).1 += 1;
    }

    /// What moved in all.
    pub fn finish(self) -> Moved {
        let mut moved = Moved::default();
        let [old, new] = &self.all;
        for (side, all) in [(Count { old: 1, new: 0 }, old), (Count { old: 0, new: 1 }, new)] {
            for (key, fails) in all {
                moved.all.add(side);
                moved.ecosystems.entry(key.ecosystem.as_str().to_owned()).or_default().add(side);
                if *fails {
                    moved.failing.add(side);
                }
            }
        }
        for ((change, _), (severity, _)) in &self.moved {
            match change {
                Change::Came => *moved.added.entry(*severity).or_default() += 1,
                Change::Went => *moved.removed.entry(*severity).or_default() += 1,
                Change::Stricter => moved.stricter += 1,
                Change::Milder => moved.milder += 1,
            }
        }
        let mut named: Vec<_> = self.moved.into_iter().collect();
        named.sort_by_key(|(_, (_, images))| std::cmp::Reverse(*images)); // stable: the rest keeps its order
        named.truncate(MOST_NAMED);
        let named =
            named.into_iter().map(|((change, Key { id, package, version, .. }), (severity, images))| Named {
                change,
                id,
                package,
                version,
                severity,
                images,
            });
        moved.named = named.collect();
        moved
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.old += other.old;
        self.new += other.new;
    }
}

/// What the standard policy says of an image's findings, each once, and whether the gate closes. What callers bring as policies is
/// not known here; the standard one stands for them.
fn judge(findings: Vec<Finding>) -> (BTreeMap<Key, Said>, bool) {
    // The standard policy has no rule that ends on a day.
    let (judged, verdict) = policy::evaluate(&[], findings, Date::default(), Class::Trusted);
    let mut all: BTreeMap<Key, Said> = BTreeMap::new();
    for judged in judged {
        let (finding, fails) = (judged.finding, judged.decision.action == Some(Action::Fail));
        let key = Key {
            id: finding.id,
            package: finding.package.name,
            version: finding.package.version,
            ecosystem: finding.package.ecosystem,
        };
        // Of one that two layers have, the worse counts.
        let said = all.entry(key).or_insert(Said { severity: finding.severity, fails });
        said.severity = said.severity.max(finding.severity);
        said.fails |= fails;
    }
    (all, verdict.outcome == Outcome::Fail)
}
