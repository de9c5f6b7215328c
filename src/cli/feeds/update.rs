//! `stella feeds update`.

use std::time::Duration;

use stella::feeds::{Keys, Limits, Target};

use super::{allowed, args::Update, cache, print, size, target};
use crate::{
    exit::{Exit, Failure},
    log::Log,
    settings::{Advisories, Environment},
};

/// Runs `stella feeds update`.
pub fn run(args: &Update, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    let update = stella::feeds::Update {
        sources: args.sources.clone(),
        mirrors: args.mirror.clone(),
        authorities: args.ca.clone(),
        limits: limits(args)?,
        keys: Keys::of(|name| environment.text(name).map(str::to_owned)),
        allowed: allowed(args.allow_shrink, &args.max_memory)?,
        is_offline: args.offline,
        // What is published follows the clock, whatever moment a build pretends to be of.
        year: jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).year(),
    };
    let advisories = Advisories::new(args.place.advisories.as_deref(), environment);
    let target = if args.fetch_only { None } else { Some(Target::at_once(target(&advisories)?)) };
    let cache = cache(&args.place, environment).ok_or_else(|| {
        Failure::usage("no place for downloads: HOME is no absolute path").advise("give --cache-dir DIR")
    })?;
    let updated = update.run(target.as_ref(), &cache, &log)?;
    if let Some(snapshot) = &updated.snapshot {
        print(snapshot, environment)?;
    }
    updated.is_whole().map_err(|error| {
        Failure::from(error).advise(
            "what was had of them before is in use; see stella feeds status, and run it again, or give --mirror SOURCE=URL",
        )
    })?;
    Ok(Exit::Pass)
}

fn limits(args: &Update) -> Result<Limits, Failure> {
    Ok(Limits {
        deadline: Duration::from_secs(args.deadline.min(MOST_SECONDS)),
        silence: Duration::from_secs(args.silence.min(MOST_SECONDS)),
        size_bytes: size("--max-size", &args.max_size)?,
    })
}

/// More is as good as never, and no sum of times is beyond what a clock knows.
const MOST_SECONDS: u64 = 7 * 24 * 60 * 60;
