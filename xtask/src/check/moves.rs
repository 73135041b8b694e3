//! TCP moves between the CPUs while connections are in use: nothing that clients see may change by it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Stats, expect, expect_ok, get, get_json, rate};
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
        let outcome = transfers(address, LEAST[0]);
        done.store(true, Ordering::Relaxed);
        let moved = mover
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and_then(|words| moved.map(|()| words))
    })
}

/// The same while it goes at every poll.
pub fn at_every_poll(address: SocketAddr) -> Result<String, Wrong> {
    place(address, "every-poll")?;
    let outcome = transfers(address, LEAST[1]);
    place(address, "riscv64")?;
    outcome
}

/// All transfers at once; then whether TCP has moved as often as it should.
fn transfers(address: SocketAddr, least_moves: u64) -> Result<String, Wrong> {
    let before = statistics(address)?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..CONNECTIONS)
            .flat_map(|_| {
                [
                    scope.spawn(|| download(address)),
                    scope.spawn(|| upload(address)),
                ]
            })
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

fn download(address: SocketAddr) -> Result<(), Wrong> {
    let length = DOWNLOAD / CONNECTIONS;
    let response = get(address, &format!("/bytes/{length}"))?;
    expect("a download's length", length, response.body.len())?;
    expect(
        "a download's SHA-256",
        stream::sha256(&stream::bytes(length)),
        stream::sha256(&response.body),
    )
}

fn upload(address: SocketAddr) -> Result<(), Wrong> {
    let sent = stream::bytes(UPLOAD / CONNECTIONS);
    let mut connection = Connection::open(address)?;
    let response = expect_ok("POST /echo", connection.post("/echo", &sent)?)?;
    expect(
        "the SHA-256 of an upload that came back",
        stream::sha256(&sent),
        stream::sha256(&response.body),
    )
}
