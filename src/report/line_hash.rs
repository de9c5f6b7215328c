//! The hash by which GitHub's code scanning knows a line again after others were put before it:
//! `primaryLocationLineHash`, as the uploading action computes it (github/codeql-action, `src/fingerprints.ts`).
//!
//! A rolling hash, base 37 modulo 2^64, over the hundred UTF-16 units from the line's first on, blanks and tabs left out and
//! every line's end a line feed; behind the file's end stand one 65535 and zeros. Equal hashes are told apart by their
//! occurrence.

use std::collections::HashMap;

const WINDOW: usize = 100;
const BASE: u64 = 37;
const END: u16 = 65_535;

/// The hash of each line of a text, in order.
pub fn line_hashes(text: &str) -> Vec<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len() + WINDOW);
    let mut starts = Vec::new();
    let (mut is_start, mut after_return) = (true, false);
    for unit in text.encode_utf16().chain([END]) {
        let is_rest_of_end = after_return && unit == u16::from(b'\n');
        after_return = false;
        if unit == u16::from(b' ') || unit == u16::from(b'\t') || is_rest_of_end {
            continue;
        }
        after_return = unit == u16::from(b'\r');
        let unit = if after_return { u16::from(b'\n') } else { unit };
        if std::mem::replace(&mut is_start, unit == u16::from(b'\n')) {
            starts.push(units.len());
        }
        units.push(unit);
    }
    units.resize(units.len() + WINDOW, 0);
    // What a unit counts when it leaves the window.
    let leaving = (0..WINDOW).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = units[..WINDOW].iter().fold(0, |hash: u64, unit| step(hash, *unit));
    let (mut seen, mut at, mut hashes) = (HashMap::new(), 0, Vec::with_capacity(starts.len()));
    for start in starts {
        while at < start {
            hash = step(hash, units[at + WINDOW]).wrapping_sub(leaving.wrapping_mul(u64::from(units[at])));
            at += 1;
        }
        let count: &mut u32 = seen.entry(hash).or_default();
        *count += 1;
        hashes.push(format!("{hash:x}:{count}"));
    }
    hashes
}

fn step(hash: u64, unit: u16) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(u64::from(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The action's own.
    #[test]
    fn as_the_action_computes_it() {
        for (text, want) in [
            ("", &["c129715d7a2bc9a3:1"][..]),
            (
                " a\nb\n  \t\tc\n d",
                &["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
            ),
        ] {
            assert_eq!(line_hashes(text), want, "{text:?}");
        }
        // Equal windows, told apart by their occurrence.
        let repeated = line_hashes(&"Lorem ipsum dolor sit amet.\n".repeat(10));
        assert_eq!(repeated[5..7], ["a7f2ff13bc495cf2:6", "a7f2ff1481e87703:1"]);
        assert_eq!(line_hashes("a\r\nb\r\n"), line_hashes("a\nb\n"));
        assert_eq!(line_hashes("a\rb"), line_hashes("a\nb"));
        let long = format!("{}\n{}", "x".repeat(300), "x".repeat(300));
        assert_eq!(line_hashes(&long).len(), 2);
    }
}
