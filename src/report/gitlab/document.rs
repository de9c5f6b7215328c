//! The parts of a container-scanning report.

use std::borrow::Cow;

use serde::Serialize;

/// The scan comes last, because it says how many vulnerabilities were listed.
#[derive(Serialize)]
pub(super) struct Document<V, S> {
    pub(super) version: &'static str,
    pub(super) vulnerabilities: V,
    pub(super) scan: S,
}

#[derive(Serialize)]
pub(super) struct Scan<'a> {
    pub(super) analyzer: Tool<'a>,
    pub(super) scanner: Tool<'a>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) start_time: String,
    pub(super) end_time: String,
    pub(super) status: &'static str,
    pub(super) messages: Vec<Message<'a>>,
}

#[derive(Clone, Serialize)]
pub(super) struct Tool<'a> {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) version: Cow<'a, str>,
    pub(super) vendor: Vendor,
}

#[derive(Clone, Serialize)]
pub(super) struct Vendor {
    pub(super) name: &'static str,
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) level: &'static str,
    pub(super) value: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct Vulnerability<'a> {
    /// The same from build to build; no two have the same.
    pub(super) id: String,
    pub(super) name: Cow<'a, str>,
    pub(super) description: String,
    pub(super) severity: &'static str,
    pub(super) solution: String,
    pub(super) identifiers: Vec<Identifier<'a>>,
    pub(super) links: Vec<Link>,
    pub(super) location: Location<'a>,
    pub(super) details: Details<'a>,
}

#[derive(Serialize)]
pub(super) struct Identifier<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Link {
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct Location<'a> {
    pub(super) dependency: Dependency<'a>,
    pub(super) operating_system: Cow<'a, str>,
    pub(super) image: String,
}

#[derive(Serialize)]
pub(super) struct Dependency<'a> {
    pub(super) package: Package<'a>,
    pub(super) version: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct Package<'a> {
    pub(super) name: &'a str,
}

/// What the form has no field for.
#[derive(Serialize)]
pub(super) struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) also: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instruction: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<Detail<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Detail<'a> {
    Text { name: &'static str, value: Cow<'a, str> },
    FileLocation { name: &'static str, file_name: Cow<'a, str>, line_start: usize },
}
