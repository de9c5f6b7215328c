//! Folders whose content is believed.

use std::{fs, path::Path};

/// Makes a directory where it is not there, for this user alone. The error is why what it holds must not be believed.
pub fn own_directory(directory: &Path) -> Result<(), String> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| error.to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Of the directory itself: a link would be somebody's choice of another one.
        let found = fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
        if !found.is_dir() {
            return Err("it is a link".to_owned());
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(format!("it belongs to user {}; give one of your own", found.uid()));
        }
        if found.mode() & 0o022 != 0 {
            return Err("others can write to it; chmod go-w it, or give another".to_owned());
        }
    }
    Ok(())
}
