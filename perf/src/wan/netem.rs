//! A link by the kernel's network emulator: a veth pair with a `netem` queue on each end.

use std::time::Duration;

use super::{
    Error,
    link::{CLIENT, PREFIX, SERVER},
    namespace::{Namespace, iproute2},
};

/// Packets that one direction may hold; netem's own default, 1000, would lose some of a large upload.
const HELD_PACKETS: &str = "100000";

/// Joins two namespaces; each packet is held for `delay`. [`Error::NotPossible`] where the kernel has no netem.
pub fn join(client: &Namespace, server: &Namespace, delay: Duration) -> Result<(), Error> {
    pair(client, server)?;
    let delay = format!("{}us", delay.as_micros());
    for namespace in [client, server] {
        namespace.run(|| {
            iproute2(
                "tc",
                &["qdisc", "add", "dev", "wan", "root", "netem", "delay", &delay, "limit", HELD_PACKETS],
            )
        })??;
    }
    Ok(())
}

/// A veth pair, each end named `wan`, with its address and up.
pub fn pair(client: &Namespace, server: &Namespace) -> Result<(), Error> {
    let path = server.path();
    let add = ["link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", &path];
    client.run(|| iproute2("ip", &add))??;
    for (namespace, address) in [(client, CLIENT), (server, SERVER)] {
        namespace.run(|| {
            iproute2("ip", &["address", "add", &format!("{address}/{PREFIX}"), "dev", "wan"])?;
            iproute2("ip", &["link", "set", "wan", "up"])
        })??;
    }
    Ok(())
}
