//! What the server counts, and the documents behind `GET /stats.json` and `GET /connections.json`.
//!
//! Invariant: the names of ISAs in it are written by the code that did the work, at the time it did it.

use crate::net::flows::Connection;
use crate::rt;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
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

/// A counter for each CPU.
#[derive(Debug)]
pub struct PerCpu([Counter; MOST_CPUS]);

/// Most CPUs that a machine has.
const MOST_CPUS: usize = 8;

impl PerCpu {
    const fn new() -> Self {
        PerCpu([const { Counter::new() }; MOST_CPUS])
    }

    /// Adds `amount` to that of the CPU that runs this.
    pub fn add_here(&self, amount: u64) {
        self.0[rt::Cpu::current().index()].add(amount);
    }

    /// The sum for each ISA.
    pub fn by_isa(&self) -> Vec<(&'static str, u64)> {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for cpu in rt::Cpu::all() {
            let value = self.0[cpu.index()].get();
            match sums.iter_mut().find(|(isa, _)| *isa == cpu.isa()) {
                Some((_, sum)) => *sum += value,
                None => sums.push((cpu.isa(), value)),
            }
        }
        sums
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
    /// How often TCP went to another CPU.
    pub moves: Counter,
    /// Calls that compute or check the checksums of some frames.
    pub checksums: PerCpu,
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
    moves: Counter::new(),
    checksums: PerCpu::new(),
    tcp_isa: rt::Mutex::new(""),
};

impl Stats {
    /// Called by whoever is about to poll the interface.
    pub fn polled_here(&self, frames: u64) {
        self.polls.add(1);
        self.frames.add(frames);
        *self.tcp_isa.lock() = rt::Cpu::current().isa();
    }

    /// The document, made by the CPU that answers.
    pub fn json(&self) -> String {
        let tcp_isa = *self.tcp_isa.lock();
        let members = |numbers: &[(&str, u64)]| {
            let member = |(isa, number): &(&str, u64)| format!("\"{isa}\": {number}");
            numbers.iter().map(member).collect::<Vec<_>>().join(", ")
        };
        format!(
            "{{\"application_isa\": \"{}\", \"tcp_isa\": \"{tcp_isa}\", \"doorbells\": {{{}}}, \"bytes_in\": {}, \
             \"bytes_out\": {}, \"uptime_ms\": {}, \"connections\": {}, \"open_connections\": {}, \"requests\": {}, \
             \"refused\": {}, \"polls\": {}, \"frames_in\": {}, \"tcp_moves\": {}, \"checksum_calls\": {{{}}}}}\n",
            rt::Cpu::current().isa(),
            members(&rt::doorbells().collect::<Vec<_>>()),
            self.bytes_in.get(),
            self.bytes_out.get(),
            rt::now().as_millis(),
            self.connections.get(),
            self.open.get(),
            self.requests.get(),
            self.refused.get(),
            self.polls.get(),
            self.frames.get(),
            self.moves.get(),
            members(&self.checksums.by_isa()),
        )
    }
}

/// The list of all connections for people: a line for each, behind one of headings.
pub fn connections_table(all: &[Connection]) -> String {
    let mut table = format!(
        "{:<21} {:<12} {:<8} {:<12} {:>12} {:>12} {:>6}",
        "remote", "state", "tcp", "application", "bytes in", "bytes out", "again"
    );
    for connection in all {
        let (address, port) = connection.remote;
        table += &format!(
            "\n{:<21} {:<12} {:<8} {:<12} {:>12} {:>12} {:>6}",
            format!("{address}:{port}"),
            format!("{}", connection.state),
            connection.tcp.isa(),
            connection.application.map_or("-", |cpu| cpu.isa()),
            connection.bytes_in,
            connection.bytes_out,
            connection.retransmissions,
        );
    }
    table
}

/// The list of all connections, whoever runs them.
pub fn connections(all: &[Connection]) -> String {
    let line = |connection: &Connection| {
        let (address, port) = connection.remote;
        format!(
            "  {{\"remote\": \"{address}:{port}\", \"local_port\": {}, \"state\": \"{}\", \"tcp_isa\": \"{}\", \
             \"application_isa\": {}, \"bytes_in\": {}, \"bytes_out\": {}, \"retransmissions\": {}}}",
            connection.local_port,
            connection.state,
            connection.tcp.isa(),
            match connection.application {
                Some(cpu) => format!("\"{}\"", cpu.isa()),
                None => String::from("null"),
            },
            connection.bytes_in,
            connection.bytes_out,
            connection.retransmissions,
        )
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    format!("{{\"connections\": [\n{}\n]}}\n", lines.join(",\n"))
}
