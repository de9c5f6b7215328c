//! `stella feeds status`.

use stella::feeds::Status;

use super::{
    args::{self, Form},
    cache, print, print_text,
};
use crate::{
    exit::{Exit, Failure},
    local::snapshot,
    settings::{Advisories, Environment},
};

/// Runs `stella feeds status`. Without a database it says what was fetched all the same, and fails.
pub fn run(args: &args::Status, environment: &Environment) -> Result<Exit, Failure> {
    let snapshot = snapshot(&Advisories::new(args.place.advisories.as_deref(), environment));
    let status = Status::new(snapshot.as_ref().ok(), cache(&args.place, environment).as_deref());
    match args.output {
        Form::Json => {
            let mut text = serde_json::to_string_pretty(&status).map_err(Failure::unfinished)?;
            text.push('\n');
            print_text(&text)?;
        }
        Form::Table => {
            if let Ok(snapshot) = &snapshot {
                print(snapshot)?;
            }
            print_text(&status.sources_text())?;
        }
    }
    snapshot.map(|_| Exit::Pass)
}
