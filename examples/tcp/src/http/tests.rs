//! Tests of the parser: tables of refusals, every way to cut the bytes, mutations.

use super::body::{Decoder, Framing};
use super::request::{Buffer, Head};
use super::response::{Length, Response};
use super::*;
use crate::stream::ByteStream;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

/// All requests in `parts`, heads and payloads, up to the first refusal; a body's payload follows its head.
fn read(parts: &[&[u8]]) -> (Vec<Head>, Vec<u8>, Option<Refusal>) {
    let mut buffer = Buffer::default();
    let mut heads = Vec::new();
    let mut payload = Vec::new();
    let mut decoder = Decoder::new(Framing::Length(0));
    for part in parts {
        let mut rest = *part;
        loop {
            let taken = buffer.push(rest);
            rest = &rest[taken..];
            if let Err(refusal) = step(&mut buffer, &mut decoder, &mut heads, &mut payload) {
                return (heads, payload, Some(refusal));
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    (heads, payload, None)
}

fn step(
    buffer: &mut Buffer,
    decoder: &mut Decoder,
    heads: &mut Vec<Head>,
    payload: &mut Vec<u8>,
) -> Result<(), Refusal> {
    loop {
        if decoder.is_done() {
            let Some(head) = buffer.take_head()? else {
                return Ok(());
            };
            *decoder = Decoder::new(head.framing);
            heads.push(head);
        } else if buffer.is_empty() {
            return Ok(());
        } else {
            let used = decoder.collect(buffer.bytes(), payload)?;
            buffer.consume(used);
        }
    }
}

fn status(request: &[u8]) -> Option<u16> {
    read(&[request]).2.map(|refusal| refusal.status().0)
}

fn with_field(field: &str) -> Vec<u8> {
    format!("POST /echo HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n").into_bytes()
}

#[test]
fn a_plain_get() {
    let (heads, _, refusal) = read(&[b"GET /a/b?c=d HTTP/1.1\r\nHost: h\r\n\r\n"]);
    assert_eq!(refusal, None);
    let expected = Head {
        method: Method::Get,
        path: String::from("/a/b"),
        query: String::from("c=d"),
        version: Version::Http11,
        framing: Framing::Length(0),
        keep_alive: true,
        expects_continue: false,
    };
    assert_eq!(heads, [expected]);
}

#[test]
fn targets_in_all_forms() {
    for (target, path) in [
        ("/", "/"),
        ("/?x", "/"),
        ("http://h/a?b", "/a"),
        ("HTTP://h", "/"),
        ("http://h?q", "/"),
        ("*", "*"),
        ("h:80", "h:80"),
    ] {
        let request = format!("OPTIONS {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let (heads, _, refusal) = read(&[request.as_bytes()]);
        assert_eq!((refusal, heads[0].path.as_str()), (None, path), "{target}");
    }
}

#[test]
fn persistence_by_version_and_option() {
    for (version, field, keep) in [
        ("1.1", "X: y", true),
        ("1.1", "Connection: close", false),
        ("1.1", "Connection: foo , CLOSE", false),
        ("1.0", "X: y", false),
        ("1.0", "Connection: Keep-Alive", true),
        ("1.0", "Connection: keep-alive, close", false),
    ] {
        let request = format!("GET / HTTP/{version}\r\nHost: h\r\n{field}\r\n\r\n");
        assert_eq!(
            read(&[request.as_bytes()]).0[0].keep_alive,
            keep,
            "{version} {field}"
        );
    }
}

#[test]
fn malformed_requests_are_refused() {
    let table: &[(u16, &[u8])] = &[
        (400, b"\0"),
        (400, b"\xff\xfe\xfd"),
        (400, b"GET\r\n\r\n"),
        (400, b"GET /\r\n\r\n"),
        (400, b" GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, b"GET noslash HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: h\0\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n"),
        (400, b"GET / HTTP/1.1\nHost: a\n\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
        (501, b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (501, b"get / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (505, b"GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
        (505, b"GET / HTTP/1.2\r\nHost: h\r\n\r\n"),
        (505, b"GET / http/1.1\r\nHost: h\r\n\r\n"),
        (505, b"GET / FTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    for (expected, request) in table {
        assert_eq!(
            status(request),
            Some(*expected),
            "{}",
            request.escape_ascii()
        );
    }
}

#[test]
fn ambiguous_and_bad_lengths_are_refused() {
    for (expected, field) in [
        (400, "Content-Length: -1"),
        (400, "Content-Length: +1"),
        (400, "Content-Length:"),
        (400, "Content-Length: 1 2"),
        (400, "Content-Length: 5, 5"),
        (400, "Content-Length: 0x10"),
        (400, "Content-Length: 18446744073709551616"),
        (400, "Content-Length: 5\r\nContent-Length: 5"),
        (400, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        (
            400,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        ),
        (501, "Transfer-Encoding: gzip, chunked"),
        (501, "Transfer-Encoding: xchunked"),
        (501, "Transfer-Encoding: identity"),
        (417, "Expect: 200-ok"),
    ] {
        assert_eq!(status(&with_field(field)), Some(expected), "{field}");
    }
    let old = b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(status(old), Some(400), "no chunks in HTTP/1.0");
    assert_eq!(
        status(&with_field("Content-Length: 18446744073709551615")),
        None
    );
}

#[test]
fn oversized_heads_are_refused() {
    let long_target = [b"GET /".as_slice(), &vec![b'a'; MAX_HEAD]].concat();
    assert_eq!(status(&long_target), Some(414));
    let long_field = [
        b"GET / HTTP/1.1\r\nHost: h\r\nX: ".as_slice(),
        &vec![b'a'; MAX_HEAD],
    ]
    .concat();
    assert_eq!(status(&long_field), Some(431));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "X: y\r\n".repeat(MAX_FIELDS)
    );
    assert_eq!(status(many.as_bytes()), Some(431));
    let enough = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "X: y\r\n".repeat(MAX_FIELDS - 1)
    );
    assert_eq!(status(enough.as_bytes()), None);
}

#[test]
fn malformed_chunks_are_refused() {
    for body in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "11111111111111111\r\n",
        "1;\0\r\na\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        let request =
            format!("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(status(request.as_bytes()), Some(400), "{body:?}");
    }
    let long = format!("1;{}", "e".repeat(5000));
    let request =
        format!("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{long}");
    assert_eq!(
        status(request.as_bytes()),
        Some(400),
        "an endless extension"
    );
    let trailers = format!("0\r\n{}", "X: y\r\n".repeat(5000));
    let request =
        format!("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{trailers}");
    assert_eq!(status(request.as_bytes()), Some(400), "endless trailers");
}

/// Requests of every kind, one behind the other.
fn pipelined() -> Vec<u8> {
    let mut all = Vec::new();
    all.extend_from_slice(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    all.extend_from_slice(b"\r\nHEAD /bytes/5 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n");
    all.extend_from_slice(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello\r\n\r\nGE",
    );
    all.extend_from_slice(b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    all.extend_from_slice(b"3;a=b\r\nabc\r\n00A \r\n0123456789\r\n0\r\nX: y\r\n\r\n");
    all.extend_from_slice(b"GET /last HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    all
}

#[test]
fn every_cut_gives_the_same_requests() {
    let all = pipelined();
    let whole = read(&[&all]);
    assert_eq!(whole.2, None);
    assert_eq!(whole.0.len(), 5);
    assert_eq!(whole.1, b"hello\r\n\r\nGEabc0123456789");
    for cut in 0..=all.len() {
        assert_eq!(read(&[&all[..cut], &all[cut..]]), whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = all.chunks(1).collect();
    assert_eq!(read(&single), whole, "byte by byte");
}

/// Changes a few bytes of the requests, by a fixed stream.
#[test]
fn mutations_neither_panic_nor_depend_on_the_cut() {
    let mut random = ByteStream::default();
    let mut next = move |limit: usize| {
        let mut word = [0; 8];
        random.fill(&mut word);
        (u64::from_le_bytes(word) % limit as u64) as usize
    };
    let palette = b"\0\r\n :;,/\t0aA-\xffG";
    for round in 0..20_000 {
        let mut all = pipelined();
        for _ in 0..=next(4) {
            let at = next(all.len());
            match next(4) {
                0 => all[at] = palette[next(palette.len())],
                1 => all.insert(at, palette[next(palette.len())]),
                2 if all.len() > 1 => drop(all.remove(at)),
                _ => all.truncate(at.max(1)),
            }
        }
        // Whoever sends only half a line may be told of an error later; with its end the outcome must be the same.
        all.extend_from_slice(b"\r\n");
        let cut = next(all.len() + 1);
        let whole = read(&[&all]);
        assert_eq!(
            read(&[&all[..cut], &all[cut..]]),
            whole,
            "round {round}: {}",
            all.escape_ascii()
        );
    }
}

#[test]
fn a_response_head() {
    let response = Response {
        status: Status::METHOD_NOT_ALLOWED,
        content_type: "text/plain",
        length: Length::Known(7),
        keep_alive: true,
        allow: Some("GET, HEAD"),
    };
    let expected = "HTTP/1.1 405 Method Not Allowed\r\nServer: fatcc\r\nContent-Type: text/plain\r\n\
        Cache-Control: no-store\r\nAllow: GET, HEAD\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(response.head(), expected);
}
