//! What the server counts, and the document behind `GET /stats.json`.
//!
//! Invariant: the names of ISAs in it are written by the code that did the work, at the time it did it.

use crate::rt;
use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter that all CPUs add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Counter(AtomicU64::new(0))
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// Subtracts one.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// All counters of the server.
pub struct Stats {
    /// Bytes that tasks took out of sockets.
    pub bytes_in: Counter,
    /// Bytes that tasks put into sockets.
    pub bytes_out: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Connections being served.
    pub open: Counter,
    /// Requests read.
    pub requests: Counter,
    /// Requests refused.
    pub refused: Counter,
    /// Calls of `Interface::poll`'s parts.
    pub polls: Counter,
    /// Frames that these took from the device.
    pub frames: Counter,
    tcp_isa: rt::Mutex<&'static str>,
}

/// The counters.
pub static STATS: Stats = Stats {
    bytes_in: Counter::new(),
    bytes_out: Counter::new(),
    connections: Counter::new(),
    open: Counter::new(),
    requests: Counter::new(),
    refused: Counter::new(),
    polls: Counter::new(),
    frames: Counter::new(),
    tcp_isa: rt::Mutex::new(""),
};

impl Stats {
    /// Called by whoever is about to poll the interface.
    pub fn polled_here(&self, frames: u64) {
        self.polls.add(1);
        self.frames.add(frames);
        *self.tcp_isa.lock() = rt::current_isa();
    }

    /// The document, made by the CPU that answers.
    pub fn json(&self) -> String {
        let tcp_isa = *self.tcp_isa.lock();
        let doorbells: alloc::vec::Vec<String> = rt::doorbells()
            .map(|(isa, sent)| format!("\"{isa}\": {sent}"))
            .collect();
        format!(
            "{{\"application_isa\": \"{}\", \"tcp_isa\": \"{tcp_isa}\", \"doorbells\": {{{}}}, \"bytes_in\": {}, \
             \"bytes_out\": {}, \"uptime_ms\": {}, \"connections\": {}, \"open_connections\": {}, \"requests\": {}, \
             \"refused\": {}, \"polls\": {}, \"frames_in\": {}}}\n",
            rt::current_isa(),
            doorbells.join(", "),
            self.bytes_in.get(),
            self.bytes_out.get(),
            rt::now().as_millis(),
            self.connections.get(),
            self.open.get(),
            self.requests.get(),
            self.refused.get(),
            self.polls.get(),
            self.frames.get(),
        )
    }
}
