//! The JSON Schemas of every wire format are made from the types, committed under `schemas/`, and held equal here.

use std::{env, fs, path::Path};

use schemars::{Schema, generate::SchemaSettings};
use serde_json::Value;
use stella::{api, layer::Fragment, policy::PolicyFile, report::Report};
use stella_test_support::JsonSchema;

/// Every schema, by file name. A format that Stella reads says what it takes, one that it writes what it gives.
fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("fragment", read::<Fragment>()),
        ("scan-request", read::<api::ScanRequest>()),
        ("scan-answer", written::<api::ScanAnswer>()),
        ("report", written::<Report>()),
        ("policy", read::<PolicyFile>()),
        ("problem", written::<api::Problem>()),
        ("missing-request", read::<api::MissingRequest>()),
        ("missing-answer", written::<api::MissingAnswer>()),
        ("server-config", read::<stella_server::Settings>()),
    ]
}

fn read<T: schemars::JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

fn written<T: schemars::JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// Keys in alphabetical order, whatever map a build's features give `serde_json`.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[test]
fn committed_schemas_equal_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let update = env::var_os("UPDATE_SCHEMAS").is_some();
    let mut stale = Vec::new();
    // The program's own file is held by the test beside its type, which cannot be seen from here.
    let mut names = vec!["stella-yaml.schema.json".to_owned()];
    for (name, schema) in schemas() {
        let name = format!("{name}.schema.json");
        let made = serde_json::to_string_pretty(&sorted(schema.to_value())).unwrap() + "\n";
        if update {
            fs::write(folder.join(&name), &made).unwrap();
        } else if fs::read_to_string(folder.join(&name)).ok().as_deref() != Some(made.as_str()) {
            stale.push(name.clone());
        }
        names.push(name);
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "schemas/{name} belongs to no type: remove it");
    }
    assert!(
        stale.is_empty(),
        "{stale:?} in schemas/ differ from the types; run `UPDATE_SCHEMAS=1 cargo test --release --test schemas` and \
         commit what changed"
    );
}

/// Policies that the program takes must be policies by the schema, and the other way round.
#[test]
fn the_policy_schema_agrees_with_the_reader() {
    let schema = read::<PolicyFile>().to_value();
    let validator = JsonSchema::new(schema).unwrap();
    let rule = |rest: &str| {
        format!("{{\"version\": 1, \"rules\": [{{\"name\": \"a\", \"action\": \"warn\", {rest}}}]}}")
    };
    for (text, fine) in [
        (rule(r#""when": {"severity": "high"}"#), true),
        (
            rule(
                r#""when": {"severity": ["high", "low"], "package": "lib*", "cve": ["CVE-1"], "fixable": true}"#,
            ),
            true,
        ),
        (
            rule(
                r#""when": {"severity_at_least": "low", "ecosystem": ["deb", "apk"]}, "until": "2026-12-31""#,
            ),
            true,
        ),
        (rule(r#""when": {"severity": "hig"}"#), false),
        (rule(r#""when": {"severity": []}"#), false),
        (rule(r#""when": {"severity": null}"#), false),
        (rule(r#""when": {}"#), false),
        (rule(r#""when": {"cvss": 7}"#), false),
        (rule(r#""when": {"fixable": true}, "until": "tomorrow""#), false),
        (rule(r#""when": {"fixable": true}, "reason": """#), false),
        (rule(r#""when": {"severity": "low", "severity_at_least": "low"}"#), false),
        (rule(r#""when": {"fixable": true}, "reason": "why""#).replace("warn", "ignore"), true),
        (rule(r#""when": {"fixable": true}"#).replace("warn", "ignore"), false),
        (r#"{"version": 2, "rules": []}"#.to_owned(), false),
        (r#"{"version": 1, "rules": []}"#.to_owned(), false),
    ] {
        // JSON is YAML.
        let read = stella::policy::Policy::parse("p", &text);
        assert_eq!(read.is_ok(), fine, "{text}: {read:?}");
        let checked = validator.check(&serde_json::from_str(&text).unwrap());
        assert_eq!(checked.is_ok(), fine, "{text}: {checked:?}");
    }
}
