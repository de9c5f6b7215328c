//! The parts of a SARIF file that are written: section 3 of the standard.
//!
//! The structs are our own: the crate `sarif` is a reserved, empty name, and `serde-sarif` generates the whole standard at build
//! time for the few fields written here.

use serde::Serialize;
use serde_json::Value;

use super::MAX_TEXT;
use crate::report::text::cut;

#[derive(Serialize)]
pub(super) struct Log {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) version: &'static str,
    pub(super) runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) tool: Tool,
    pub(super) automation_details: AutomationDetails,
    pub(super) invocations: [Invocation; 1],
    pub(super) column_kind: &'static str,
    pub(super) properties: Value,
    pub(super) results: Vec<SarifResult>,
}

#[derive(Serialize)]
pub(super) struct Tool {
    pub(super) driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Driver {
    pub(super) name: &'static str,
    pub(super) semantic_version: String,
    pub(super) rules: Vec<Rule>,
}

#[derive(Serialize)]
pub(super) struct AutomationDetails {
    pub(super) id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation {
    pub(super) execution_successful: bool,
    pub(super) tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
pub(super) struct Notification {
    pub(super) descriptor: Descriptor,
    pub(super) level: &'static str,
    pub(super) message: Text,
}

#[derive(Serialize)]
pub(super) struct Descriptor {
    pub(super) id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) short_description: Text,
    pub(super) full_description: Text,
    pub(super) help: Text,
    pub(super) default_configuration: Configuration,
    pub(super) properties: RuleProperties,
}

impl Rule {
    /// Of its texts.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.short_description, &self.full_description, &self.help].map(|text| text.text.len());
        self.id.len() + self.name.len() + texts.iter().sum::<usize>()
    }
}

#[derive(Serialize)]
pub(super) struct Configuration {
    pub(super) level: &'static str,
}

#[derive(Serialize)]
pub(super) struct RuleProperties {
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    pub(super) security_severity: Option<&'static str>,
    pub(super) precision: &'static str,
    pub(super) tags: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifResult {
    pub(super) rule_id: String,
    pub(super) rule_index: usize,
    pub(super) level: &'static str,
    pub(super) message: Text,
    pub(super) locations: [Location; 1],
    pub(super) partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) suppressions: Vec<Suppression>,
}

impl SarifResult {
    /// Of its texts.
    pub(super) fn bytes(&self) -> usize {
        let place = self.locations[0].physical_location.artifact_location.uri.len();
        let justified = self.suppressions.iter().map(|suppression| suppression.justification.len());
        self.rule_id.len() + self.message.text.len() + place + justified.sum::<usize>()
    }
}

#[derive(Serialize)]
pub(super) struct Suppression {
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) justification: String,
}

#[derive(Serialize)]
pub(super) struct Fingerprints {
    #[serde(rename = "stellaFindingV1")]
    pub(super) finding: String,
    /// Left to whoever uploads the file where the place is none of the checkout.
    #[serde(rename = "primaryLocationLineHash", skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhysicalLocation {
    pub(super) artifact_location: ArtifactLocation,
    pub(super) region: Region,
}

#[derive(Serialize)]
pub(super) struct ArtifactLocation {
    pub(super) uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: usize,
    pub(super) start_column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

/// A text that is never empty, because an empty one counts as missing.
#[derive(Serialize)]
pub(super) struct Text {
    pub(super) text: String,
}

impl Text {
    /// Brackets would make an untrusted text a link: `[text](target)`.
    pub(super) fn new(text: &str) -> Self {
        let mut text = cut(text, MAX_TEXT);
        if text.contains(['[', ']']) {
            text = text.replace('[', "(").replace(']', ")");
        }
        Self { text: if text.is_empty() { "-".to_owned() } else { text } }
    }
}
