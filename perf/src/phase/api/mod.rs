//! API_P95 and LAYERS_MISSING: a running server, asked over HTTP.
//!
//! The server has seen the image with a real gate, and a few hundred layers of other images.

mod call;
mod neighbours;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use stella::digest::Digest;

use super::{Ground, Measurement, Sample, Subject, gate};
use crate::{
    Failure,
    load::{self, Call, Connection, Load, Tally, Window},
    server::Server,
};

/// A server that knows the image among others.
struct Stocked {
    server: Server,
    address: SocketAddr,
    source: String,
    diff_ids: Vec<Digest>,
}

impl Stocked {
    fn start(ground: &Ground, name: &str) -> Result<Self, Failure> {
        let scene = gate::Scene::open(ground, name)?;
        let server = Server::start(&scene.server, &scene.data()?, &scene.server_arguments)?;
        let address = server.url.trim_start_matches("http://").parse()?;
        let layers = scene.v1.layers;
        let others = neighbours::store(address, &layers)?;
        Ok(Self {
            server,
            address,
            source: format!("{}, beside {others} layers of others", gate::source(&scene.v1.reference)),
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
        })
    }

    fn subject(&self, variant: Option<&'static str>, floor: &'static str) -> Subject {
        Subject {
            variant: variant.map(Into::into),
            source: self.source.clone(),
            diff_ids: self.diff_ids.clone(),
            floor: floor.into(),
        }
    }
}

/// Requests a second, both calls together: as many as the workbook's stress test.
///
/// A known image's scan costs the server about 11 ms of a processor (600 findings, half a megabyte answered), so that this
/// keeps one of two half busy. Near saturation a latency says how long the window was, and nothing else.
const RATE_PER_SECOND: f64 = 100.0;
/// How long the load lasts until another phase has its turn.
const WINDOW: Duration = Duration::from_secs(4);
/// How long the floor's load lasts, before it.
const FLOOR_WINDOW: Duration = Duration::from_secs(1);
/// Requests in flight at most.
const CONNECTIONS: usize = 64;
/// Each window has a seed of its own, from this one on.
const SEED: u64 = 1;

/// What the load is made of, in the order of [`Mix::pending`].
pub const VARIANTS: [&str; 2] = ["scan", "layers-missing"];

/// API_P95: one load of both calls in equal parts, whose windows serve both variants.
struct Mix {
    stocked: Stocked,
    calls: [Call; 2],
    /// Samples that were measured and not yet taken.
    pending: [Vec<Sample>; 2],
    windows: u64,
    tally: Tally,
}

impl Mix {
    fn window(&mut self) -> Result<(), Failure> {
        let address = self.stocked.address;
        let load = Load { address, server: self.stocked.server.id(), connections: CONNECTIONS };
        let seed = SEED + 2 * self.windows;
        self.windows += 1;
        let floor = load
            .window(&load::poisson(seed, RATE_PER_SECOND, FLOOR_WINDOW, 1), &[Call::health(address)])?
            .right()?;
        let window =
            load.window(&load::poisson(seed + 1, RATE_PER_SECOND, WINDOW, 2), &self.calls)?.right()?;
        self.tally.add(&window);
        for (call, pending) in self.pending.iter_mut().enumerate() {
            pending.extend(samples(&window, call, &floor));
        }
        Ok(())
    }
}

/// The latencies of one call; the floor's, fewer, stand beside them in turns.
fn samples(window: &Window, call: usize, floor: &Window) -> impl Iterator<Item = Sample> {
    let made = window.made.iter().filter(move |made| made.planned.call == call);
    made.zip(floor.made.iter().cycle()).map(|(made, floor)| Sample {
        wall_ms: made.latency_ms(),
        floor_ms: floor.latency_ms(),
        ..Sample::default()
    })
}

/// One of the two calls under their common load.
struct Loaded {
    mix: Rc<RefCell<Mix>>,
    call: usize,
}

/// API_P95, its variants.
pub fn loaded(ground: &Ground) -> Result<Vec<Box<dyn Measurement>>, Failure> {
    let stocked = Stocked::start(ground, "api")?;
    let mut connection = Connection::open(stocked.address)?;
    let calls = [
        call::scan(stocked.address, &ground.image("delta-v1")?.gzip, &mut connection)?,
        call::missing(stocked.address, &stocked.diff_ids)?,
    ];
    let pending = [Vec::new(), Vec::new()];
    let mix = Rc::new(RefCell::new(Mix { stocked, calls, pending, windows: 0, tally: Tally::default() }));
    let loaded = (0..VARIANTS.len()).map(|call| Box::new(Loaded { mix: Rc::clone(&mix), call }) as Box<_>);
    Ok(loaded.collect())
}

impl Measurement for Loaded {
    fn subject(&self) -> Subject {
        let variant = Some(VARIANTS[self.call]);
        self.mix.borrow().stocked.subject(variant, "GET /healthz under an open load of the same rate")
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let mut mix = self.mix.borrow_mut();
        if mix.pending[self.call].is_empty() {
            mix.window()?;
        }
        Ok(std::mem::take(&mut mix.pending[self.call]))
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        self.mix.borrow().tally.facts()
    }
}

/// LAYERS_MISSING: one question at a time to a server that does nothing else.
pub struct Idle {
    stocked: Stocked,
    connection: Connection,
    question: Call,
    floor: Call,
}

impl Idle {
    /// Starts the server.
    pub fn open(ground: &Ground) -> Result<Self, Failure> {
        let stocked = Stocked::start(ground, "missing")?;
        Ok(Self {
            connection: Connection::open(stocked.address)?,
            question: call::missing(stocked.address, &stocked.diff_ids)?,
            floor: Call::health(stocked.address),
            stocked,
        })
    }

    /// Before what is timed: the server hangs up on a connection that other phases kept waiting for too long, and
    /// whoever did something else comes back to cold caches.
    fn wake(&mut self) -> Result<(), Failure> {
        if load::closed_loop_ms(&mut self.connection, &self.floor).is_err() {
            self.connection = Connection::open(self.stocked.address)?;
            load::closed_loop_ms(&mut self.connection, &self.floor)?;
        }
        Ok(())
    }
}

impl Measurement for Idle {
    fn subject(&self) -> Subject {
        self.stocked.subject(None, "GET /healthz on the same connection")
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        self.wake()?;
        let wall_ms = load::closed_loop_ms(&mut self.connection, &self.question)?;
        let floor_ms = load::closed_loop_ms(&mut self.connection, &self.floor)?;
        Ok(vec![Sample { wall_ms, floor_ms, ..Sample::default() }])
    }
}
