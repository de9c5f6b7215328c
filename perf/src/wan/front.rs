//! TLS in front of a server that speaks plain HTTP, as a proxy in production.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::TLS13,
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncWriteExt as _, copy, split},
    net::TcpStream,
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Error, Link,
    count::{Count, Tally, Watched},
    link::SERVER,
};

/// The system's authorities, where Debian and its kin have them; a client in production reads them too.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A terminator of TLS 1.3 at the server's end of a link; it ends with this value.
pub struct Front {
    /// Where it listens, as `https://ADDRESS:PORT`.
    pub url: String,
    pub(super) address: SocketAddr,
    pub(super) authority: CertificateDer<'static>,
    authorities: NamedTempFile,
    tally: Tally,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Starts it before the server that listens at `backend` in the link's server namespace, with fresh keys.
    pub fn start(link: &Link, backend: SocketAddr) -> Result<Self, Error> {
        let (authority, authority_pem, config) = certified()?;
        let mut authorities = NamedTempFile::new()?;
        if let Ok(system) = fs::read(SYSTEM_AUTHORITIES) {
            authorities.write_all(&system)?;
        }
        authorities.write_all(authority_pem.as_bytes())?;

        let (stop, stopped) = oneshot::channel();
        let tally = Tally::default();
        let watched = tally.clone();
        let (address, thread) = link.in_server(|| {
            let listener = TcpListener::bind((SERVER, 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let thread = thread::spawn(move || {
                // Its error shows at the client, as a refused connection.
                let _ = runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => Ok(()),
                        ended = accept(listener, acceptor, backend, watched) => ended,
                    }
                });
            });
            Ok::<_, io::Error>((address, thread))
        })??;
        Ok(Self {
            url: format!("https://{address}"),
            address,
            authority,
            authorities,
            tally,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The system's authorities and the one of this front, PEM: the client's `SSL_CERT_FILE`.
    pub fn authorities_pem(&self) -> &Path {
        self.authorities.path()
    }

    /// What passed on the connections that were made since this was last asked.
    pub fn take_count(&self) -> Count {
        self.tally.take()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    backend: SocketAddr,
    tally: Tally,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(forward(acceptor.clone(), tally.watch(stream), backend));
    }
}

/// One connection, until either side ends it. Its errors are the client's to report.
async fn forward(acceptor: TlsAcceptor, stream: Watched, backend: SocketAddr) -> io::Result<()> {
    let (client, backend) = tokio::try_join!(acceptor.accept(stream), TcpStream::connect(backend))?;
    backend.set_nodelay(true)?;
    let (mut from_client, mut to_client) = split(client);
    let (mut from_backend, mut to_backend) = backend.into_split();
    // A client that has ended gets no farewell: nobody waits for it, so it must not count as an answer.
    tokio::select! {
        ended = copy(&mut from_client, &mut to_backend) => drop(ended?),
        ended = copy(&mut from_backend, &mut to_client) => {
            ended?;
            to_client.shutdown().await?;
        }
    }
    Ok(())
}

/// An authority (DER, PEM), and the configuration of a server that it vouches for.
fn certified() -> Result<(CertificateDer<'static>, String, ServerConfig), Error> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "Stella benchmark authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let authority = parameters.self_signed(&key)?;
    let issuer = Issuer::new(parameters, key);

    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![SERVER.to_string()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    // A gate makes one connection: it has no use for tickets, and what nobody asked for would count as an answer.
    config.send_tls13_tickets = 0;
    Ok((authority.der().clone(), authority.pem(), config))
}
