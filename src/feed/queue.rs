//! What waits between the reader of a feed and its parsers, bounded by count and by bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{Memory, walk::Document};

/// Documents that wait.
const WAITING_DOCUMENTS: usize = 64;
/// `feed bytes in flight`: with more than this read and not yet parsed, the next document is not begun. So a document
/// of any size is read, and there is at most this and one more in memory.
const IN_FLIGHT_BYTES: usize = 64 << 20;

/// The documents in flight.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// What is in flight takes of it.
    memory: Memory,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Document>,
    in_flight_bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(memory: Memory) -> Self {
        Self { state: Mutex::default(), changed: Condvar::default(), memory }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked inside left a state that is whole; the panic itself comes out where its thread is joined.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.state(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for one more document; `false` if nobody wants one.
    pub(super) fn wait_for_room(&self) -> bool {
        let full = |state: &mut State| {
            let many = state.waiting.len() >= WAITING_DOCUMENTS || state.in_flight_bytes > IN_FLIGHT_BYTES;
            many && !state.closed
        };
        !self.wait_while(full).closed
    }

    /// Adds a document.
    pub(super) fn push(&self, document: Document) {
        let mut state = self.state();
        state.in_flight_bytes += document.bytes.len();
        self.memory.hold(document.bytes.len() as u64);
        state.waiting.push_back(document);
        drop(state);
        self.changed.notify_all();
    }

    /// Hands the next document to `work`, which it is in flight for; `false` once there will be none.
    pub(super) fn next(&self, work: impl FnOnce(&Document)) -> bool {
        let mut state = self.wait_while(|state| state.waiting.is_empty() && !state.closed);
        let Some(document) = state.waiting.pop_front() else { return false };
        drop(state);
        work(&document);
        let size_bytes = document.bytes.len();
        drop(document);
        self.memory.release(size_bytes as u64);
        self.state().in_flight_bytes -= size_bytes;
        self.changed.notify_all();
        true
    }

    /// No more documents: what waits is still handed out.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// No more work: what waits is dropped, and holds nothing more.
    pub(super) fn abandon(&self) {
        let left: usize = self.state().waiting.drain(..).map(|document| document.bytes.len()).sum();
        self.memory.release(left as u64);
        self.close();
    }
}

impl Drop for Queue {
    /// What came when nobody worked any more still waits.
    fn drop(&mut self) {
        self.abandon();
    }
}
