//! The parts of a container-scanning report.

use std::collections::BTreeMap;

use serde::Serialize;

/// The scan comes last, because it says how many vulnerabilities were listed.
#[derive(Serialize)]
pub(super) struct Document<V, S> {
    pub(super) version: &'static str,
    pub(super) vulnerabilities: V,
    pub(super) scan: S,
}

#[derive(Serialize)]
pub(super) struct Scan {
    pub(super) analyzer: Tool,
    pub(super) scanner: Tool,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) start_time: String,
    pub(super) end_time: String,
    pub(super) status: &'static str,
    pub(super) messages: Vec<Message>,
}

#[derive(Clone, Serialize)]
pub(super) struct Tool {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) vendor: Vendor,
}

#[derive(Clone, Serialize)]
pub(super) struct Vendor {
    pub(super) name: &'static str,
}

#[derive(Serialize)]
pub(super) struct Message {
    pub(super) level: &'static str,
    pub(super) value: String,
}

#[derive(Serialize)]
pub(super) struct Vulnerability {
    /// The same from build to build; no two have the same.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) severity: &'static str,
    pub(super) solution: String,
    pub(super) identifiers: Vec<Identifier>,
    pub(super) links: Vec<Link>,
    pub(super) location: Location,
    pub(super) details: BTreeMap<&'static str, Detail>,
}

#[derive(Serialize)]
pub(super) struct Identifier {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Link {
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct Location {
    pub(super) dependency: Dependency,
    pub(super) operating_system: String,
    pub(super) image: String,
}

#[derive(Serialize)]
pub(super) struct Dependency {
    pub(super) package: Package,
    pub(super) version: String,
}

#[derive(Serialize)]
pub(super) struct Package {
    pub(super) name: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Detail {
    Text { name: &'static str, value: String },
    FileLocation { name: &'static str, file_name: String, line_start: usize },
}
