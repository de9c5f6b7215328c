//! What NVD says of products, held against what GitHub says of the same vulnerabilities in packages of npm, where the packs of
//! real advisories lie beside the checkout: `../shared/data`, or where `STELLA_SHARED` says.
//!
//! NVD's ranges stand under CPE names, which tell no package; here a table does. The pack has NVD's form, and the ranges that
//! CISA added to the CVE list: what is called NVD's below is theirs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a pack that cannot be read fails the test, and one that is not there is said"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    path::PathBuf,
};

use stella::{
    advisory::{Advisory, Compiler, End, Snapshot},
    feed::{self, Import, Memory},
};

/// Packages of npm, and what NVD calls them; some have two names.
const PAIRS: &[(&str, &str)] = &[
    ("astro", "withastro:astro"),
    ("axios", "axios:axios:node.js"),
    ("body-parser", "expressjs:body-parser"),
    ("braces", "micromatch:braces"),
    ("chromedriver", "chromedriver_project:chromedriver:node.js"),
    ("directus", "directus:directus"),
    ("directus", "monospace:directus"),
    ("dset", "dset_project:dset:node.js"),
    ("elliptic", "elliptic_project:elliptic:node.js"),
    ("fast-xml-parser", "naturalintelligence:fast_xml_parser"),
    ("follow-redirects", "follow-redirects_project:follow-redirects:node.js"),
    ("hono", "hono:hono:node.js"),
    ("http-proxy-middleware", "chimurai:http-proxy-middleware"),
    ("ip", "fedorindutny:ip:node.js"),
    ("jsonata", "jsonatajs:jsonata"),
    ("katex", "katex:katex"),
    ("markdown-to-jsx", "markdown-to-jsx:markdown-to-jsx"),
    ("micromatch", "micromatch:micromatch"),
    ("mysql2", "mysql2:mysql2"),
    ("mysql2", "mysqljs:mysql2"),
    ("parse-server", "parse_community:parse_server"),
    ("parse-server", "parseplatform:parse_server"),
    ("path-to-regexp", "pillarjs:path-to-regexp"),
    ("pnpm", "pnpm:pnpm:node.js"),
    ("pug", "pugjs:pug:node.js"),
    ("rollup", "rollup:rollup"),
    ("sails", "sailsjs:sails"),
    ("sanitize-html", "apostrophecms:sanitize-html:node.js"),
    ("slim-select", "brian_voelker:slim_select"),
    ("socket.io", "socket:socket.io:node.js"),
    ("svelte", "svelte:svelte:node.js"),
    ("systeminformation", "systeminformation:systeminformation:node.js"),
    ("tar", "node-tar_project:node-tar"),
    ("trix", "basecamp:trix"),
    ("undici", "nodejs:undici"),
    ("vite", "vitejs:vite:node.js"),
    ("web3-utils", "web3:web3-utils"),
    ("webpack", "webpack:webpack"),
    ("webpack-dev-middleware", "webpack.js:webpack-dev-middleware"),
    ("xml-crypto", "node_saml_project:xml_crypto"),
];

const ONE: &str = "NVD gives the one version that it was reported of";
const FROM: &str = "NVD does not say from which version on";

/// Vulnerability and package, GitHub's ranges and NVD's, and why they differ. `=` is one version.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &str, &str, &str, &str)] = &[
    ("CVE-2024-39338", "axios", "1.3.2 <1.7.4", "=1.7.2", ONE),
    ("CVE-2023-45820", "directus", "10.4.0 <10.6.2", "10.4 <10.6.2", "10.4 and 10.4.0 are one version"),
    ("CVE-2024-6533", "directus", "<=10.13.0", "=10.13.0", ONE),
    ("CVE-2024-6534", "directus", "<=10.13.0", "=10.13.0", ONE),
    ("CVE-2024-42459", "elliptic", "4.0.0 <6.5.7", "=6.5.6", ONE),
    ("CVE-2024-42460", "elliptic", "2.0.0 <6.5.7", "=6.5.6", ONE),
    ("CVE-2024-42461", "elliptic", "5.2.1 <6.5.7", "=6.5.6", ONE),
    ("CVE-2024-41818", "fast-xml-parser", "4.3.5 <4.4.1", "<4.4.1", FROM),
    ("CVE-2024-32869", "hono", "<4.2.7", "<", "NVD gives no version at all, which is every version"),
    ("CVE-2024-29415", "ip", "<=2.0.1", "<2.0.1", "NVD takes 2.0.1 for the fix; GitHub knows of none"),
    ("CVE-2024-39309", "parse-server", "7.0.0 <7.1.0, <6.5.7", "=6.5.7, =7.0.0, =7.1.0", "NVD gives the first versions with the fix, and 7.0.0, as those that are affected"),
    ("CVE-2024-45296", "path-to-regexp", "0.2.0 <1.9.0, 2.0.0 <3.3.0, 4.0.0 <6.3.0, 7.0.0 <8.0.0, <0.1.10", "0.2.0 <8.0.0, <0.1.0", "NVD has 0.1.0 for 0.1.10, and one range over the fixes of four branches"),
    ("CVE-2024-36361", "pug", "<3.0.3", "0.0.2 <=3.0.2", "NVD begins at 0.0.2 and names the last affected version"),
    ("CVE-2024-47068", "rollup", "3.0.0 <3.29.5, 4.0.0 <4.22.4, <2.79.2", "4.0.0 <4.22.4, <3.29.5", "NVD has no fix of the first branch, 2.79.2"),
    ("CVE-2024-9440", "slim-select", "2.0.0 <2.9.2", "2.0 <=2.9.0", "NVD names the last affected version, GitHub 2.9.2 as the first with the fix; 2.0 and 2.0.0 are one"),
    ("CVE-2024-34341", "trix", "0.9.0 <1.3.2, 2.0.0 <2.1.1", "<2.1.1", "NVD has one range over both branches, and not where it begins"),
    ("CVE-2024-45811", "vite", "4.0.0 <4.5.4, 5.0.0 <5.1.8, 5.2.0 <5.2.14, 5.3.0 <5.3.6, 5.4.0 <5.4.6, <3.2.11", "4.0.0 <4.5.5, 5.0.0 <5.2.14, 5.3.0 <5.3.6, 5.4.0 <5.4.6, <3.2.11", "NVD has no fix between 5.0.0 and 5.2.14, and 4.5.5 for 4.5.4"),
    ("CVE-2024-45812", "vite", "4.0.0 <4.5.4, 5.0.0 <5.1.8, 5.2.0 <5.2.14, 5.3.0 <5.3.6, 5.4.0 <5.4.6, <3.2.11", "4.0.0 <4.5.5, 5.0.0 <5.2.14, 5.3.0 <5.3.6, 5.4.0 <5.4.6, <3.2.11", "NVD has no fix between 5.0.0 and 5.2.14, and 4.5.5 for 4.5.4"),
    ("CVE-2024-21505", "web3-utils", "4.0.1 <4.2.1", "<4.2.1", FROM),
    ("CVE-2024-43788", "webpack", "5.0.0-alpha.0 <5.94.0", "<5.94.0", FROM),
];

/// What a pack gives; `None`, and said so, where it is not there.
fn snapshot(name: &str) -> Option<Snapshot> {
    let shared = std::env::var_os("STELLA_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = shared.join(format!("data/{name}.tar.zst"));
    if !path.exists() {
        println!("skipped: the pack {name} is not beside this checkout");
        return None;
    }
    let memory = Memory::default();
    let (mut import, mut compiler) = (Import::new(&memory), Compiler::default());
    let part = feed::read(&path, NonZeroUsize::new(2).unwrap(), &memory, &|_| ()).unwrap();
    import.add(&path, part, None).unwrap();
    import.compile(&mut compiler);
    Some(Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
}

/// The ranges of each CVE, such as `<5.2.4, 6.0.0 <6.2.3`.
fn ranges(advisories: Vec<Advisory>) -> BTreeMap<String, String> {
    let mut ranges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Advisory { id, aliases, ranges: said, versions, .. } in advisories {
        let mut words: BTreeSet<String> = versions.iter().map(|version| format!("={version}")).collect();
        for range in said {
            let from = range.introduced.map(|from| format!("{from} ")).unwrap_or_default();
            words.insert(match range.end {
                End::Fixed(end) | End::Limit(end) => format!("{from}<{end}"),
                End::LastAffected(last) => format!("{from}<={last}"),
                End::Open => format!("{from}<"),
            });
        }
        for cve in aliases.into_iter().chain([id]).filter(|name| name.starts_with("CVE-")) {
            ranges.entry(cve).or_default().extend(words.clone());
        }
    }
    let joined = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join(", ");
    ranges.into_iter().map(|(cve, words)| (cve, joined(words))).collect()
}

#[test]
fn github_and_nvd_of_npm() {
    let (Some(github), Some(nvd)) = (snapshot("npm-ghsa"), snapshot("nvd2-derived")) else { return };
    let (mut agreed, mut differences) = (0, Vec::new());
    for (package, product) in PAIRS {
        let github = ranges(github.lookup("npm", package).unwrap());
        for (cve, nvd) in ranges(nvd.lookup("cpe", product).unwrap()) {
            match github.get(&cve) {
                Some(github) if *github == nvd => agreed += 1,
                Some(github) => differences.push(format!("{cve} {package}: {github} | {nvd}")),
                // Of another package of the product, or not in the pack.
                None => {}
            }
        }
    }
    let known =
        DIFFERENCES.iter().map(|(cve, package, github, nvd, _)| format!("{cve} {package}: {github} | {nvd}"));
    let known: Vec<String> = known.collect();
    let new: Vec<&String> = differences.iter().filter(|said| !known.contains(said)).collect();
    let gone: Vec<&String> = known.iter().filter(|said| !differences.contains(said)).collect();
    println!("GitHub and NVD of npm: {agreed} with the same ranges, {} differ", differences.len());
    assert!(
        new.is_empty() && gone.is_empty(),
        "not in the table: {new:#?}\nin the table, and gone: {gone:#?}"
    );
    assert_eq!(agreed, 39, "vulnerabilities with the same ranges");
}
