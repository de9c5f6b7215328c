//! The floor of a gate over a link: the least that one question to a server over TLS costs.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Instant,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, version::TLS13};

use super::{Error, Front, Link};

/// Milliseconds that the leanest client takes to connect, shake hands and get the answer to one `GET /healthz`.
///
/// Three round trips: TCP, TLS 1.3, the request. What a client does before it connects is not in it.
pub fn bare_exchange(link: &Link, front: &Front) -> Result<f64, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(front.authority.clone())?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = front.address;
    let connection = ClientConnection::new(Arc::new(config), address.ip().into())?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    link.in_client(move || {
        let start = Instant::now();
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut answer = Vec::new();
        let mut stream = StreamOwned::new(connection, socket);
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut answer)?;
        let wall_ms = start.elapsed().as_secs_f64() * 1e3;
        if answer.starts_with(b"HTTP/1.1 200 ") {
            Ok(wall_ms)
        } else {
            let first = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
            Err(Error::Answer(String::from_utf8_lossy(first).into_owned()))
        }
    })?
}
