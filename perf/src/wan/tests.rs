//! The link itself, and the real programs over it. A machine that does not allow it says so and tests nothing.

mod image;
mod programs;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

use super::{Carrier, Count, Error, Front, Link, bare_exchange, namespace::Namespace, netem};

/// The link, or `None` with the reason printed. Tests share the machine, so a moment too busy is given another try.
fn link(round_trip_ms: u64) -> Option<Link> {
    let mut tries = 5;
    loop {
        tries -= 1;
        match Link::new(Duration::from_millis(round_trip_ms)) {
            Ok(link) => return Some(link),
            Err(Error::Inexact { .. }) if tries > 0 => {}
            Err(Error::NotPossible(why)) => {
                println!("skipped: {why}");
                return None;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server in the link's namespace that answers each request with 200 and keeps its connections.
fn backend(link: &Link) -> SocketAddr {
    fn serve(mut stream: TcpStream) {
        let (mut said, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            said.extend_from_slice(&piece[..length]);
            if said.ends_with(b"\r\n\r\n") {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                if said.windows(6).any(|window| window == b" close") {
                    return;
                }
                said.clear();
            }
        }
    }
    let listener = link.in_server(|| TcpListener::bind("127.0.0.1:0")).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(thread::spawn(|| serve(stream))))
    });
    address
}

/// Asks `requests` times on one connection; milliseconds of each, the first with both handshakes.
fn ask(link: &Link, front: &Front, requests: usize) -> Vec<f64> {
    let mut roots = RootCertStore::empty();
    roots.add(front.authority.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), front.address.ip().into()).unwrap();
    link.in_client(|| {
        let mut start = Instant::now();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(front.address).unwrap());
        stream.sock.set_nodelay(true).unwrap();
        let ask = |_| {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
            while !answer.ends_with(b"\r\n\r\nok") {
                let length = stream.read(&mut piece).unwrap();
                assert_ne!(length, 0, "the connection ended");
                answer.extend_from_slice(&piece[..length]);
            }
            let wall_ms = start.elapsed().as_secs_f64() * 1e3;
            start = Instant::now();
            wall_ms
        };
        (0..requests).map(ask).collect()
    })
    .unwrap()
}

#[test]
fn round_trips_are_as_long_as_asked_and_counted() {
    for round_trip_ms in [20, 50] {
        let Some(link) = link(round_trip_ms) else { return };
        println!("{:?}, connect {:?}", link.carrier, link.connect);
        let front = Front::start(&link, backend(&link)).unwrap();
        for requests in [1, 2] {
            let walls_ms = ask(&link, &front, requests);
            let count = front.take_count();
            println!("{walls_ms:?} ms, {count:?}");
            let round_trip_ms = round_trip_ms as f64;
            assert!(walls_ms[0] >= 3.0 * round_trip_ms, "{walls_ms:?}");
            assert!(walls_ms[1..].iter().all(|wall_ms| *wall_ms >= round_trip_ms), "{walls_ms:?}");
            assert_eq!((count.connections, count.round_trips), (1, 2 + requests as u64), "{count:?}");
            assert!(count.from_client_bytes > 0 && count.to_client_bytes > 0, "{count:?}");
        }
        let floor_ms = bare_exchange(&link, &front).unwrap();
        println!("bare exchange: {floor_ms} ms");
        assert!(floor_ms >= 3.0 * round_trip_ms as f64, "{floor_ms}");
        let count = front.take_count();
        assert_eq!((count.connections, count.round_trips), (1, 3), "{count:?}");
        assert_eq!(front.take_count(), Count::default());
    }
}

/// All of it arrives, and in order.
#[test]
fn a_large_upload_passes() {
    let Some(link) = link(20) else { return };
    let sent: Vec<u8> = (0..10_u32 << 20).map(|byte| (byte % 251) as u8).collect();
    let listener = link.in_server(|| TcpListener::bind((super::link::SERVER, 0))).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    let receive = thread::spawn(move || {
        let (mut stream, mut received) = (listener.accept().unwrap().0, Vec::new());
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let start = Instant::now();
    link.in_client(|| TcpStream::connect(address).unwrap().write_all(&sent).unwrap()).unwrap();
    assert!(receive.join().unwrap() == sent, "other bytes arrived");
    println!("10 MiB over {:?}: {:?}", link.carrier, start.elapsed());
}

#[test]
fn the_namespaces_hold_what_is_started_in_them() {
    let Some(link) = link(20) else { return };
    let interfaces = || {
        let output = Command::new("ip").args(["-oneline", "address"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(link.in_client(interfaces).unwrap().contains("198.18.0.1/30"));
    assert!(link.in_server(interfaces).unwrap().contains("198.18.0.2/30"));
    assert!(!interfaces().contains("198.18.0."));
}

/// Two namespaces and no delay between them, or `None` with the reason printed.
fn veth_pair() -> Option<(Namespace, Namespace)> {
    let joined = Namespace::new().and_then(|client| {
        let server = Namespace::new()?;
        netem::pair(&client, &server)?;
        Ok((client, server))
    });
    match joined {
        Ok(pair) => Some(pair),
        Err(Error::NotPossible(why)) => {
            println!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What netem needs beside the kernel's part of it, which not every machine has.
#[test]
fn a_veth_pair_joins_two_namespaces() {
    let Some((client, server)) = veth_pair() else { return };
    let listener = server.run(|| TcpListener::bind((super::link::SERVER, 0))).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    client.run(|| TcpStream::connect(address).map(drop)).unwrap().unwrap();
}

/// Without the delay it would be a loopback that calls itself a network.
#[test]
fn a_link_without_a_delay_is_refused() {
    let Some((client, server)) = veth_pair() else { return };
    let refused = Link::tried(Carrier::Netem, Duration::from_millis(20), client, server, None);
    assert!(matches!(refused, Err(Error::Inexact { .. })));
}
