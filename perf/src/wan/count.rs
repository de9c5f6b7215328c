//! Round trips, counted at the server's socket: each time that encrypted bytes of the server answer bytes of the client.
//!
//! That is all the waiting of a client if nobody speaks without being asked: a TLS handshake's last bytes and the request
//! after them are one question, and a server that sends session tickets between the two would spoil the count.
//!
//! TCP itself waits too, unseen here, when one side sends more than its congestion window holds. So the largest flight is
//! kept: up to [`INITIAL_WINDOW_BYTES`] there was no such wait, and the count is all the waiting that there was.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What TCP sends before it waits for the first acknowledgement: ten segments (RFC 6928) of 1448 bytes (Ethernet's 1500
/// less IPv4's 20, TCP's 20 and its time stamps' 12).
pub const INITIAL_WINDOW_BYTES: u64 = 10 * 1448;

/// What passed on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// TCP connections.
    pub connections: u64,
    /// Round trips: one for each connection, and one for each answer.
    pub round_trips: u64,
    /// Encrypted bytes from the client.
    pub from_client_bytes: u64,
    /// Encrypted bytes to the client.
    pub to_client_bytes: u64,
    /// Most encrypted bytes of one question or of one answer.
    pub largest_flight_bytes: u64,
}

/// The count of every connection since it was last taken.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<(u64, Count)>>);

impl Tally {
    /// What was counted; counting begins anew, and what connections of before still say is not counted.
    pub fn take(&self) -> Count {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (epoch, count) = &mut *guard;
        *epoch += 1;
        std::mem::take(count)
    }

    /// Counts a connection, and what passes on it from now on.
    pub fn watch(&self, stream: TcpStream) -> Watched {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (epoch, count) = &mut *guard;
        count.connections += 1;
        count.round_trips += 1;
        Watched { stream, tally: self.clone(), epoch: *epoch, turns: Turns::default() }
    }

    fn add(&self, epoch: u64, add: impl FnOnce(&mut Count)) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.0 == epoch {
            add(&mut guard.1);
        }
    }
}

/// Whose turn it is on one connection.
#[derive(Default)]
struct Turns {
    /// The client spoke last.
    asked: bool,
    /// Bytes that were said since the other side spoke.
    flight_bytes: u64,
}

impl Turns {
    /// The client said `bytes` more; how many its question has by now.
    fn received(&mut self, bytes: u64) -> u64 {
        if !self.asked {
            *self = Self { asked: true, flight_bytes: 0 };
        }
        self.flight_bytes += bytes;
        self.flight_bytes
    }

    /// The server said `bytes` more; how many its answer has by now, and whether they are its first.
    fn sent(&mut self, bytes: u64) -> (u64, bool) {
        let first = self.asked;
        if first {
            *self = Self::default();
        }
        self.flight_bytes += bytes;
        (self.flight_bytes, first)
    }
}

/// A connection whose bytes are counted.
pub struct Watched {
    stream: TcpStream,
    tally: Tally,
    epoch: u64,
    turns: Turns,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = (buffer.filled().len() - before) as u64;
        // None: the client has ended.
        if bytes > 0 {
            let flight_bytes = self.turns.received(bytes);
            self.tally.add(self.epoch, |count| {
                count.from_client_bytes += bytes;
                count.largest_flight_bytes = count.largest_flight_bytes.max(flight_bytes);
            });
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
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        let (flight_bytes, first) = self.turns.sent(written as u64);
        self.tally.add(self.epoch, |count| {
            count.to_client_bytes += written as u64;
            count.round_trips += u64::from(first);
            count.largest_flight_bytes = count.largest_flight_bytes.max(flight_bytes);
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
    use super::Turns;

    /// Round trips and the largest flight of a connection on which client (`c`) and server (`s`) say a byte each time.
    fn follow(said: &str) -> (usize, u64) {
        let (mut turns, mut round_trips, mut largest_bytes) = (Turns::default(), 0, 0);
        for side in said.chars() {
            let (bytes, first) = if side == 'c' { (turns.received(1), false) } else { turns.sent(1) };
            round_trips += usize::from(first);
            largest_bytes = bytes.max(largest_bytes);
        }
        (round_trips, largest_bytes)
    }

    #[test]
    fn an_answer_is_a_round_trip() {
        assert_eq!(follow("cs"), (1, 1));
        assert_eq!(follow("cccss"), (1, 3));
        assert_eq!(follow("cscss"), (2, 2));
        // A farewell, which nobody answers.
        assert_eq!(follow("csc"), (1, 1));
        // A greeting, for which nobody asked.
        assert_eq!(follow("scs"), (1, 1));
    }
}
