//! `stella feeds export`, and `import` of what it wrote.

use std::{
    fmt::Display,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use stella::advisory::{Snapshot, write_whole};

use super::{
    args::{Export, Import},
    bundle, import, status,
};
use crate::{
    exit::{Exit, Failure},
    log::Log,
    progress::Progress,
    settings::{self, Advisories, Environment},
};

/// Runs `stella feeds export`.
pub fn export(args: &Export, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    let advisories = Advisories::new(args.advisories.as_deref(), environment);
    let database = import::target(&advisories)?;
    let failed = |path: &Path, why: &dyn Display| Failure::unfinished(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&args.key).map_err(|error| failed(&args.key, &error))?;
    let key = bundle::Key::parse(&text)
        .map_err(|error| Failure::usage(format!("--key {}: {error}", args.key.display())))?;
    let bytes = fs::read(database).map_err(|error| {
        failed(database, &error).advise("run `stella feeds import PATH...` first, or give --advisories FILE")
    })?;
    let bar = Progress::new(log).begin("packing");
    let packed = bundle::pack(bytes, &key).map_err(|error| failed(database, &error))?;
    drop(bar);
    write_whole(&args.bundle, &[&packed]).map_err(|error| failed(&args.bundle, &error))?;
    log.note(format_args!("{} written, {} bytes", args.bundle.display(), packed.len()));
    Ok(Exit::Pass)
}

/// Whether the file at `path` is a bundle, by its first bytes.
pub fn is_bundle(path: &Path) -> bool {
    let mut head = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && bundle::is_bundle(&head)
}

/// Puts the database of the bundle at `path` in place, if somebody who is named signed it and it is not older.
pub fn take(path: &Path, args: &Import, target: &Path, log: Log) -> Result<Exit, Failure> {
    if args.signer.is_empty() {
        return Err(Failure::usage(format!(
            "{} is a bundle, and no key says whose are taken",
            path.display()
        ))
        .advise("give --signer FILE, the public key of who exported it"));
    }
    let signers = args.signer.iter().map(|path| settings::signer("--signer (STELLA_FEEDS_SIGNER)", path));
    let signers = signers.collect::<Result<Vec<_>, _>>()?;
    let failed = |error: bundle::Error| {
        let advice = match error {
            bundle::Error::Older(_) => "to take it all the same: --allow-older",
            bundle::Error::Form | bundle::Error::Content => "fetch it again",
            _ => "",
        };
        Failure::unfinished(format!("{} {error}", path.display())).advise(advice)
    };
    let bytes =
        fs::read(path).map_err(|error| Failure::unfinished(format!("{}: {error}", path.display())))?;
    let (database, signer) = bundle::unpack(&bytes, &signers).map_err(failed)?;
    let snapshot = Snapshot::from_bytes(database.clone()).map_err(|error| failed(error.into()))?;
    snapshot.verify().map_err(|error| failed(error.into()))?;
    if !args.allow_older {
        bundle::refuse_older(target, &snapshot).map_err(failed)?;
    }
    import::make_room(target)?;
    write_whole(target, &[&database])
        .map_err(|error| Failure::unfinished(format!("{}: {error}", target.display())))?;
    log.note(format_args!("{} written, as {} signed it", target.display(), signer.file));
    status::of_snapshot(&snapshot)
}
