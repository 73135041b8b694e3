//! The list of connections: as a document, and by the command that is typed at a console.

use std::net::SocketAddr;
use std::time::Duration;

use fatcc::machine::Machine;
use serde::Deserialize;

use super::{Failure, expect, expect_ok, get_json, named};
use crate::error::Wrong;
use crate::http::Connection;

/// Connections that are open when the list is asked for.
const CONNECTIONS: usize = 8;
/// How long a console may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// `/connections.json`.
#[derive(Deserialize)]
struct List {
    connections: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    remote: SocketAddr,
    local_port: u16,
    state: String,
    tcp_isa: String,
    application_isa: Option<String>,
    bytes_in: u64,
    bytes_out: u64,
    retransmissions: u64,
}

/// The list of connections has those that are open, with what went over them.
pub fn list(address: SocketAddr) -> Result<String, Wrong> {
    const LENGTH: u64 = 100_000;
    let mut open: Vec<Connection> = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(address)?;
        let path = format!("/bytes/{LENGTH}");
        expect_ok(&path, connection.get(&path)?)?;
        open.push(connection);
    }
    let List { connections } = get_json(address, "/connections.json")?;
    let fits = |one: &&Listed| {
        one.state == "ESTABLISHED"
            && one.local_port == 80
            && one.remote.port() != 0
            && one.tcp_isa == "riscv64"
            && one.application_isa.as_deref() == Some("x86_64")
            && one.bytes_in > 0
            && one.bytes_out > LENGTH
    };
    let fitting = connections.iter().filter(fits).count();
    expect(
        "that the open connections are listed",
        true,
        fitting >= open.len(),
    )?;
    let again: u64 = connections.iter().map(|one| one.retransmissions).sum();
    Ok(format!(
        "{fitting} with {LENGTH} bytes each, {again} segments sent again"
    ))
}

/// The command that lists connections, typed at each console: both list one that is open here.
pub fn command(address: SocketAddr, machine: &Machine) -> Result<(), Failure> {
    named("command", || {
        let mut connection = Connection::open(address)?;
        expect_ok("/", connection.get("/")?)?;
        let List { connections } = get_json(address, "/connections.json")?;
        // The one that asks has got nothing yet, and will end.
        let is_open = |one: &&Listed| one.state == "ESTABLISHED" && one.bytes_out > 0;
        let mut open = connections.iter().filter(is_open);
        let remote = open
            .next_back()
            .map_or(String::new(), |one| one.remote.to_string());
        for isa in ["x86_64", "riscv64"] {
            let typed = machine.keyboard().type_line(&format!("{isa}: connections"));
            typed.map_err(|source| Wrong::Console { source })?;
            let line = format!("[{isa}] {remote} ");
            let shown = machine.wait_for_line(&line, PATIENCE);
            shown.map_err(|source| Wrong::NotShown { line, source })?;
        }
        Ok(((), format!("{remote} at both consoles")))
    })
}
