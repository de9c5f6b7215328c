//! The log: stderr, text or JSON lines. Requests are logged by route and status; bodies, headers and queries, where
//! secrets travel, never are.

use std::{
    any::Any,
    cell::Cell,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts the log; `filter` is a list of `target=level`, such as `info,stella_server::scan=debug`.
pub fn start(format: Format, filter: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr())
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            lines.with_ansi(colours).try_init()
        }
        Format::Json => lines.json().try_init(),
    }
}

/// A line on stderr that scripts wait for, whatever the log's filter is.
pub fn say(line: &str) {
    // A closed stderr must not stop the server.
    let _ = writeln!(std::io::stderr(), "{line}");
}

thread_local! {
    /// Whether a panic of this thread is caught by who knows what to say of it.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Panics become lines of the log; without this they are written to stderr around it.
pub fn take_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if !EXPECTED.get() {
            tracing::error!(%panic, "panic");
        }
    }));
}

/// Does `work`; what a panic said is the error, and is not logged.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = EXPECTED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(outer);
    done.map_err(|panic| panic_text(panic.as_ref()))
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
