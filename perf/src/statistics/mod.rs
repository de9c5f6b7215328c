//! What rows of samples say: one row ([`Summary`], [`Histogram`]), and one row against another ([`Comparison`]).
//!
//! Held against numpy and scipy by recorded values (`reference`).

mod binomial;
mod histogram;
mod rank;
#[cfg(test)]
mod reference;
mod summary;

pub use histogram::{Bucket, Histogram, edges_ms};
pub use summary::{Interval, Summary};
