//! Round trips, counted at the server's socket from the bytes of both directions and when they passed.
//!
//! The client's bytes can be a reaction to the server's only if they arrive a whole round trip after those were sent. So a
//! round trip is counted when the server's bytes answer bytes of the client that can have waited for the answer before.
//! Bytes that merely follow each other are none: a client sends the end of its TLS handshake and its request together,
//! and the server's session tickets may pass between the two.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What passed on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// TCP connections.
    pub connections: u64,
    /// Round trips: one for each connection, and one for each answer that the client can have waited for.
    pub round_trips: u64,
    /// Encrypted bytes from the client.
    pub from_client_bytes: u64,
    /// Encrypted bytes to the client.
    pub to_client_bytes: u64,
}

/// The count of every connection since it was last taken.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<(u64, Count)>>);

impl Tally {
    /// What was counted; counting begins anew, and what connections of before still say is not counted.
    pub fn take(&self) -> Count {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, count) = &mut *guard;
        *turn += 1;
        std::mem::take(count)
    }

    /// Counts a connection, and what passes on it from now on.
    pub fn watch(&self, stream: TcpStream, round_trip: Duration) -> Watched {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, count) = &mut *guard;
        count.connections += 1;
        count.round_trips += 1;
        Watched { stream, tally: self.clone(), turn: *turn, chain: Chain::new(round_trip) }
    }

    fn add(&self, turn: u64, add: impl FnOnce(&mut Count)) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.0 == turn {
            add(&mut guard.1);
        }
    }
}

/// The longest chain of questions and answers on one connection.
struct Chain {
    round_trip: Duration,
    /// When the first bytes of each answer were sent.
    answers: Vec<Instant>,
    /// How many answers the client's last bytes can know of, and they themselves.
    asked: usize,
}

impl Chain {
    fn new(round_trip: Duration) -> Self {
        Self { round_trip, answers: Vec::new(), asked: 0 }
    }

    /// Bytes of the client arrived, not later than `at`.
    fn received(&mut self, at: Instant) {
        let known = self.answers.iter().filter(|sent| **sent + self.round_trip <= at).count();
        self.asked = self.asked.max(known + 1);
    }

    /// The server's bytes were sent, not before `at`; true if they are the first of an answer.
    fn sent(&mut self, at: Instant) -> bool {
        let first = self.answers.len() < self.asked;
        if first {
            self.answers.push(at);
        }
        first
    }
}

/// A connection whose bytes are counted.
pub struct Watched {
    stream: TcpStream,
    tally: Tally,
    turn: u64,
    chain: Chain,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.chain.received(Instant::now());
            self.tally.add(self.turn, |count| count.from_client_bytes += bytes as u64);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let before = Instant::now();
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        let answer = written > 0 && self.chain.sent(before);
        self.tally.add(self.turn, |count| {
            count.to_client_bytes += written as u64;
            count.round_trips += u64::from(answer);
        });
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, Duration, Instant};

    /// Round trips of a connection whose client (`true`) and server (`false`) speak at these milliseconds, 20 ms apart.
    fn round_trips(said: &[(bool, u64)]) -> usize {
        let (start, mut chain) = (Instant::now(), Chain::new(Duration::from_millis(20)));
        for (by_client, ms) in said {
            let at = start + Duration::from_millis(*ms);
            if *by_client {
                chain.received(at);
            } else {
                chain.sent(at);
            }
        }
        chain.answers.len()
    }

    #[test]
    fn an_answer_that_was_waited_for_is_a_round_trip() {
        let (client, server) = (true, false);
        assert_eq!(round_trips(&[(client, 0), (server, 1)]), 1);
        // In pieces.
        assert_eq!(round_trips(&[(client, 0), (client, 1), (server, 2), (server, 3)]), 1);
        assert_eq!(round_trips(&[(client, 0), (server, 1), (client, 21), (server, 22)]), 2);
        // The end of the handshake, tickets, the request sent with it, its answer.
        assert_eq!(
            round_trips(&[(client, 0), (server, 1), (client, 21), (server, 21), (client, 22), (server, 30)]),
            2
        );
        // A farewell, which nobody answers.
        assert_eq!(round_trips(&[(client, 0), (server, 1), (client, 21)]), 1);
    }
}
