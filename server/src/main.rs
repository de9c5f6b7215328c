//! The server's program: arguments in, exit code out. All else is in the library.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit};
use stella_server::{Config, FEEDS_TOKEN, Server, Settings, command, log, log::say};
use tokio::{net::TcpListener, signal};

/// The shared server of Stella: which layers are known, what they hold, what the policy says.
#[derive(Debug, Parser)]
#[command(name = "stella-server", version)]
struct Arguments {
    /// Form of the log on stderr
    #[arg(
        long,
        global = true,
        env = "STELLA_SERVER_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    log_format: log::Format,
    /// What to log: LEVEL or TARGET=LEVEL, comma-separated
    #[arg(long, global = true, env = "STELLA_SERVER_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    /// What starts this program with the same log; empty where that is not known.
    fn program(&self) -> Vec<OsString> {
        // By what runs, not by its name: that may be another release's by now.
        let program =
            if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
        let Ok(program) = program else { return Vec::new() };
        let format = self.log_format.to_possible_value();
        let format = format.map(|format| format.get_name().to_owned()).unwrap_or_default();
        vec![program.into(), "--log-format".into(), format.into(), "--log".into(), OsString::from(&self.log)]
    }

    /// Parses the command line and its variables; ends the program where that cannot be done.
    fn read() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// An empty variable is as good as none: compose files and charts pass what nobody set as empty ones.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None::<&'static str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API
    Serve(Serve),
    /// The advisories: fetch them, import them, see what they are, accept what was held back
    #[command(subcommand)]
    Feeds(command::Feeds),
}

#[derive(Debug, Args)]
struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "STELLA_SERVER_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Directory of the embedded store
    #[arg(long, env = "STELLA_SERVER_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Limits, deadlines and what is fetched of advisories, YAML
    #[arg(long, env = "STELLA_SERVER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Compiled advisories [default: advisories.db in the data directory, once it is there]
    #[arg(long, env = "STELLA_SERVER_ADVISORIES", value_name = "FILE")]
    advisories: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What work on other threads gets to end after the requests have: all it could still write is what can be made again.
const LEAVE: Duration = Duration::from_secs(1);

/// Open files that are no connections: the store, the advisories, the log, the runtime's own.
const FILES_KEPT: usize = 64;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    log::take_panics();
    let program = arguments.program();
    let done = match (log::start(arguments.log_format, &arguments.log), arguments.command) {
        (Err(error), _) => Err(error),
        (Ok(()), Command::Serve(command)) => run(serve(command, program)),
        (Ok(()), Command::Feeds(command)) => return feeds(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Ends as `stella feeds` does: 2 for a call that is wrong, 3 for work that could not be finished.
fn feeds(command: command::Feeds) -> ExitCode {
    let Err(error) = command::run(command) else { return ExitCode::SUCCESS };
    let advice = if error.advice.is_empty() { String::new() } else { format!("; {}", error.advice) };
    say(&format!("error: {error}{advice}"));
    ExitCode::from(if error.is_usage { 2 } else { 3 })
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEAVE);
    done
}

async fn serve(command: Serve, program: Vec<OsString>) -> Result<(), Failure> {
    let mut settings = command.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
    settings.limits.connections = settings.limits.connections.min(files() - FILES_KEPT);
    // No flag: who may list processes would see it.
    if let Some(token) = std::env::var_os(FEEDS_TOKEN).filter(|token| !token.is_empty()) {
        let token = token.into_string().map_err(|_| format!("{FEEDS_TOKEN} is no text"))?;
        settings.feeds.token = Some(token.try_into().map_err(|why| format!("{FEEDS_TOKEN}: {why}"))?);
    }
    let config = Config { data_dir: command.data_dir, advisories: command.advisories, program, settings };
    // Before the listener: whoever sees the port open may ask at once.
    let server = Server::open(config)?;
    let listener = TcpListener::bind(command.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", command.listen))?;
    let stop = stop()?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    server.run(listener, stop).await;
    Ok(())
}

/// How many files this process may have open: as many as it may ask for.
fn files() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let got = if rustix::process::setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    got.current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX).max(FILES_KEPT + 1)
}

/// Ends with the first SIGTERM or SIGINT.
fn stop() -> Result<impl Future<Output = ()>, std::io::Error> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
