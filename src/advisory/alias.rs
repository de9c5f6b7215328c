//! One vulnerability under names that no advisory of a package links: Wolfi and Chainguard call some by the CVE and some by
//! GitHub's id, and GitHub's own record of another ecosystem has both.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::format::Text;

fn names(text: &Text) -> impl Iterator<Item = &str> {
    text.aliases.iter().chain([&text.id]).map(String::as_str)
}

fn is_cve(name: &&str) -> bool {
    name.starts_with("CVE-")
}

fn is_ghsa(name: &&str) -> bool {
    name.starts_with("GHSA-")
}

/// Whether one of the names is an id of GitHub's.
pub(super) fn is_of_github(text: &Text) -> bool {
    names(text).any(|name| is_ghsa(&name))
}

/// The texts with an id of GitHub's and no CVE, each as it reads with the CVE that the others say it is. An id that they lay to
/// several CVEs is left alone, and so is a text whose ids are of several: two CVEs never become one this way.
pub(super) fn with_cves<'a>(
    texts: impl Iterator<Item = &'a Arc<Text>> + Clone,
) -> HashMap<Arc<Text>, Arc<Text>> {
    let mut cves: HashMap<&str, Option<&str>> = HashMap::new();
    for text in texts.clone().filter(|text| is_of_github(text)) {
        let named: BTreeSet<&str> = names(text).filter(is_cve).collect();
        let one = named.first().copied().filter(|_| named.len() == 1);
        for ghsa in names(text).filter(is_ghsa).filter(|_| !named.is_empty()) {
            let known = cves.entry(ghsa).or_insert(one);
            *known = known.filter(|cve| Some(*cve) == one);
        }
    }
    let joined = texts.filter_map(|text| {
        let named: BTreeSet<&str> = names(text).filter_map(|ghsa| *cves.get(ghsa)?).collect();
        let cve = named.first().filter(|_| named.len() == 1 && !names(text).any(|name| is_cve(&name)))?;
        let mut joined = Text::clone(text);
        joined.aliases.push((*cve).to_owned());
        joined.aliases.sort_unstable();
        Some((Arc::clone(text), Arc::new(joined)))
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, aliases: &[&str]) -> Arc<Text> {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        Arc::new(Text { id: id.into(), aliases, summary: String::new() })
    }

    #[test]
    fn an_id_of_githubs_is_the_cve_that_one_record_calls_it() {
        let texts = [
            text("GHSA-1", &["CVE-1"]),
            text("PYSEC-1", &["CVE-1", "GHSA-1"]),
            text("GHSA-1", &[]),
            text("GO-1", &["GHSA-1"]),
            // Two CVEs in one record, in two records, by two ids: none is certain.
            text("GHSA-2", &["CVE-2", "CVE-3"]),
            text("GHSA-2", &[]),
            text("GHSA-3", &["CVE-4"]),
            text("X-3", &["CVE-5", "GHSA-3"]),
            text("GHSA-3", &[]),
            text("Y-1", &["GHSA-1", "GHSA-4"]),
            text("GHSA-4", &["CVE-6"]),
            text("GHSA-9", &[]),
        ];
        let joined = with_cves(texts.iter());
        let mut told: Vec<_> = joined
            .into_iter()
            .map(|(from, to)| format!("{} {} -> {}", from.id, from.aliases.join("+"), to.aliases.join("+")))
            .collect();
        told.sort_unstable();
        assert_eq!(told, ["GHSA-1  -> CVE-1", "GO-1 GHSA-1 -> CVE-1+GHSA-1"]);
    }
}
