//! The small snapshot that a fresh checkout gates with, before anything is downloaded.

use super::{Outcome, import::import_document};
use crate::advisory::Compiler;

/// About a hundred real advisories, dated and named by source in the README beside the file.
const RECORDS: &str = include_str!("../../tests/fixtures/advisories/demo.json");

/// Hands the demo's advisories to `compiler` and marks its snapshot as a demo, which every report then says: it knows
/// a few packages of a past day, and finding nothing in it proves nothing.
pub fn demo_snapshot(compiler: &mut Compiler) -> Outcome {
    compiler.set_demo(true);
    import_document("demo.json", RECORDS.as_bytes(), compiler)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::Snapshot;

    #[test]
    fn every_record_is_taken() {
        let mut compiler = Compiler::default();
        let outcome = demo_snapshot(&mut compiler);
        assert_eq!(outcome.skipped, 0, "{outcome:?}");
        assert!(outcome.read >= 60 && outcome.kept == outcome.read, "{outcome:?}");
        let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
        assert!(snapshot.demo());
        for ecosystem in ["Debian:12", "Alpine:v3.19", "PyPI", "npm"] {
            assert!(snapshot.covers(ecosystem), "{ecosystem}");
        }
    }
}
