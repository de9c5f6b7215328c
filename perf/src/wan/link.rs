//! Two namespaces and the delay between them.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Error, namespace::Namespace, netem, priority::precede, tun::Forwarder};
use crate::statistics::Summary;

/// The client's address; the range is the one for benchmarks (RFC 2544, appendix C.2.2).
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The server's address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Bits that both addresses share.
pub const PREFIX: u8 = 30;

/// How often the link is tried before it is trusted.
const TRIALS: usize = 11;

/// How much longer than a round trip connecting may take.
const TOLERANCE: f64 = 1.25;

/// What holds the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// The kernel's network emulator.
    Netem,
    /// Two TUN devices and this program between them.
    Tun,
}

/// A client's and a server's namespace with a round trip of known length between them.
pub struct Link {
    /// What holds the packets.
    pub carrier: Carrier,
    /// What connecting over it took when it was made.
    pub connect: Summary,
    client: Namespace,
    server: Namespace,
    // Only held: the link is cut without it.
    _forwarder: Option<Forwarder>,
}

impl Link {
    /// Makes a link that holds each packet for half of `round_trip`, by netem or where there is none by TUN devices, and
    /// tries it.
    ///
    /// [`Error::NotPossible`] where the machine allows neither, [`Error::Inexact`] if the median of connecting is not
    /// within one and 1.25 round trips.
    pub fn new(round_trip: Duration) -> Result<Self, Error> {
        let half = round_trip / 2;
        let (client, server) = (Namespace::new()?, Namespace::new()?);
        let Err(no_netem) = netem::join(&client, &server, half) else {
            return Self::tried(Carrier::Netem, round_trip, client, server, None);
        };
        // Others, because the first may be half joined.
        let (client, server) = (Namespace::new()?, Namespace::new()?);
        let forwarder = Forwarder::join(&client, &server, half).map_err(|error| match error {
            Error::NotPossible(no_tun) => Error::NotPossible(format!("{no_tun}; and no netem ({no_netem})")),
            other => other,
        })?;
        Self::tried(Carrier::Tun, round_trip, client, server, Some(forwarder))
    }

    /// What `work` gives, done at the client's end: processes, sockets and threads that it starts live there.
    pub fn in_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        self.client.run(work)
    }

    /// As [`Self::in_client`], at the server's end.
    pub fn in_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        self.server.run(work)
    }

    pub(super) fn tried(
        carrier: Carrier,
        round_trip: Duration,
        client: Namespace,
        server: Namespace,
        forwarder: Option<Forwarder>,
    ) -> Result<Self, Error> {
        let listener = server.run(|| TcpListener::bind((SERVER, 0)))??;
        let address = listener.local_addr()?;
        let connect_ms = client.run(|| {
            // The link is tried, not how busy the machine is.
            precede();
            let connect = |_| {
                let start = Instant::now();
                TcpStream::connect(address).map(|_| start.elapsed().as_secs_f64() * 1e3)
            };
            (0..TRIALS).map(connect).collect::<Result<Vec<_>, _>>()
        })??;
        let wanted_ms = round_trip.as_secs_f64() * 1e3;
        match Summary::of(&connect_ms) {
            Some(connect) if (wanted_ms..=wanted_ms * TOLERANCE).contains(&connect.p50_ms) => {
                Ok(Self { carrier, connect, client, server, _forwarder: forwarder })
            }
            summary => {
                let measured_ms = summary.map_or(f64::NAN, |summary| summary.p50_ms);
                Err(Error::Inexact { wanted: round_trip, measured_ms })
            }
        }
    }
}
