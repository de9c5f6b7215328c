//! `stella feeds status`.

use stella::feeds::{Status, Target};

use super::{
    args::{self, Form},
    cache, print, print_text, target,
};
use crate::{
    exit::{Exit, Failure},
    local::snapshot,
    settings::{Advisories, Environment, now},
};

/// Runs `stella feeds status`. Without a database it says what was fetched all the same, and fails.
pub fn run(args: &args::Status, environment: &Environment) -> Result<Exit, Failure> {
    let advisories = Advisories::new(args.place.advisories.as_deref(), environment);
    let snapshot = snapshot(&advisories);
    let target = target(&advisories).ok().map(Target::at_once);
    let cache = cache(&args.place, environment);
    let status = Status::new(snapshot.as_ref().ok(), target.as_ref(), cache.as_deref(), now(environment)?);
    match args.output {
        Form::Json => {
            let mut text = serde_json::to_string_pretty(&status).map_err(Failure::unfinished)?;
            text.push('\n');
            print_text(&text)?;
        }
        Form::Table => {
            if let Ok(snapshot) = &snapshot {
                print(snapshot, environment)?;
            }
            print_text(&status.sources_text())?;
        }
    }
    snapshot.map(|_| Exit::Pass)
}
