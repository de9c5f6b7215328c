//! A wide area network on one machine: a client and a server in a network namespace each, every packet between them held
//! for half a round trip, TLS in front of the server, and the round trips on the wire counted.
//!
//! Nothing has to be cleaned up: namespaces and devices end with their last user.

mod count;
mod exchange;
mod front;
mod link;
mod namespace;
mod netem;
mod priority;
#[cfg(test)]
mod tests;
mod tun;

use std::{io, time::Duration};

pub use count::{Count, INITIAL_WINDOW_BYTES};
pub use exchange::bare_exchange;
pub use front::Front;
pub use link::{Carrier, Link};

/// Why there is no such network, or why it is none to measure over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine or account does not allow it: no fault, but nothing can be measured. A sentence with the way out.
    #[error("{0}")]
    NotPossible(String),
    /// Connecting takes another time than the link's round trip.
    #[error(
        "connecting over a link of {wanted:?} takes {measured_ms:.2} ms: the machine is too busy or too coarse"
    )]
    Inexact {
        /// The round trip asked for.
        wanted: Duration,
        /// The median of connecting, milliseconds.
        measured_ms: f64,
    },
    /// The system refused something that it should not.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The server answered otherwise than it should.
    #[error("GET /healthz was answered with {0:?}")]
    Answer(String),
}
