//! A link by two TUN devices, for a kernel without netem: each packet that one sends is held and handed to the other.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tun_rs::{DeviceBuilder, InterruptEvent, SyncDevice};

use super::{
    Error,
    link::{CLIENT, PREFIX, SERVER},
    namespace::{Namespace, iproute2},
    priority::precede,
};

/// Ethernet's.
const MTU_BYTES: u16 = 1500;

/// Packets that one direction may hold, at most 24 MB; one more is lost, as in a router.
const HELD_PACKETS: usize = 16 << 10;

/// Packets that may wait for our thread to be scheduled; the kernel's default, 500, is one burst.
const WAITING_PACKETS: &str = "10000";

/// The threads between the devices; the link is cut when this value ends.
pub struct Forwarder {
    stop: Arc<InterruptEvent>,
    threads: Vec<JoinHandle<()>>,
}

/// A packet, and when it is due at the other end.
type Held = (Instant, Box<[u8]>);

impl Forwarder {
    /// Joins two namespaces; each packet is held for `delay`. [`Error::NotPossible`] where no TUN device may be made.
    pub fn join(client: &Namespace, server: &Namespace, delay: Duration) -> Result<Self, Error> {
        let (client, server) = (device(client, CLIENT)?, device(server, SERVER)?);
        let mut forwarder = Self { stop: Arc::new(InterruptEvent::new()?), threads: Vec::new() };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (sender, receiver) = mpsc::sync_channel(HELD_PACKETS);
            let (from, to, stop) = (Arc::clone(from), Arc::clone(to), Arc::clone(&forwarder.stop));
            forwarder.threads.push(thread::spawn(move || take(&from, &stop, &sender, delay)));
            forwarder.threads.push(thread::spawn(move || hand_over(&to, &receiver)));
        }
        Ok(forwarder)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if self.stop.trigger().is_ok() {
            for thread in self.threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}

fn device(namespace: &Namespace, address: Ipv4Addr) -> Result<Arc<SyncDevice>, Error> {
    let device = namespace.run(|| {
        let device = DeviceBuilder::new().name("wan").ipv4(address, PREFIX, None).mtu(MTU_BYTES).build_sync();
        let device = device.map_err(|error| {
            Error::NotPossible(format!(
                "no TUN device may be made ({error}): run as root, \
                 or give the container --device /dev/net/tun --cap-add NET_ADMIN"
            ))
        })?;
        iproute2("ip", &["link", "set", "wan", "txqueuelen", WAITING_PACKETS])?;
        Ok(device)
    })?;
    device.map(Arc::new)
}

/// Takes packets until it is told to stop; the delay begins when a packet is seen.
fn take(from: &SyncDevice, stop: &InterruptEvent, sender: &SyncSender<Held>, delay: Duration) {
    precede();
    let mut packet = [0; MTU_BYTES as usize];
    while let Ok(length) = from.recv_intr(&mut packet, stop) {
        let held = (Instant::now() + delay, packet[..length].into());
        if let Err(TrySendError::Disconnected(_)) = sender.try_send(held) {
            return;
        }
    }
}

/// Hands packets over in their order, each when it is due, until there are no more.
fn hand_over(to: &SyncDevice, receiver: &Receiver<Held>) {
    precede();
    for (due, packet) in receiver {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.send(&packet).is_err() {
            return;
        }
    }
}
