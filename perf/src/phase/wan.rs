//! DELTA_WAN and KNOWN_WAN: the gate and its server far apart, over TLS; the round trips are counted, and another count
//! than the protocol's is no sample.

use std::{fs, net::SocketAddr, time::Duration};

use super::{
    Ground, Measurement, NotMeasured, Sample, Subject,
    gate::{Scene, asking, diff_ids, sample, source},
};
use crate::{
    Failure,
    gate::Gated,
    server::Server,
    wan::{self, Carrier, Count, Front, INITIAL_WINDOW_BYTES, Link},
};

/// How far apart gate and server are.
const DISTANCES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(50)];
/// What the variant of each distance is called.
pub const VARIANTS: [&str; 2] = ["20ms", "50ms"];

/// Which of the two it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One layer missing: TCP, TLS, the question, the layer.
    Delta,
    /// Every layer known: TCP, TLS, the question.
    Known,
}

/// One of the two at one distance.
pub struct Far {
    kind: Kind,
    variant: &'static str,
    link: Link,
    scene: Scene,
    last: Count,
}

impl Far {
    /// One measurement for each distance.
    pub fn open(ground: &Ground, kind: Kind) -> Result<Vec<Box<dyn Measurement>>, NotMeasured> {
        let mut all: Vec<Box<dyn Measurement>> = Vec::new();
        for (round_trip, variant) in DISTANCES.into_iter().zip(VARIANTS) {
            let link = Link::new(round_trip).map_err(|error| match error {
                wan::Error::NotPossible(why) => NotMeasured::NotPossible(why),
                error => NotMeasured::Failed(error.into()),
            })?;
            let name = match kind {
                Kind::Delta => format!("delta-{variant}"),
                Kind::Known => format!("known-{variant}"),
            };
            let scene = Scene::open(ground, &name)?;
            all.push(Box::new(Self { kind, variant, link, scene, last: Count::default() }));
        }
        Ok(all)
    }

    /// Gates what is to be measured, and counts.
    fn gate(&self, front: &Front) -> Result<(Gated, Count), Failure> {
        let mut gate = asking(&self.scene.stella, &self.scene.work, &front.url);
        gate.environment.push(("SSL_CERT_FILE", front.authorities_pem().display().to_string()));
        let (v1, v2) = (&self.scene.v1, &self.scene.v2);
        self.link.in_client(|| gate.expect(&v1.reference, v1.layers.len(), 0))??;
        front.take_count();
        let gated = self.link.in_client(|| match self.kind {
            Kind::Delta => gate.expect(&v2.reference, v2.layers.len() - 1, 1),
            Kind::Known => gate.expect(&v1.reference, v1.layers.len(), 0),
        })??;
        Ok((gated, front.take_count()))
    }
}

impl Measurement for Far {
    fn subject(&self) -> Subject {
        let image = match self.kind {
            Kind::Delta => &self.scene.v2,
            Kind::Known => &self.scene.v1,
        };
        let carrier = match self.link.carrier {
            Carrier::Netem => "netem",
            Carrier::Tun => "a TUN link that holds each packet",
        };
        Subject {
            variant: Some(self.variant.into()),
            source: format!("{}; TLS 1.3 over {carrier}", source(&image.reference)),
            diff_ids: diff_ids(&image.layers),
            floor: "TCP and TLS handshake and one GET /healthz, bare".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let scene = &self.scene;
        let data = scene.data()?;
        let server =
            self.link.in_server(|| Server::start(&scene.server, &data, &scene.server_arguments))??;
        let backend: SocketAddr = server.url.trim_start_matches("http://").parse()?;
        let front = Front::start(&self.link, backend)?;
        let (gated, count) = self.gate(&front)?;
        let want = match self.kind {
            Kind::Delta => 4,
            Kind::Known => 3,
        };
        if (count.connections, count.round_trips) != (1, want) {
            return Err(format!("want {want} round trips on one connection, the wire saw {count:?}").into());
        }
        self.last = count;
        let floor_ms = wan::bare_exchange(&self.link, &front)?;
        drop(front);
        server.stop()?;
        fs::remove_dir_all(&data)?;
        Ok(sample(&gated, floor_ms))
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes of one request are far below 2^52")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("round_trips", self.last.round_trips as f64),
            ("connections", self.last.connections as f64),
            ("from_client_bytes", self.last.from_client_bytes as f64),
            ("to_client_bytes", self.last.to_client_bytes as f64),
            // Above 1 TCP's slow start costs round trips that no count of requests shows.
            (
                "largest_flight_in_initial_windows",
                self.last.largest_flight_bytes as f64 / INITIAL_WINDOW_BYTES as f64,
            ),
            ("tcp_connect_p50_ms", self.link.connect.p50_ms),
        ]
    }
}
