//! SBOMs: every document of another project's tests is read or refused as it should be (`sbom-trivy` of
//! `../shared/suites`; skipped, and said so, where the suite is not there), what is written is read back without a loss,
//! and nothing that is read takes the program down.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use stella::{
    base::{Base, By},
    digest::Digest,
    image::{Image, Layer, Platform},
    inventory::{Installed, Inventory, LockFile, Skipped},
    package::{Ecosystem, OsRelease, Package, Purl, Source},
    report::{cyclonedx, spdx},
    sbom::{Found, Sbom, read},
};

/// Every text that stands where a purl belongs, at whatever depth.
fn purls(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let is_purl = map.get("referenceType").is_some_and(|kind| kind == "purl");
            for (key, inner) in map {
                match inner.as_str().filter(|_| key == "purl" || (is_purl && key == "referenceLocator")) {
                    Some(text) => drop(found.insert(text.to_owned())),
                    None => purls(inner, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| purls(inner, found)),
        _ => {}
    }
}

/// Whether each purl of the document is a package or said to be skipped, and each package one of its purls.
fn judge(bytes: &[u8]) -> Result<(), String> {
    let Found { sbom, .. } = read(bytes).map_err(|error| error.to_string())?;
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let mut written = BTreeSet::new();
    purls(&document, &mut written);
    // An image is what a document is about, and nothing in it.
    let subject = document["metadata"]["component"]["purl"].as_str().unwrap_or_default();
    written.retain(|text| text != subject || !text.starts_with("pkg:oci/"));
    let plain = |package: &Package| Package { source: None, ..package.clone() };
    let mut packages: BTreeSet<Package> =
        sbom.inventory.packages.iter().map(|installed| plain(&installed.package)).collect();
    for text in written {
        let package = text.parse::<Purl>().ok().and_then(|purl| purl.package());
        let is_there = package.is_some_and(|package| packages.remove(&plain(&package)));
        if !is_there && !sbom.inventory.skipped.iter().any(|skipped| skipped.what.contains(&text)) {
            return Err(format!("{text} is neither a package nor skipped"));
        }
    }
    if packages.is_empty() { Ok(()) } else { Err(format!("packages from nowhere: {packages:?}")) }
}

#[test]
fn documents_of_another_project() {
    let name = "sbom-trivy";
    let Some(files) = suite::files(name) else { return };
    let (mut passed, mut failed) = (0, BTreeMap::new());
    for (place, bytes) in files {
        let is_bad = place.contains("/sad/") || place.contains("invalid_spdx");
        match (judge(&bytes), is_bad) {
            (Ok(()), false) => passed += 1,
            (Err(_), true) if read(&bytes).is_err() => passed += 1,
            (Ok(()), true) => drop(failed.insert(place, "read instead of refused".to_owned())),
            (Err(why), _) => drop(failed.insert(place, why)),
        }
    }
    println!("{name}: {passed} passed, {} failed, 0 skipped", failed.len());
    for (place, why) in &failed {
        println!("failed {place}: {why}");
    }
    assert!(failed.is_empty());
}

type Write = fn(&Sbom) -> Vec<u8>;

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

const FORMS: [(&str, Write); 3] = [
    ("CycloneDX 1.5", |sbom| {
        let mut bytes = Vec::new();
        cyclonedx::write(sbom, None, cyclonedx::Version::V1_5, now(), &mut bytes).unwrap();
        bytes
    }),
    ("CycloneDX 1.6", |sbom| {
        let mut bytes = Vec::new();
        cyclonedx::write(sbom, None, cyclonedx::Version::V1_6, now(), &mut bytes).unwrap();
        bytes
    }),
    ("SPDX 2.3", |sbom| {
        let mut bytes = Vec::new();
        spdx::write(sbom, now(), &mut bytes).unwrap();
        bytes
    }),
];

fn package() -> impl Strategy<Value = Package> {
    let text = || {
        prop_oneof!["[a-zA-Z0-9@/:._+~-]{1,8}", any::<String>().prop_filter("empty", |text| !text.is_empty())]
    };
    let source = prop::option::of((text(), "[0-9:.-]{0,6}"));
    let arch = prop::option::of("[a-z0-9_]{0,6}");
    let version = prop_oneof!["[0-9a-z.:+~^-]{0,8}", any::<String>()];
    let module = prop::option::of("[a-z0-9+]{1,4}:[a-z0-9.:]{1,8}");
    (0..Ecosystem::ALL.len(), text(), version, arch, source, module).prop_map(
        |(index, name, version, arch, source, module)| {
            let mut package = Package { arch, module, ..Package::new(Ecosystem::ALL[index], name, version) };
            package.set_source(source.map(|(name, version)| Source { name, version }));
            package
        },
    )
}

/// Files, identities, sources inside.
type Presence = (BTreeSet<String>, BTreeSet<Package>, BTreeSet<Source>);

fn sbom() -> impl Strategy<Value = Sbom> {
    let digest = || prop_oneof![Just([0; 32]), Just([1; 32]), any::<[u8; 32]>()].prop_map(Digest::from);
    let layers = prop::collection::vec((digest(), any::<String>()), 1..6);
    let paths = prop::collection::btree_set("[a-z/.\u{e9}\n \\\\]{1,6}", 0..3);
    let identities = prop::collection::btree_set(package(), 0..3);
    let source =
        ("[a-zA-Z0-9.+-]{1,6}", any::<String>()).prop_map(|(name, version)| Source { name, version });
    let sources = prop::collection::btree_set(source, 0..3);
    let packages = prop::collection::btree_map((package(), 0..6_usize), (paths, identities, sources), 0..12);
    let os = prop::option::of(("[a-z-]{0,6}", "[0-9.]{0,4}", "[a-z]{0,3}", "[0-9-]{0,3}"));
    let base = prop::option::of(0..6_usize);
    let skipped = prop::collection::btree_set(("[a-z:-]{1,6}", any::<String>(), any::<String>()), 0..3);
    let platform = ("[a-z]{0,3}", "[a-z0-9]{0,3}", "[a-z0-9]{0,2}");
    let image = (".{1,8}", prop::option::of(digest()), digest(), platform, layers, base);
    let lock_files = prop::collection::btree_set((any::<String>(), 0..6_usize, 0..9_usize), 0..3);
    let looked_at = (any::<u64>(), any::<u64>(), lock_files);
    (image, packages, os, skipped, looked_at).prop_map(
        |(image, packages, os, skipped, (files, size_bytes, lock_files))| {
            let (reference, manifest_digest, config_digest, platform, layers, base) = image;
            let (os_name, architecture, variant) = platform;
            let layers: Vec<Layer> = layers
                .into_iter()
                .map(|(diff_id, instruction)| Layer { diff_id, blob: None, instruction })
                .collect();
            // Of an index beyond the layers, the highest.
            let mut at: BTreeMap<(Package, usize), Presence> = BTreeMap::new();
            for ((package, layer), (paths, identities, sources)) in packages {
                let presence = at.entry((package, layer.min(layers.len() - 1))).or_default();
                presence.0.extend(paths);
                presence.1.extend(identities);
                presence.2.extend(sources);
            }
            let installed =
                |((package, layer), (paths, identities, sources)): ((Package, usize), Presence)| Installed {
                    package,
                    layer,
                    paths: paths.into_iter().collect(),
                    identities: identities.into_iter().collect(),
                    built_using: sources.into_iter().collect(),
                };
            Sbom {
                reference,
                image: Image {
                    manifest_digest,
                    config_digest,
                    platform: Platform { os: os_name, architecture, variant },
                    layers,
                    base: base.map(|layers| Base { layers, by: By::History, name: None }),
                    named_base: None,
                    history: Vec::new(),
                },
                inventory: Inventory {
                    os: os.map(|(id, version, codename, support_end)| OsRelease {
                        id,
                        version,
                        codename,
                        support_end,
                    }),
                    packages: at.into_iter().map(installed).collect(),
                    skipped: skipped
                        .into_iter()
                        .map(|(name, what, why)| Skipped { name, what, why })
                        .collect(),
                    files,
                    size_bytes,
                    lock_files: lock_files
                        .into_iter()
                        .map(|(path, layer, packages)| LockFile { path, layer, packages })
                        .collect(),
                    given: None,
                },
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(sbom in sbom()) {
        for (form, write) in FORMS {
            let bytes = write(&sbom);
            prop_assert_eq!(&bytes, &write(&sbom));
            let found = read(&bytes).map_err(|error| TestCaseError::fail(format!("{form}: {error}")))?;
            prop_assert_eq!(&found.form, form);
            prop_assert_eq!(&found.sbom, &sbom, "{}", form);
            // An incomplete look never looks complete.
            let text = String::from_utf8(bytes).unwrap();
            let says = if form.starts_with("SPDX") { "stella:skipped" } else { "\"incomplete\"" };
            prop_assert_eq!(text.contains(says), !sbom.inventory.skipped.is_empty());
        }
    }

    #[test]
    fn nothing_panics(
        sbom in sbom(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        for (_, write) in FORMS {
            let mut bytes = write(&sbom);
            for (index, byte) in &cuts {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = read(&bytes);
            let _ = read(&bytes[..length.index(bytes.len())]);
        }
    }

    #[test]
    fn no_tag_value_panics(lines in prop::collection::vec("(PackageName|SPDXID|FileName|ExternalRef|Relationship|RelationshipComment|AnnotationComment|SPDXREF|PackageSourceInfo|x)?:? ?(<text>|</text>|a b c|SECURITY purl pkg:npm/a@1|.{0,6})", 0..12)) {
        let _ = read(format!("SPDXVersion: SPDX-2.3\n{}", lines.join("\n")).as_bytes());
    }
}

#[test]
fn modules_as_each_tool_writes_them() {
    let label = "nodejs:12:8030020200410173826:30b713e6";
    let purl = "pkg:rpm/rocky/nodejs@12.16.1-2.module%2Bel8.3.0?arch=x86_64&distro=rocky-8.3&epoch=1";
    let bom = |purl: &str, property: &str| {
        format!(
            r#"{{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{{"type": "library", "name": "nodejs",
            "purl": "{purl}", "properties": [{{"name": "{property}", "value": "{label}"}}]}}]}}"#
        )
    };
    for document in [
        bom(&format!("{purl}&rpmmod={label}"), "x"),
        bom(&format!("{purl}&modularitylabel={}", label.replace(':', "%3A")), "x"),
        bom(purl, "aquasecurity:trivy:Modularitylabel"),
        bom(purl, "syft:metadata:modularityLabel"),
        format!(
            r#"{{"spdxVersion": "SPDX-2.3", "packages": [{{"SPDXID": "SPDXRef-Package-1", "name": "nodejs",
            "attributionTexts": ["Modularitylabel: {label}"],
            "externalRefs": [{{"referenceType": "purl", "referenceLocator": "{purl}"}}]}}]}}"#
        ),
        format!(
            r#"{{"schema": {{}}, "artifacts": [{{"name": "nodejs", "version": "1:12", "purl": "{purl}",
            "metadata": {{"modularityLabel": "{label}"}}}}]}}"#
        ),
        format!(
            r#"{{"SchemaVersion": 2, "Results": [{{"Class": "os-pkgs", "Packages": [{{"Name": "nodejs",
            "Modularitylabel": "{label}", "Identifier": {{"PURL": "{purl}"}}}}]}}]}}"#
        ),
    ] {
        let inventory = read(document.as_bytes()).unwrap().sbom.inventory;
        let modules: Vec<_> = inventory.packages.iter().map(|one| one.package.module.as_deref()).collect();
        assert_eq!(modules, [Some(label)], "{document}");
    }
    // Of anything but an rpm it says nothing.
    let other = bom("pkg:deb/debian/a@1?rpmmod=a:1", "aquasecurity:trivy:Modularitylabel");
    assert_eq!(read(other.as_bytes()).unwrap().sbom.inventory.packages[0].package.module, None);
}

#[test]
fn a_package_with_two_purls_is_two() {
    let text = r#"{"spdxVersion": "SPDX-2.3", "name": "x", "packages": [{"SPDXID": "SPDXRef-a", "name": "a", "versionInfo": "1.0",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:pypi/ok@1.0"},
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:pypi/django@1.0"}]}]}"#;
    let packages = read(text.as_bytes()).unwrap().sbom.inventory.packages;
    let names: Vec<_> = packages.iter().map(|installed| installed.package.name.as_str()).collect();
    assert_eq!(names, ["django", "ok"]);
}
