//! What a client must see of the demo, check by check.

mod list;
mod moves;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Wrong;
use crate::http::{Connection, HttpError, Response};
use crate::progress::step;
use crate::stream;

/// Bytes to download.
const DOWNLOAD: usize = 10_000_000;
/// Bytes to send and get back.
const ECHO: usize = 1 << 20;
/// Connections that are open together.
const CONNECTIONS: usize = 64;
/// Time between opening one of them and the next: QEMU's user network queues one connection that it has not accepted
/// yet, and the host's kernel waits a second before it tries a further one again.
const PACE: Duration = Duration::from_millis(10);
/// Requests on each of them.
const REQUESTS: usize = 3;
/// Time for everything.
const LIMIT: Duration = Duration::from_secs(600);

/// Connections one after the other, each for one request.
const SHORT_CONNECTIONS: usize = 500;

/// Requests that no server may take for requests.
const MALFORMED: [&[u8]; 8] = [
    b"\0\0\0\0",
    b"\xff\xfe\xfd",
    b"GET\r\n\r\n",
    b"GET noslash HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

/// `/selftest.json`.
#[derive(Deserialize)]
struct SelfTest {
    passed: bool,
    checks: Vec<SelfTestCheck>,
}

#[derive(Deserialize)]
struct SelfTestCheck {
    name: String,
    direction: String,
    ok: bool,
    detail: String,
}

/// `/stats.json`.
#[derive(Deserialize)]
struct Stats {
    application_isa: String,
    tcp_isa: String,
    doorbells: BTreeMap<String, u64>,
    bytes_in: u64,
    bytes_out: u64,
    uptime_ms: u64,
    connections: u64,
    tcp_moves: u64,
}

pub use list::command;

/// The name of a check, and what is wrong.
pub type Failure = (&'static str, Wrong);

/// A check: what it does with the server's address, in a few words at the end.
type Check = fn(SocketAddr) -> Result<String, Wrong>;

/// Everything.
pub fn all(address: SocketAddr) -> Result<(), Failure> {
    const CHECKS: [(&str, Check); 10] = [
        ("page", page),
        ("self-test", self_test),
        ("download", download),
        ("echo", echo),
        ("connections", connections),
        ("short connections", short_connections),
        ("malformed requests", malformed),
        ("list of connections", list::list),
        ("TCP moves to and fro", moves::to_and_fro),
        ("TCP moves at every poll", moves::at_every_poll),
    ];
    let before = named("statistics", || {
        statistics(address).map(|stats| (stats, String::new()))
    })?;
    each(&CHECKS, address)?;
    named("doorbells", || {
        doorbells(&before, &statistics(address)?).map(|words| ((), words))
    })
}

/// What must hold however bad the wire is.
pub fn moving(address: SocketAddr) -> Result<(), Failure> {
    const CHECKS: [(&str, Check); 3] = [
        ("page", page),
        ("TCP moves to and fro", moves::to_and_fro),
        ("TCP moves at every poll", moves::at_every_poll),
    ];
    each(&CHECKS, address)
}

fn each(checks: &[(&'static str, Check)], address: SocketAddr) -> Result<(), Failure> {
    let deadline = Instant::now() + LIMIT;
    for (name, check) in checks {
        named(name, || check(address).map(|words| ((), words)))?;
        if Instant::now() > deadline {
            return Err((name, Wrong::TimedOut { limit: LIMIT }));
        }
    }
    Ok(())
}

fn named<T>(
    name: &'static str,
    work: impl FnOnce() -> Result<(T, String), Wrong>,
) -> Result<T, Failure> {
    step(name, work).map_err(|wrong| (name, wrong))
}

/// A request on a connection of its own, answered with 200.
fn get(address: SocketAddr, path: &str) -> Result<Response, Wrong> {
    expect_ok(path, Connection::open(address)?.get(path)?)
}

fn expect_ok(path: &str, response: Response) -> Result<Response, Wrong> {
    expect_status(path, 200, response)
}

fn expect_status(request: &str, expected: u16, response: Response) -> Result<Response, Wrong> {
    if response.status == expected {
        Ok(response)
    } else {
        Err(Wrong::Status {
            request: request.to_owned(),
            expected,
            seen: response.status,
        })
    }
}

fn get_json<T: DeserializeOwned>(address: SocketAddr, path: &'static str) -> Result<T, Wrong> {
    let response = get(address, path)?;
    serde_json::from_slice(&response.body).map_err(|source| Wrong::Json {
        path,
        source,
        body: response.text(),
    })
}

fn expect<T: PartialEq + ToString>(field: &'static str, expected: T, seen: T) -> Result<(), Wrong> {
    if seen == expected {
        Ok(())
    } else {
        Err(Wrong::Field {
            field,
            expected: expected.to_string(),
            seen: seen.to_string(),
        })
    }
}

fn rate(bytes: usize, start: Instant) -> String {
    format!(
        "{:.1} MB/s",
        bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
    )
}

fn page(address: SocketAddr) -> Result<String, Wrong> {
    let response = get(address, "/")?;
    let kind = response
        .field("content-type")
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_owned();
    expect("the page's Content-Type", "text/html".to_owned(), kind)?;
    let text = response.text().to_ascii_lowercase();
    expect(
        "an <html> element in the page",
        true,
        text.contains("<html"),
    )?;
    Ok(format!("{} bytes", response.body.len()))
}

fn self_test(address: SocketAddr) -> Result<String, Wrong> {
    let SelfTest { passed, checks } = get_json(address, "/selftest.json")?;
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| format!("  {} {}: {}", check.name, check.direction, check.detail))
        .collect();
    if !failed.is_empty() {
        return Err(Wrong::SelfTest { failed });
    }
    expect("`passed` of the self-test", true, passed)?;
    expect("that the self-test has checks", true, !checks.is_empty())?;
    Ok(format!("{} checks", checks.len()))
}

/// The statistics, made on the application's CPU about TCP on the other.
fn statistics(address: SocketAddr) -> Result<Stats, Wrong> {
    let stats: Stats = get_json(address, "/stats.json")?;
    expect("application_isa", "x86_64", &stats.application_isa)?;
    expect("tcp_isa", "riscv64", &stats.tcp_isa)?;
    Ok(stats)
}

fn download(address: SocketAddr) -> Result<String, Wrong> {
    let start = Instant::now();
    let response = get(address, &format!("/bytes/{DOWNLOAD}"))?;
    let rate = rate(DOWNLOAD, start);
    expect("the download's length", DOWNLOAD, response.body.len())?;
    let digest = stream::sha256(&response.body);
    expect(
        "the download's SHA-256",
        stream::sha256(&stream::bytes(DOWNLOAD)),
        digest,
    )?;
    Ok(format!("{DOWNLOAD} bytes, {rate}"))
}

fn echo(address: SocketAddr) -> Result<String, Wrong> {
    let sent = stream::bytes(ECHO);
    let start = Instant::now();
    let response = expect_ok(
        "POST /echo",
        Connection::open(address)?.post("/echo", &sent)?,
    )?;
    let rate = rate(2 * ECHO, start);
    expect("the echo's length", ECHO, response.body.len())?;
    let first = response
        .body
        .iter()
        .zip(&sent)
        .position(|(seen, sent)| seen != sent);
    expect(
        "the first wrong byte of the echo",
        "none".to_owned(),
        first.map_or("none".to_owned(), |at| at.to_string()),
    )?;
    Ok(format!("{ECHO} bytes, {rate}"))
}

fn connections(address: SocketAddr) -> Result<String, Wrong> {
    let opened = (0..CONNECTIONS).map(|_| {
        std::thread::sleep(PACE);
        Connection::open(address)
    });
    let mut connections = opened.collect::<Result<Vec<Connection>, HttpError>>()?;
    for round in 0..REQUESTS {
        // All are asked before the first answer is read. Paths differ, so that answers cannot be mixed up unseen.
        let length = |connection: usize| 1000 * round + connection;
        for (number, connection) in connections.iter_mut().enumerate() {
            connection.send_get(&format!("/bytes/{}", length(number)))?;
        }
        for (number, connection) in connections.iter_mut().enumerate() {
            let response = expect_ok("/bytes/… on one of many connections", connection.receive()?)?;
            expect("a body's length", length(number), response.body.len())?;
            expect(
                "that a body's bytes are right",
                true,
                response.body == stream::bytes(length(number)),
            )?;
        }
    }
    Ok(format!("{CONNECTIONS} at once, {REQUESTS} requests each"))
}

/// Each one comes while the server's CPU brings the last one's socket back to listening.
fn short_connections(address: SocketAddr) -> Result<String, Wrong> {
    for number in 0..SHORT_CONNECTIONS {
        let response = get(address, &format!("/bytes/{number}"))?;
        expect("a body's length", number, response.body.len())?;
    }
    Ok(format!("{SHORT_CONNECTIONS} one after the other"))
}

fn malformed(address: SocketAddr) -> Result<String, Wrong> {
    for request in MALFORMED {
        let mut connection = Connection::open(address)?;
        connection.send_bytes(request)?;
        expect_status(
            &format!("`{}`", request.escape_ascii()),
            400,
            connection.receive()?,
        )?;
    }
    get(address, "/")?;
    Ok(format!("{} refused", MALFORMED.len()))
}

fn doorbells(before: &Stats, after: &Stats) -> Result<String, Wrong> {
    expect(
        "the number of CPUs with doorbells",
        2,
        after.doorbells.len(),
    )?;
    for (cpu, after) in &after.doorbells {
        let before = before.doorbells.get(cpu).copied().unwrap_or(0);
        if *after <= before {
            return Err(Wrong::Doorbell {
                cpu: cpu.clone(),
                before,
                after: *after,
            });
        }
    }
    let rung: Vec<String> = after
        .doorbells
        .iter()
        .map(|(cpu, count)| format!("{cpu} {count}"))
        .collect();
    Ok(format!(
        "{}; {} connections, {} bytes in, {} bytes out, up for {:.1} s",
        rung.join(", "),
        after.connections,
        after.bytes_in,
        after.bytes_out,
        after.uptime_ms as f64 / 1e3,
    ))
}
