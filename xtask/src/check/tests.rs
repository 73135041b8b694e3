//! The checks against a small server on this computer: what is right passes, and each wrong thing is found.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
}

/// A server, as bad as asked for.
fn server(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rung = Arc::new(AtomicU64::new(1));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, rung) = (stream.unwrap(), rung.clone());
            thread::spawn(move || serve(stream, fault, &rung));
        }
    });
    address
}

/// Serves one connection, until something is malformed or it ends.
fn serve(stream: TcpStream, fault: Fault, rung: &AtomicU64) -> Option<()> {
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
        let (kind, body) = answer(&path, body, fault, rung.fetch_add(1, Ordering::Relaxed));
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .ok()?;
        stream.write_all(&body).ok()?;
    }
}

fn answer(path: &str, body: Vec<u8>, fault: Fault, rung: u64) -> (&'static str, Vec<u8>) {
    let (isa, ok) = (
        if fault == Fault::OtherIsa {
            "riscv64"
        } else {
            "x86_64"
        },
        fault != Fault::SelfTest,
    );
    let riscv64 = if fault == Fault::NoDoorbell { 0 } else { rung };
    match path {
        "/selftest.json" => {
            let check = format!(
                r#"{{"name": "n", "direction": "x86_64->riscv64", "ok": {ok}, "detail": "d"}}"#
            );
            (
                "application/json",
                format!(r#"{{"passed": {ok}, "checks": [{check}]}}"#).into_bytes(),
            )
        }
        "/stats.json" => {
            let doorbells = format!(r#"{{"x86_64": {rung}, "riscv64": {riscv64}}}"#);
            let numbers =
                r#""bytes_in": 1, "bytes_out": 1, "uptime_ms": 1, "connections": 1, "polls": 1"#;
            let isas = format!(r#""application_isa": "{isa}", "tcp_isa": "riscv64""#);
            (
                "application/json",
                format!(r#"{{{isas}, "doorbells": {doorbells}, {numbers}}}"#).into_bytes(),
            )
        }
        "/echo" => ("application/octet-stream", body),
        _ => match path.strip_prefix("/bytes/") {
            Some(count) => {
                let mut bytes = stream::bytes(count.parse().unwrap());
                if fault == Fault::OneByte && bytes.len() == DOWNLOAD {
                    bytes[DOWNLOAD / 2] ^= 1;
                }
                ("application/octet-stream", bytes)
            }
            None => (
                "text/html; charset=utf-8",
                b"<!doctype html><html></html>".to_vec(),
            ),
        },
    }
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
