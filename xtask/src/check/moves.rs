//! TCP moves between the CPUs while connections are in use: nothing that clients see may change by it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Stats, expect, expect_ok, get_json, rate};
use crate::error::Wrong;
use crate::http::Connection;
use crate::stream;

/// Connections that download, and as many that upload.
const CONNECTIONS: usize = 8;
/// Bytes that they download together.
const DOWNLOAD: usize = 50_000_000;
/// Bytes that they upload together, and get back.
const UPLOAD: usize = 10_000_000;
/// Time between two moves.
const INTERVAL: Duration = Duration::from_millis(100);
/// Least moves when TCP goes to and fro, and when it goes at every poll.
const LEAST: [u64; 2] = [4, 1000];

/// Has TCP elsewhere.
fn place(address: SocketAddr, name: &str) -> Result<(), Wrong> {
    let path = format!("/place?tcp={name}");
    let mut connection = Connection::open(address)?;
    expect_ok(&format!("POST {path}"), connection.post(&path, b"")?)?;
    Ok(())
}

fn statistics(address: SocketAddr) -> Result<Stats, Wrong> {
    get_json(address, "/stats.json")
}

/// Downloads and uploads while TCP goes from CPU to CPU.
pub fn to_and_fro(address: SocketAddr) -> Result<String, Wrong> {
    let connections = connect(address)?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            let names = ["x86_64", "riscv64"].into_iter().cycle();
            for name in names.take_while(|_| !done.load(Ordering::Relaxed)) {
                place(address, name)?;
                std::thread::sleep(INTERVAL);
            }
            place(address, "riscv64")
        });
        let outcome = transfers(address, connections, LEAST[0]);
        done.store(true, Ordering::Relaxed);
        let moved = mover
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and_then(|words| moved.map(|()| words))
    })
}

/// The same while it goes at every poll.
pub fn at_every_poll(address: SocketAddr) -> Result<String, Wrong> {
    let connections = connect(address)?;
    place(address, "every-poll")?;
    let outcome = transfers(address, connections, LEAST[1]);
    place(address, "riscv64")?;
    outcome
}

/// Connections for all transfers, each of which has got an answer. QEMU's user network lets one connection wait at a time; of
/// more that come at once, its host may end some that the machine never hears of.
fn connect(address: SocketAddr) -> Result<Vec<Connection>, Wrong> {
    let opened = (0..2 * CONNECTIONS).map(|_| {
        let mut connection = Connection::open(address)?;
        expect_ok("/", connection.get("/")?)?;
        Ok(connection)
    });
    opened.collect()
}

/// All transfers at once, on connections that are open; then whether TCP has moved as often as it should.
fn transfers(
    address: SocketAddr,
    connections: Vec<Connection>,
    least_moves: u64,
) -> Result<String, Wrong> {
    let before = statistics(address)?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let transfers = connections
            .into_iter()
            .zip([download, upload].into_iter().cycle());
        let running: Vec<_> = transfers
            .map(|(connection, transfer)| scope.spawn(move || transfer(connection)))
            .collect();
        let ended = running.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ended.collect::<Result<Vec<()>, Wrong>>()
    })?;
    let rate = rate(DOWNLOAD + 2 * UPLOAD, start);
    let moves = statistics(address)?.tcp_moves - before.tcp_moves;
    expect("that TCP moved often enough", true, moves >= least_moves)?;
    Ok(format!("{rate}, {moves} moves"))
}

fn download(mut connection: Connection) -> Result<(), Wrong> {
    let length = DOWNLOAD / CONNECTIONS;
    let path = format!("/bytes/{length}");
    let response = expect_ok(&path, connection.get(&path)?)?;
    expect("a download's length", length, response.body.len())?;
    expect(
        "a download's SHA-256",
        stream::sha256(&stream::bytes(length)),
        stream::sha256(&response.body),
    )
}

fn upload(mut connection: Connection) -> Result<(), Wrong> {
    let sent = stream::bytes(UPLOAD / CONNECTIONS);
    let response = expect_ok("POST /echo", connection.post("/echo", &sent)?)?;
    expect(
        "the SHA-256 of an upload that came back",
        stream::sha256(&sent),
        stream::sha256(&response.body),
    )
}
