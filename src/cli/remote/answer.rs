//! Whether a server's answer is one to what was asked.

use std::collections::BTreeSet;

use stella::{
    api::ScanRequest,
    digest::Digest,
    image::Image,
    inventory::{Inventory, Skipped},
    policy::{Outcome, Policy, Verdict},
    report::ScanResult,
};

/// What a server is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// In which words.
    pub request: &'a ScanRequest,
    /// Of which image.
    pub image: &'a Image,
    /// What it holds, where an SBOM says it; else the server finds it in the layers.
    pub given: Option<&'a Inventory>,
}

/// What in a result is not what was asked for; `None` where all is.
///
/// A server may have applied further policies, which can only tighten, and skipped more. What the caller named must all
/// be there: a policy or a skip that is dropped would open the gate. So must what an SBOM holds.
pub fn mismatch(asked: Asked<'_>, result: &ScanResult) -> Option<String> {
    let Asked { request, image, given } = asked;
    let found = &result.image;
    let diff_ids = |ids: &mut dyn Iterator<Item = Digest>| {
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        ids.join(" ")
    };
    let inventory = given.and_then(|given| given.given.as_deref());
    let now = request.now.and_then(|now| jiff::Timestamp::from_second(now).ok());
    let pairs = [
        ("reference", request.reference.clone(), found.reference.clone()),
        ("digest", image.digest().to_string(), found.digest.to_string()),
        ("config digest", image.config_digest.to_string(), found.config_digest.to_string()),
        ("platform", image.platform.to_string(), found.platform.clone()),
        (
            "layers",
            diff_ids(&mut image.layers.iter().map(|layer| layer.diff_id)),
            diff_ids(&mut found.layers.iter().map(|layer| layer.diff_id)),
        ),
        ("number of layers", image.layers.len().to_string(), result.looked_at.layers.to_string()),
        ("inventory", in_words(inventory), in_words(result.looked_at.inventory.as_deref())),
        ("moment", now.map_or_else(|| result.now.clone(), |now| now.to_string()), result.now.clone()),
    ];
    if let Some((what, asked, answered)) = pairs.into_iter().find(|(_, asked, answered)| asked != answered) {
        return Some(format!("asked for {what} {asked:?}, it answers for {answered:?}"));
    }
    let standard = Policy::standard();
    let named = request.policies.iter().map(|policy| (&policy.origin, Digest::of(policy.text.as_bytes())));
    let mut policies: Vec<(&String, Digest)> = named.collect();
    if policies.is_empty() {
        policies.push((&standard.origin, standard.digest));
    }
    let applied: Vec<(&String, Digest)> =
        result.verdict.policies.iter().map(|policy| (&policy.origin, policy.digest)).collect();
    if let Some((origin, digest)) = policies.iter().find(|policy| !applied.contains(policy)) {
        return Some(format!("the policy {origin} ({digest}) was not applied"));
    }
    let found: usize = result.looked_at.packages.values().sum();
    if let Some(given) = given.filter(|given| given.packages.len() != found) {
        return Some(format!("the SBOM holds {} packages, it looked at {found}", given.packages.len()));
    }
    // An SBOM may skip as much as it holds.
    let looked_at: BTreeSet<&Skipped> = result.looked_at.skipped.iter().collect();
    let mut skipped = request.skipped.iter().chain(given.iter().flat_map(|given| &given.skipped));
    if let Some(skipped) = skipped.find(|skipped| !looked_at.contains(skipped)) {
        return Some(format!("it drops what was not looked at: {} ({})", skipped.what, skipped.name));
    }
    let verdict = &result.verdict;
    let follows = follows(request, result);
    let fits = (verdict.outcome, &verdict.allowed) == (follows.outcome, &follows.allowed);
    (!fits).then(|| format!("its outcome {:?} does not follow from what it found", verdict.outcome))
}

/// Why the inventory of an answer is none that was asked for; `None` where it is one, or none was.
pub fn no_inventory(
    request: &ScanRequest,
    result: &ScanResult,
    inventory: Option<&Inventory>,
) -> Option<String> {
    if !request.inventory {
        return None;
    }
    let Some(inventory) = inventory else {
        return Some(
            "it does not say what the image holds, which cyclonedx and spdx need: use client and server of one release"
                .to_owned(),
        );
    };
    let layers = result.image.layers.len();
    if let Some(installed) = inventory.packages.iter().find(|installed| installed.layer >= layers.max(1)) {
        return Some(format!(
            "its inventory has a package of layer {}, the image has {layers}",
            installed.layer
        ));
    }
    let (held, found) = (inventory.packages.len(), result.looked_at.packages.values().sum::<usize>());
    (held != found).then(|| format!("its inventory holds {held} packages, it looked at {found}"))
}

fn in_words(inventory: Option<&str>) -> String {
    inventory.unwrap_or("found in the layers").to_owned()
}

/// The verdict that what was found, and what was not looked at, leads to.
fn follows(request: &ScanRequest, result: &ScanResult) -> Verdict {
    let found = result.findings.iter().filter_map(|judged| judged.decision.action);
    // What is no finding's, such as the age of the advisories.
    let others =
        result.verdict.reasons.iter().filter(|reason| reason.findings == 0).map(|reason| reason.action);
    let worst = found.chain(others).max();
    let mut verdict = Verdict { outcome: Outcome::of(worst), ..result.verdict.clone() };
    verdict.consider(&result.looked_at.skipped, &request.allow_skipped);
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use stella::{
        advisory::{Compiler, Snapshot},
        api::{ImageClaim, PackedSbom, PolicyText},
        image::Platform,
        layer::{ANALYZER, Fragment, SCHEMA},
        policy::{Class, STANDARD},
        sbom,
        scan::Scan,
    };

    #[test]
    fn every_lie_is_found() {
        let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
        let diff_ids = vec![Digest::of(b"a"), Digest::of(b"b")];
        let image = Image::new(Digest::of(b"config"), platform.clone(), diff_ids.clone(), &[]).unwrap();
        let skipped = Skipped { name: "platform".into(), what: "linux/arm64".into(), why: "not read".into() };
        let text = PolicyText { origin: "p.yaml".into(), text: STANDARD.into() };
        let policy = Policy::parse(&text.origin, &text.text).unwrap();
        let request = ScanRequest {
            schema: SCHEMA,
            analyzer: ANALYZER.into(),
            reference: "app:1".into(),
            image: Some(ImageClaim::Engine {
                image_id: image.config_digest,
                platform,
                diff_ids: diff_ids.clone(),
                history: Vec::new(),
            }),
            sbom: None,
            inventory: false,
            base: None,
            pairs: Vec::new(),
            policies: vec![text],
            skipped: vec![skipped.clone()],
            allow_skipped: Vec::new(),
            now: Some(0),
        };
        let fragments: Vec<Fragment> = diff_ids.iter().map(|id| Fragment::unseen(*id)).collect();
        let scan = Scan {
            reference: "app:1",
            image: &image,
            fragments: &fragments.iter().collect::<Vec<_>>(),
            snapshot: &Snapshot::from_bytes(Compiler::default().to_bytes().unwrap()).unwrap(),
            policies: &[policy],
            skipped: &[skipped],
            allow_skipped: &[],
            now: jiff::Timestamp::from_second(0).unwrap(),
            class: Class::Trusted,
        };
        let honest = scan.judge(scan.discover().unwrap()).unwrap();
        let asked = Asked { request: &request, image: &image, given: None };
        assert_eq!(mismatch(asked, &honest), None);
        type Lie = fn(&mut ScanResult);
        let lies: [(&str, Lie); 13] = [
            ("reference", |r| r.image.reference = "app:2".into()),
            ("digest", |r| r.image.digest = Digest::of(b"other")),
            ("config digest", |r| r.image.config_digest = Digest::of(b"other")),
            ("platform", |r| r.image.platform = "linux/arm64".into()),
            ("layers", |r| r.image.layers.swap(0, 1)),
            ("layers", |r| drop(r.image.layers.pop())),
            ("number of layers", |r| r.looked_at.layers = 1),
            ("inventory", |r| r.looked_at.inventory = Some("given by the caller".into())),
            ("moment", |r| r.now = "2001-01-01T00:00:00Z".into()),
            ("p.yaml", |r| r.verdict.policies[0].digest = Digest::of(b"milder")),
            ("linux/arm64", |r| r.looked_at.skipped.retain(|skipped| skipped.name != "platform")),
            ("does not follow", |r| r.verdict.outcome = Outcome::Pass),
            ("does not follow", |r| {
                r.verdict.allowed = vec!["no-packages".into(), "platform".into()];
                r.verdict.outcome = Outcome::Pass;
            }),
        ];
        for (word, lie) in lies {
            let mut lying = honest.clone();
            lie(&mut lying);
            let found = mismatch(asked, &lying);
            assert!(found.as_ref().is_some_and(|why| why.contains(word)), "{word}: {found:?}");
        }
        // Without policies of the caller's own the standard one must have been applied.
        let request = ScanRequest { policies: Vec::new(), ..request.clone() };
        let asked = Asked { request: &request, ..asked };
        assert!(mismatch(asked, &honest).unwrap().contains("default"));
    }
    #[test]
    fn what_an_sbom_holds_must_be_answered_for() {
        let document = br#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[
            {"type":"library","name":"a","purl":"pkg:npm/a@1"},{"type":"library","name":"b"}]}"#;
        let given = sbom::read(document).unwrap().given_by_caller("sbom:b.json");
        let request = ScanRequest {
            schema: SCHEMA,
            analyzer: ANALYZER.into(),
            reference: "sbom:b.json".into(),
            image: None,
            sbom: Some(PackedSbom::pack(document).unwrap()),
            inventory: false,
            base: None,
            pairs: Vec::new(),
            policies: Vec::new(),
            skipped: Vec::new(),
            allow_skipped: Vec::new(),
            now: Some(0),
        };
        let scan = Scan {
            reference: "sbom:b.json",
            image: &given.image,
            fragments: &[],
            snapshot: &Snapshot::from_bytes(Compiler::default().to_bytes().unwrap()).unwrap(),
            policies: &[],
            skipped: &[],
            allow_skipped: &[],
            now: jiff::Timestamp::from_second(0).unwrap(),
            class: Class::Trusted,
        };
        let honest = scan.judge(scan.discover_in(given.inventory.clone()).unwrap()).unwrap();
        let asked = Asked { request: &request, image: &given.image, given: Some(&given.inventory) };
        assert_eq!(mismatch(asked, &honest), None);
        type Lie = fn(&mut ScanResult);
        let lies: [(&str, Lie); 3] = [
            ("inventory", |r| r.looked_at.inventory = None),
            ("1 packages", |r| r.looked_at.packages.clear()),
            ("sbom:no-purl", |r| r.looked_at.skipped.retain(|skipped| skipped.name != "sbom:no-purl")),
        ];
        for (word, lie) in lies {
            let mut lying = honest.clone();
            lie(&mut lying);
            let found = mismatch(asked, &lying);
            assert!(found.as_ref().is_some_and(|why| why.contains(word)), "{word}: {found:?}");
        }
    }
}
