//! Merging equals the kernel: random stacks of layers are read from their tars and merged, and what comes out is what
//! overlayfs shows of the same layers: every entry, every package, the system. On some stacks each package's layer is
//! looked up too, in the kernel's views of all prefixes of the stack.
//!
//! Needs root, for mounting; without it, or without overlayfs, it says so and passes.
//!
//! `STELLA_TEST_OVERLAY_STACKS` is the number of stacks, `STELLA_TEST_OVERLAY_SEED` another seed. A failure names seed and
//! stack; `STELLA_TEST_OVERLAY_ONLY` is the number of that one stack.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test's helpers end the test")]

mod compare;
mod generate;
mod kernel;
mod stack;

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use compare::{Counts, compare};
use generate::Random;
use stack::Stack;

/// Every so many stacks, one is mounted once for each of its prefixes.
const ATTRIBUTE_EVERY: u64 = 5;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(format!("STELLA_TEST_OVERLAY_{name}")).ok()?;
    Some(value.parse().unwrap())
}

#[test]
fn merging_equals_the_kernel() {
    let memory = match kernel::Memory::mount() {
        Ok(memory) => memory,
        Err(error) => {
            return println!("skipped: a file system of memory cannot be mounted: {error}; it takes root");
        }
    };
    if let Err(why) = kernel::possible(&memory) {
        return println!("skipped: {why}");
    }
    let seed = variable("SEED").unwrap_or(1);
    let (first, end) = match variable("ONLY") {
        Some(only) => (only, only + 1),
        None => (0, variable("STACKS").unwrap_or(300)),
    };
    let (next, counts, failure) = (AtomicU64::new(first), Mutex::new(Counts::default()), Mutex::new(None));
    let started = Instant::now();
    let worker = |number: usize| {
        let directory = memory.path().join(format!("worker{number}"));
        let mut own = Counts::default();
        while failure.lock().unwrap().is_none() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= end {
                break;
            }
            let stack = generate::stack(&mut Random::new(seed, at));
            let attribute = at % ATTRIBUTE_EVERY == 0 || first + 1 == end;
            match compare(&stack, &directory, attribute) {
                Ok(counts) => own.add(counts),
                Err(why) => {
                    let (stack, why) = shrink(stack, why, &directory, attribute);
                    failure
                        .lock()
                        .unwrap()
                        .get_or_insert(format!("stack {at} of seed {seed}: {why}\n{stack}"));
                }
            }
        }
        counts.lock().unwrap().add(own);
    };
    thread::scope(|scope| {
        for number in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(move || worker(number));
        }
    });
    if let Some(why) = failure.into_inner().unwrap() {
        panic!("{why}");
    }
    println!("{}", report(seed, end - first, &counts.into_inner().unwrap()));
    println!("in {:.1} s", started.elapsed().as_secs_f64());
}

fn report(seed: u64, stacks: u64, counts: &Counts) -> String {
    let refused: u64 = counts.refused.values().sum();
    let mut text = format!(
        "{stacks} stacks of seed {seed}, none differs: {} layers ({} empty, {} repeated), {} entries and {refused} refused; \
         compared: {} entries of views, {} packages, {} systems, {} skips; {} packages' layers",
        counts.layers,
        counts.empty_layers,
        counts.repeated_layers,
        counts.entries,
        counts.listed,
        counts.packages,
        counts.systems,
        counts.skipped,
        counts.attributed,
    );
    text +=
        &format!("\n  set aside: {} stacks with a hard-linked file that its name tells", counts.told_by_name);
    for (reason, count) in &counts.refused {
        text += &format!("\n  refused: {count} {reason}");
    }
    for (kind, count) in &counts.beyond {
        text += &format!("\n  refused by engines alone: {count} {kind}");
    }
    text
}

/// A smaller stack that differs too: layers left out, then entries, as long as anything goes.
fn shrink(mut stack: Stack, mut why: String, directory: &Path, attribute: bool) -> (Stack, String) {
    let fails = |stack: &Stack| compare(stack, directory, attribute).err();
    loop {
        let mut smaller = (0..stack.0.len()).map(|layer| {
            let mut less = stack.clone();
            less.0.remove(layer);
            less
        });
        let mut found = smaller.find_map(|less| fails(&less).map(|why| (less, why)));
        if found.is_none() {
            let places = stack
                .0
                .iter()
                .enumerate()
                .flat_map(|(layer, entries)| (0..entries.len()).map(move |at| (layer, at)));
            let mut smaller = places.map(|(layer, at)| {
                let mut less = stack.clone();
                less.0[layer].remove(at);
                less
            });
            found = smaller.find_map(|less| fails(&less).map(|why| (less, why)));
        }
        match found {
            Some(found) => (stack, why) = found,
            None => return (stack, why),
        }
    }
}
