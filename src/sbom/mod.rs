//! Software bills of materials: the inventory of an image as a document, out and in.
//!
//! Written by [`crate::report::cyclonedx`] and [`crate::report::spdx`]; read by [`read`] in the forms that tools write.
//! What Stella wrote it reads back without a loss. Of other tools' documents it reads packages, their sources, layers and
//! files, and the operating system; a component that stands for software and cannot be told is a [`Skipped`], never
//! dropped.

mod collect;
mod cyclonedx;
mod difference;
mod list;
mod property;
mod spdx;
mod spdx_tag_value;
mod syft;
mod trivy;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

pub use difference::{Attested, Difference, differences};
pub use property::{Property, for_gitlab, of_image, of_os, of_package, of_skipped};

use crate::{
    image::{Image, MAX_LAYERS},
    inventory::Inventory,
    package::PurlError,
};

/// An image and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The image as its caller named it.
    pub reference: String,
    /// The image; of other tools' documents only what they tell.
    pub image: Image,
    /// What it holds, and what was not looked at.
    pub inventory: Inventory,
}

/// What [`read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Form and version, such as `CycloneDX 1.6`.
    pub form: String,
    /// What it says.
    pub sbom: Sbom,
}

impl Found {
    /// What it says, marked as what the caller gave instead of an image; `source` is what the caller named.
    pub fn given_by_caller(self, source: &str) -> Sbom {
        let Self { form, mut sbom } = self;
        sbom.inventory.given = Some(format!("given by the caller: {source}, {form}"));
        sbom
    }
}

/// Why bytes are no SBOM that is read here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of no form that is known.
    #[error(
        "it is {0}; what is read is CycloneDX 1.2 to 1.7 (JSON), SPDX 2 (JSON, tag-value), Syft's JSON and Trivy's JSON"
    )]
    Form(&'static str),
    /// A version of a known form that is not read.
    #[error("it is {form} {version:?}, which is not read")]
    Version {
        /// Such as `CycloneDX`.
        form: &'static str,
        /// As the document says.
        version: String,
    },
    /// JSON of another shape; serde's words, with line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A line of a tag-value file.
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// What must be a package URL is none.
    #[error("package {name:?} has the purl {purl:?}: {why}")]
    Purl {
        /// The package as the document names it.
        name: String,
        /// The purl.
        purl: String,
        /// What is wrong.
        why: PurlError,
    },
    /// More objects, packages, files or relationships than a document needs.
    #[error("over the limit `sbom objects`, {MOST_OBJECTS}")]
    Objects,
    /// More layers than any image has.
    #[error("it names more than {MAX_LAYERS} layers")]
    Layers,
}

/// `sbom objects`: braces in a JSON document, or elements of a tag-value file; what is read of one takes some 300 bytes.
pub const MOST_OBJECTS: usize = 300_000;

/// Keys by which the forms are told.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    #[serde(rename = "@context")]
    context: Option<IgnoredAny>,
    artifacts: Option<IgnoredAny>,
    #[serde(rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "predicateType")]
    predicate_type: Option<IgnoredAny>,
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

/// Reads an SBOM, whichever of the known forms it has. One inside an in-toto statement is read too.
///
/// Memory is bounded by [`MOST_OBJECTS`] and a small multiple of `bytes`, whose length the caller bounds.
pub fn read(bytes: &[u8]) -> Result<Found, Error> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = text.trim_ascii_start();
    if start.starts_with(b"<") {
        return Err(Error::Form("XML"));
    }
    if !start.starts_with(b"{") {
        return match std::str::from_utf8(text) {
            Ok(text) if spdx_tag_value::recognise(text) => spdx_tag_value::read(text),
            _ => Err(Error::Form("of no known form")),
        };
    }
    if text.iter().filter(|byte| **byte == b'{').count() > MOST_OBJECTS {
        return Err(Error::Objects);
    }
    let shape: Shape = serde_json::from_slice(text)?;
    match shape {
        Shape { bom_format: Some(_), .. } => cyclonedx::read(text),
        Shape { spdx_version: Some(_), .. } => spdx::read(text),
        Shape { context: Some(_), .. } => Err(Error::Form("JSON-LD, as SPDX 3")),
        Shape { artifacts: Some(_), .. } => syft::read(text),
        Shape { schema_version: Some(_), .. } => trivy::read(text),
        // A predicate holds no other statement.
        Shape { predicate_type: Some(_), predicate: Some(predicate), .. } => {
            match serde_json::from_str(predicate.get())? {
                Shape { predicate_type: Some(_), .. } => Err(Error::Form("a statement in a statement")),
                _ => read(predicate.get().as_bytes()),
            }
        }
        _ => Err(Error::Form("JSON of no known form")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(found: &Found) -> Vec<String> {
        let inventory = &found.sbom.inventory;
        let text = |installed: &crate::inventory::Installed| {
            let (name, version) = installed.package.source();
            let package = &installed.package;
            let said = format!(
                "{} {} {name} {version} {}",
                package.name,
                package.version,
                installed.paths.join(",")
            );
            said.trim_end().to_owned()
        };
        inventory.packages.iter().map(text).collect()
    }

    fn skipped(found: &Found) -> Vec<&str> {
        found.sbom.inventory.skipped.iter().map(|skipped| skipped.name.as_str()).collect()
    }

    fn bom(components: &str) -> Result<Found, Error> {
        read(
            format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.4","components":[{components}]}}"#)
                .as_bytes(),
        )
    }

    #[test]
    fn what_cannot_be_told_is_skipped_by_name() {
        let found = bom(r#"{"type":"library","name":"a"},
            {"name":"of no type"},
            {"type":"application","name":"lock file"},
            {"type":"file","name":"f","version":"1"},
            {"type":"container","name":"c","purl":"pkg:oci/c@1"},
            {"type":"library","name":"b","purl":"no-purl"},
            {"type":"library","name":"n","version":"2","purl":"pkg:npm/n",
             "components":[{"type":"library","name":"inner","purl":"pkg:npm/%40s/i@1"}]},
            {"type":"library","name":"n","purl":"pkg:npm/n@2"}"#)
        .unwrap();
        assert_eq!(packages(&found), ["@s/i 1 @s/i 1", "n 2 n 2"]);
        assert_eq!(skipped(&found), ["sbom:invalid-purl", "sbom:no-purl", "sbom:no-purl", "sbom:oci"]);
    }

    #[test]
    fn properties_are_no_way_around_a_purl() {
        let found = bom(r#"{"type":"library","name":"a","purl":"pkg:npm/a@1","properties":[
            {"name":"stella:package:ecosystem","value":"npm"},{"name":"stella:package:name","value":"b"},
            {"name":"stella:package:version","value":"9"}]}"#)
        .unwrap();
        assert_eq!((packages(&found).len(), skipped(&found)), (0, vec!["sbom:contradiction"]));
    }

    #[test]
    fn other_tools_properties() {
        let digest = crate::digest::Digest::of(b"layer");
        let found = bom(&format!(
            r#"{{"type":"operating-system","name":"redhat","version":"8.9"}},
            {{"type":"library","name":"a","purl":"pkg:rpm/redhat/a@2-1?epoch=3&distro=redhat-8","properties":[
            {{"name":"aquasecurity:trivy:SrcName","value":"s"}},{{"name":"aquasecurity:trivy:SrcVersion","value":"2"}},
            {{"name":"aquasecurity:trivy:SrcRelease","value":"1"}},{{"name":"aquasecurity:trivy:SrcEpoch","value":"3"}},
            {{"name":"aquasecurity:trivy:LayerDiffID","value":"{digest}"}}]}},
            {{"type":"library","name":"b","purl":"pkg:deb/debian/b@1?distro=debian-12","properties":[
            {{"name":"syft:location:0:path","value":"/var/lib/dpkg/status"}},
            {{"name":"syft:metadata:source","value":"t"}}]}}"#
        ))
        .unwrap();
        assert_eq!(packages(&found), ["b 1 t 1 var/lib/dpkg/status", "a 3:2-1 s 3:2-1"]);
        // Those of Debian cannot be looked up among Red Hat's advisories.
        assert_eq!(skipped(&found), ["sbom:distribution"]);
        assert_eq!(found.sbom.inventory.os.as_ref().unwrap().id, "rhel");
        let layers: Vec<_> = found.sbom.image.layers.iter().map(|layer| layer.diff_id).collect();
        assert_eq!(layers[0], digest);
        assert_eq!(found.sbom.inventory.packages[0].layer, 1);
    }

    #[test]
    fn tag_value() {
        let text = "# made by hand\nSPDXVersion: SPDX-2.2\nDocumentName: app\nPackageName: app\nSPDXID: SPDXRef-1\n\
            PackageComment: <text>PackageName: no\nSPDXID: no</text>\nPackageName: b\nSPDXID: SPDXRef-2\nPackageVersion: 1\n\
            PackageSourceInfo: built package from: s 2\nExternalRef: PACKAGE-MANAGER purl pkg:apk/alpine/b@1?distro=3.19\n\
            Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-1\nRelationship: SPDXRef-2 OTHER SPDXRef-3\n\
            RelationshipComment: evident-by: it\nFileName: ./lib/db\nSPDXID: SPDXRef-3\n";
        let found = read(text.as_bytes()).unwrap();
        assert_eq!(packages(&found), ["b 1 s 2 ./lib/db"]);
        assert_eq!((found.form.as_str(), found.sbom.reference.as_str()), ("SPDX 2.2 (tag-value)", "app"));
        let said = read(format!("{text}PackageVersion\n").as_bytes()).unwrap_err().to_string();
        assert_eq!(said, "line 18: it is no `TAG: VALUE`");
        assert!(read(format!("{text}A: <text>\n").as_bytes()).unwrap_err().to_string().contains("no end"));
    }

    #[test]
    fn forms_are_told_by_content() {
        let inner = r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":null}"#;
        let statement = format!(r#"{{"_type":"s","predicateType":"p","predicate":{inner}}}"#);
        for (text, want) in [
            (format!("\u{feff}{inner}"), "SPDX 2.3"),
            (statement.clone(), "SPDX 2.3"),
            (r#"{"artifacts":[],"schema":{"version":"16.0.1"}}"#.to_owned(), "Syft JSON 16.0.1"),
            (r#"{"SchemaVersion":2,"Results":null}"#.to_owned(), "Trivy JSON 2"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap().form, want);
        }
        for (text, why) in [
            (format!(r#"{{"predicateType":"p","predicate":{statement}}}"#), "a statement in a statement"),
            ("<bom/>".to_owned(), "it is XML"),
            ("PK".to_owned(), "of no known form"),
            ("{}".to_owned(), "JSON of no known form"),
            ("{".to_owned(), "EOF"),
            (r#"{"@context":"spdx 3"}"#.to_owned(), "SPDX 3"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#.to_owned(), r#"CycloneDX "2.0""#),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.5","serialNumber":1}"#.to_owned(), "string"),
            (r#"{"spdxVersion":"SPDX-3.0"}"#.to_owned(), r#"SPDX "SPDX-3.0""#),
            (r#"{"SchemaVersion":1}"#.to_owned(), r#"Trivy JSON "1""#),
            (format!(r#"{{"a":[{}]}}"#, "{},".repeat(MOST_OBJECTS)), "`sbom objects`"),
            (
                format!(
                    r#"{{"bomFormat":"CycloneDX","specVersion":"1.5",{0}{1}}}"#,
                    r#""components":[{"#.repeat(99),
                    "}]".repeat(99)
                ),
                "recursion limit",
            ),
        ] {
            let said = read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(why), "{said} is not about {why}");
        }
    }
}
