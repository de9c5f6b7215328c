//! placeholder until the recipe is merged
use std::path::PathBuf;
/// The images.
pub struct Set {
    /** v1 */
    pub delta_v1: PathBuf,
    /** v2 */
    pub delta_v2: PathBuf,
    /** tar */
    pub delta_v1_archive: PathBuf,
}
