//! What rows of samples say: one row ([`Summary`], [`Histogram`]), and one row against another ([`Comparison`]).
//!
//! Percentiles, intervals and rank tests are held against numpy and scipy by recorded values (`reference`), the comparison is held
//! against recorded runs (`recorded`).

mod binomial;
mod comparison;
mod histogram;
#[cfg(test)]
mod properties;
mod rank;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod reference;
mod summary;

pub use comparison::{Change, Comparison, Evidence, Series, compare, method};
pub use histogram::{Bucket, Histogram, edges_ms};
pub use summary::{Interval, Summary};
