//! The checks against a small server on this computer: what is right passes, and each wrong thing is found.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    OneByte,
    SelfTest,
    OtherIsa,
    NoDoorbell,
    TakesAnything,
    ListsNone,
    Stays,
    OneByteAfterMoves,
}

/// What the server has of all its connections.
#[derive(Default)]
struct State {
    requests: AtomicU64,
    moves: AtomicU64,
    /// Where TCP is, as the last request to move it said.
    place: Mutex<String>,
    /// The clients.
    open: Mutex<Vec<SocketAddr>>,
}

/// A server, as bad as asked for.
fn server(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::new(State::default());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, state) = (stream.unwrap(), state.clone());
            thread::spawn(move || {
                let client = stream.peer_addr().unwrap();
                state.open.lock().unwrap().push(client);
                serve(stream, fault, &state);
                state.open.lock().unwrap().retain(|one| *one != client);
            });
        }
    });
    address
}

/// Serves one connection, until something is malformed or it ends.
fn serve(stream: TcpStream, fault: Fault, state: &State) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = String::new();
        let mut first = [0];
        reader.read_exact(&mut first).ok()?;
        let text = first[0].is_ascii_uppercase();
        while text && !head.ends_with("\r\n\r\n") {
            reader
                .read_line(&mut head)
                .ok()
                .filter(|count| *count > 0)?;
        }
        let fields: Vec<&str> = head
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();
        let lengths = ["Content-Length: x", "Transfer-Encoding: chunked"];
        let good = text
            && head.contains(" /")
            && head.contains("Host: ")
            && fields
                .iter()
                .all(|line| line.contains(':') && !lengths.contains(line));
        if !good && fault != Fault::TakesAnything {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .ok();
            return None;
        }
        let length = fields
            .iter()
            .find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        let (kind, body) = answer(&path, body, fault, state);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .ok()?;
        stream.write_all(&body).ok()?;
    }
}

fn answer(path: &str, body: Vec<u8>, fault: Fault, state: &State) -> (&'static str, Vec<u8>) {
    state.requests.fetch_add(1, Ordering::Relaxed);
    if *state.place.lock().unwrap() == "every-poll" {
        state.moves.fetch_add(LEAST_MOVES, Ordering::Relaxed);
    }
    let json = |text: String| ("application/json", text.into_bytes());
    match path {
        "/selftest.json" => {
            let ok = fault != Fault::SelfTest;
            let check = format!(
                r#"{{"name": "n", "direction": "x86_64->riscv64", "ok": {ok}, "detail": "d"}}"#
            );
            json(format!(r#"{{"passed": {ok}, "checks": [{check}]}}"#))
        }
        "/stats.json" => json(statistics_of(state, fault)),
        "/connections.json" => json(list_of(state, fault)),
        "/echo" => {
            // TCP can only move often during a transfer that lasts.
            thread::sleep(Duration::from_micros(body.len() as u64));
            ("application/octet-stream", body)
        }
        _ => {
            if let Some(count) = path.strip_prefix("/bytes/") {
                let count = count.parse().unwrap();
                ("application/octet-stream", download_of(state, fault, count))
            } else if let Some(place) = path.strip_prefix("/place?tcp=") {
                if fault != Fault::Stays {
                    place.clone_into(&mut state.place.lock().unwrap());
                    state.moves.fetch_add(1, Ordering::Relaxed);
                }
                json("{}".to_owned())
            } else {
                let page = b"<!doctype html><html></html>";
                ("text/html; charset=utf-8", page.to_vec())
            }
        }
    }
}

/// Moves by which one request counts while TCP goes at every poll.
const LEAST_MOVES: u64 = 1000;

fn statistics_of(state: &State, fault: Fault) -> String {
    let isa = if fault == Fault::OtherIsa {
        "riscv64"
    } else {
        "x86_64"
    };
    let x86_64 = state.requests.load(Ordering::Relaxed);
    let riscv64 = if fault == Fault::NoDoorbell {
        0
    } else {
        x86_64
    };
    let moves = state.moves.load(Ordering::Relaxed);
    let doorbells = format!(r#"{{"x86_64": {x86_64}, "riscv64": {riscv64}}}"#);
    let numbers = r#""bytes_in": 1, "bytes_out": 1, "uptime_ms": 1, "connections": 1, "polls": 1"#;
    let isas = format!(r#""application_isa": "{isa}", "tcp_isa": "riscv64""#);
    format!(r#"{{{isas}, "doorbells": {doorbells}, {numbers}, "tcp_moves": {moves}}}"#)
}

fn list_of(state: &State, fault: Fault) -> String {
    let open = state.open.lock().unwrap();
    let listed = open.iter().filter(|_| fault != Fault::ListsNone);
    let rows: Vec<String> = listed
        .map(|remote| {
            let isas = r#""tcp_isa": "riscv64", "application_isa": "x86_64""#;
            let numbers = r#""bytes_in": 1, "bytes_out": 1000000, "retransmissions": 0"#;
            let ends = format!(r#""remote": "{remote}", "local_port": 80, "state": "ESTABLISHED""#);
            format!("{{{ends}, {isas}, {numbers}}}")
        })
        .collect();
    format!(r#"{{"connections": [{}]}}"#, rows.join(", "))
}

fn download_of(state: &State, fault: Fault, count: usize) -> Vec<u8> {
    let mut bytes = stream::bytes(count);
    let moved = state.moves.load(Ordering::Relaxed) > 0;
    let wrong = match fault {
        Fault::OneByte => count == DOWNLOAD,
        Fault::OneByteAfterMoves => moved && count > DOWNLOAD / 2,
        _ => false,
    };
    if wrong {
        bytes[count / 2] ^= 1;
    }
    bytes
}

#[test]
fn a_good_server_passes() {
    all(server(Fault::None)).unwrap();
}

#[test]
fn every_fault_is_found_by_its_check() {
    for (fault, check) in [
        (Fault::OneByte, "download"),
        (Fault::SelfTest, "self-test"),
        (Fault::OtherIsa, "statistics"),
        (Fault::NoDoorbell, "doorbells"),
        (Fault::TakesAnything, "malformed requests"),
        (Fault::ListsNone, "list of connections"),
        (Fault::Stays, "TCP moves to and fro"),
        (Fault::OneByteAfterMoves, "TCP moves to and fro"),
    ] {
        let (name, _) = all(server(fault)).unwrap_err();
        assert_eq!(name, check);
    }
}

#[test]
fn a_server_that_is_not_there_is_found() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(matches!(
        all(address),
        Err(("statistics", Wrong::Http(HttpError::Io { .. })))
    ));
}
