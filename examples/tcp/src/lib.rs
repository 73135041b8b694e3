//! An HTTP server on smoltcp whose parts run on whichever CPU they are spawned on.
//!
//! - [`net`]: the shared interface on any CPU, its sockets for tasks of any CPU, and the driver on the CPU with the device
//! - [`http`]: HTTP/1.1 without I/O
//! - [`commands`]: what is typed at a console
//! - [`server`], [`echo`], [`routes`]: connections, and the resources they reach
//! - [`stats`], [`report`]: what the resources tell of the machine
//! - [`rt`]: the seam to the runtime
//!
//! Invariant: nothing in it asks for the instruction set at compile time.
#![no_std]

extern crate alloc;

pub mod commands;
pub mod echo;
pub mod http;
pub mod net;
pub mod report;
pub mod routes;
pub mod rt;
#[cfg(target_os = "none")]
pub mod selftest;
pub mod server;
pub mod stats;
pub mod stream;
#[cfg(test)]
mod tests;
