//! What rows of samples say: one row ([`Summary`], [`histogram`]), and one row against another ([`comparison`]).
//!
//! Percentiles, intervals and rank tests are held against numpy and scipy by recorded values (`reference`), the comparison
//! is held against recorded runs (`recorded`).

mod binomial;
pub mod comparison;
pub mod histogram;
#[cfg(test)]
mod properties;
mod rank;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod reference;
pub mod summary;

pub use summary::Summary;
