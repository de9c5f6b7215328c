//! Stella's engine: from the layers of a container image to a verdict.
//!
//! ```text
//! image source -> layers -> delta -> fragments -> inventory -> findings -> verdict -> reports
//!   (open)       (list)   (ask)    (analyse)    (merge)     (match)    (policy)   (render)
//! ```
//!
//! Each arrow is one function with a plain data type on each side, and one module here:
//!
//! | step | function | gives |
//! | --- | --- | --- |
//! | list | [`image::Image::parse`] | [`image::Image`]: platform, layers with their instructions |
//! | ask | [`delta::Delta::new`] | [`delta::Delta`]: which layers are known |
//! | analyse | [`layer::analyse`] | [`layer::Fragment`]: what one layer says |
//! | merge | [`inventory::merge`] | [`inventory::Inventory`]: packages of the running image |
//! | match | [`matching::findings`] | [`finding::Finding`]: advisories that hit a package |
//! | judge | [`policy::evaluate`] | [`policy::Verdict`]: pass, warn or fail, and why |
//! | all of the right half | [`scan::Scan`] | [`report::ScanResult`] |
//! | render | [`report`] | bytes for people and machines |
//!
//! The engine is synchronous and takes the clock, the network and the environment as values. Only the feature `feeds`, which the
//! programs have, knows a network and a clock.

pub mod advisory;
pub mod api;
pub mod base;
pub mod delta;
pub mod digest;
pub mod dockerfile;
pub mod document;
pub mod feed;
#[cfg(feature = "feeds")]
pub mod feeds;
pub mod finding;
pub mod image;
pub mod inventory;
pub mod layer;
pub mod matching;
pub mod package;
pub mod policy;
pub mod report;
pub mod sbom;
pub mod scan;
#[cfg(feature = "feeds")]
pub mod signer;
pub mod version;
