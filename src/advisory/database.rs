//! The compiled file.
/// x
pub struct Compiler;
/// x
pub struct Error;
/// x
pub struct Feed;
/// x
pub struct Snapshot;
