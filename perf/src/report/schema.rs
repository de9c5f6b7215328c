//! The JSON Schemas of the two files of figures, made from the types and committed in `perf/`.

use std::{env, fs, path::Path};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::result::{Results, Samples};

fn schema<T: JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    serde_json::to_string_pretty(&sorted(schema.to_value())).unwrap() + "\n"
}

/// Keys in alphabetical order, whatever map a build's features give `serde_json`.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[test]
fn committed_schemas_equal_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, made) in
        [("phase-stats.schema.json", schema::<Results>()), ("samples.schema.json", schema::<Samples>())]
    {
        if env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(folder.join(name), &made).unwrap();
        }
        assert!(
            fs::read_to_string(folder.join(name)).is_ok_and(|committed| committed == made),
            "perf/{name} differs from the types; run `UPDATE_SCHEMAS=1 cargo test --release -p stella-perf schemas` and \
             commit what changed"
        );
    }
}
