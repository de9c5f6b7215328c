//! SPDX 2 as tag-value text, read into the document of [`super::spdx`]: a line is `TAG: VALUE`, a value over several
//! lines stands between `<text>` and `</text>`.

use std::collections::HashMap;

use super::{
    Error, Found, MOST_OBJECTS,
    spdx::{Annotation, Document, File, Package, Reference, Relationship, collect},
};

/// Whether the first line that says something is the version.
pub fn recognise(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| line.starts_with("SPDXVersion:"))
}

/// What the tags that follow belong to.
enum Element {
    Document,
    Package,
    File,
    Other,
}

pub fn read(text: &str) -> Result<Found, Error> {
    let mut document = Document::default();
    let mut element = Element::Document;
    let mut elements = 0_usize;
    // The identifier of what an annotation belongs to stands after its comment.
    let mut comment = None;
    let mut annotations: HashMap<String, Vec<Annotation>> = HashMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| Error::Line { line: index + 1, why: why.to_owned() };
        let (tag, value) = line.split_once(':').ok_or_else(|| wrong("it is no `TAG: VALUE`"))?;
        let mut value = value.trim().to_owned();
        if let Some(begun) = value.strip_prefix("<text>") {
            let mut whole = begun.to_owned();
            while !whole.trim_end().ends_with("</text>") {
                let (_, next) = lines.next().ok_or_else(|| wrong("its <text> has no end"))?;
                whole.push('\n');
                whole.push_str(next);
            }
            value = whole.trim_end().trim_end_matches("</text>").to_owned();
        }
        if matches!(tag, "PackageName" | "FileName" | "Relationship" | "ExternalRef" | "AnnotationComment") {
            elements += 1;
            if elements > MOST_OBJECTS {
                return Err(Error::Objects);
            }
        }
        let package = document.packages.0.last_mut();
        match (tag, &element, package) {
            ("SPDXVersion", ..) => document.spdx_version = value,
            ("DocumentName", ..) => document.name = value,
            ("PackageName", ..) => {
                element = Element::Package;
                document.packages.0.push(Package { name: value, ..Package::default() });
            }
            ("FileName", ..) => {
                element = Element::File;
                document.files.0.push(File { file_name: value, ..File::default() });
            }
            ("SnippetSPDXID" | "LicenseID", ..) => element = Element::Other,
            ("SPDXID", Element::Package, Some(package)) => package.id = value,
            ("PackageVersion", _, Some(package)) => package.version_info = value,
            ("PrimaryPackagePurpose", _, Some(package)) => package.primary_package_purpose = value,
            ("PackageSourceInfo", _, Some(package)) => package.source_info = value,
            ("PackageAttributionText", _, Some(package)) => package.attribution_texts.0.push(value),
            ("ExternalRef", _, Some(package)) => {
                let mut words = value.split_whitespace().skip(1);
                if let (Some("purl"), Some(locator)) = (words.next(), words.next()) {
                    package.external_refs.0.push(Reference {
                        reference_type: "purl".to_owned(),
                        reference_locator: locator.to_owned(),
                    });
                }
            }
            ("SPDXID", Element::File, _) => {
                if let Some(file) = document.files.0.last_mut() {
                    file.id = value;
                }
            }
            ("FileComment", ..) => {
                if let Some(file) = document.files.0.last_mut() {
                    file.comment = value;
                }
            }
            ("Relationship", ..) => {
                let mut words = value.split_whitespace().map(str::to_owned);
                let (Some(from), Some(kind), Some(to)) = (words.next(), words.next(), words.next()) else {
                    return Err(wrong("it is no `ELEMENT TYPE ELEMENT`"));
                };
                document.relationships.0.push(Relationship {
                    spdx_element_id: from,
                    relationship_type: kind,
                    related_spdx_element: to,
                    comment: String::new(),
                });
            }
            ("RelationshipComment", ..) => {
                if let Some(relationship) = document.relationships.0.last_mut() {
                    relationship.comment = value;
                }
            }
            ("AnnotationComment", ..) => comment = Some(value),
            ("SPDXREF", ..) => {
                let comment = comment.take();
                annotations.entry(value).or_default().extend(comment.map(|comment| Annotation { comment }));
            }
            _ => {}
        }
    }
    for package in &mut document.packages.0 {
        package.annotations.0 = annotations.remove(&package.id).unwrap_or_default();
    }
    document.annotations.0 = annotations.remove("SPDXRef-DOCUMENT").unwrap_or_default();
    collect(document, " (tag-value)", text.as_bytes())
}
