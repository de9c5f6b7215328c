//! What the tests of several files share; its `Cargo.toml` says why it is a package.

use boon::{CompileError, Compiler, Draft, SchemaIndex, Schemas, SchemeUrlLoader};
use serde_json::Value;

/// A JSON Schema to hold documents against: of drafts 4, 6, 7, 2019-09 and 2020-12, as its `$schema` says; without one, the last.
///
/// `format` is held in draft 7 and before, and in later ones where the schema asks for it: so the drafts have it.
pub struct JsonSchema {
    compiled: Schemas,
    root: SchemaIndex,
}

impl JsonSchema {
    /// An error where `schema` is no schema, or refers to what it does not hold: nothing is read from a disk or a network.
    pub fn new(schema: Value) -> Result<Self, Box<CompileError>> {
        // Where a schema that does not say it itself is said to stand; nobody looks there.
        const PLACE: &str = "https://schema.invalid/";
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(SchemeUrlLoader::new()));
        compiler.add_resource(PLACE, schema).map_err(Box::new)?;
        let mut compiled = Schemas::new();
        let root = compiler.compile(PLACE, &mut compiled).map_err(Box::new)?;
        Ok(Self { compiled, root })
    }

    /// Everything in `value` that is not as the schema asks: a line for each, with its place.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.compiled.validate(value, self.root).map_err(|error| error.to_string())
    }
}
