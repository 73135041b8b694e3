//! The whole server against a client on the other end of a wire, on the host, in virtual time.

extern crate std;

use crate::net::Net;
use crate::net::backlog::Backlog;
use crate::net::placement::Place;
use crate::net::socket::{Listener, Stream};
use crate::net::wire;
use crate::report::Report;
use crate::rt;
use crate::rt::host::{block_on, spawn};
use crate::server::{self, Site};
use crate::stats::STATS;
use crate::stream::ByteStream;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use core::time::Duration;
use smoltcp::socket::tcp::State;

const LISTENERS: usize = 8;
const LIMIT: Duration = Duration::from_secs(120);
static SITE: Site = Site {
    selftest: Report { checks: Vec::new() },
};

/// A client's stack and the server's.
struct World {
    client: &'static Net,
    server: &'static Net,
}

const BACKLOG: Backlog = Backlog {
    port: 80,
    reserve: 4,
};

fn world(loss: Option<u16>) -> World {
    world_of(wire::pair(loss, BACKLOG))
}

fn world_of((server, client): (&'static Net, &'static Net)) -> World {
    for _ in 0..LISTENERS {
        spawn(server::serve(Listener::new(server), &SITE));
    }
    World { client, server }
}

impl World {
    async fn connect(&self) -> Stream<'static> {
        wire::connect(self.client).await.expect("somebody listens")
    }

    /// Sends `request` and returns all that comes until the server closes.
    async fn ask(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream
            .send_all(LIMIT, request)
            .await
            .expect("the server takes the request");
        let answer = read_to_end(&mut stream).await;
        stream.shut(LIMIT).await;
        answer
    }
}

async fn read_to_end(stream: &mut Stream<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(())) = stream
        .receive(LIMIT, |bytes| {
            all.extend_from_slice(bytes);
            (bytes.len(), ())
        })
        .await
    {}
    all
}

/// Reads up to a number of bytes.
async fn read_exactly(stream: &mut Stream<'_>, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let left = count - all.len();
        let received = stream.receive(LIMIT, |bytes| {
            let used = bytes.len().min(left);
            all.extend_from_slice(&bytes[..used]);
            (used, ())
        });
        assert_eq!(received.await, Ok(Some(())));
    }
    all
}

/// Status and body of the first response in `bytes`, and what follows it.
fn split(bytes: &[u8]) -> (u16, String, Vec<u8>) {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head[9..12].parse().expect("a status");
    (status, head, bytes[end + 4..].to_vec())
}

fn stream_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    ByteStream::default().fill(&mut bytes);
    bytes
}

#[test]
fn documents_and_errors() {
    block_on(async {
        let world = world(None);
        for (request, expected) in [
            ("GET / HTTP/1.0\r\n\r\n", 200),
            ("GET /stats.json HTTP/1.0\r\n\r\n", 200),
            ("GET /selftest.json HTTP/1.0\r\n\r\n", 200),
            ("GET /nothing HTTP/1.0\r\n\r\n", 404),
            ("DELETE / HTTP/1.0\r\n\r\n", 405),
            ("GET /echo HTTP/1.0\r\n\r\n", 405),
            ("GET /bytes/x HTTP/1.0\r\n\r\n", 400),
            ("GET /connections.json HTTP/1.0\r\n\r\n", 200),
            ("GET /place?tcp=second HTTP/1.0\r\n\r\n", 405),
            ("POST /place?tcp=third HTTP/1.0\r\n\r\n", 400),
            ("POST /place HTTP/1.0\r\n\r\n", 400),
            ("POST /place?checksum=third HTTP/1.0\r\n\r\n", 400),
            ("POST /place?checksum=tcp HTTP/1.0\r\n\r\n", 200),
            ("POST /place?x=y&tcp=second HTTP/1.0\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("\0\0\0\0", 400),
            ("GET / HTTP/3.0\r\n\r\n", 505),
        ] {
            let (status, head, body) = split(&world.ask(request.as_bytes()).await);
            assert_eq!(status, expected, "{request:?}");
            assert!(!body.is_empty(), "{request:?}");
            assert!(
                head.contains(&format!("Content-Length: {}\r\n", body.len())),
                "{head}"
            );
        }
    });
}

#[test]
fn head_has_no_body_and_the_same_length() {
    block_on(async {
        let world = world(None);
        let (status, head, body) = split(&world.ask(b"HEAD /bytes/1000 HTTP/1.0\r\n\r\n").await);
        assert_eq!((status, body.len()), (200, 0));
        assert!(head.contains("Content-Length: 1000\r\n"));
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    block_on(async {
        let world = world(None);
        let mut request = Vec::new();
        for count in 0..50 {
            request.extend_from_slice(
                format!("GET /bytes/{count} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(),
            );
        }
        request
            .extend_from_slice(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
        request.extend_from_slice(
            b"GET /bytes/9 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
        );
        request.extend_from_slice(b"GET /bytes/7 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let mut rest = world.ask(&request).await;
        let expected =
            (0..50)
                .map(stream_bytes)
                .chain([b"abc".to_vec(), stream_bytes(9), stream_bytes(7)]);
        for body in expected {
            let (status, _, after) = split(&rest);
            assert_eq!((status, &after[..body.len()]), (200, &body[..]));
            rest = after[body.len()..].to_vec();
        }
        assert!(rest.is_empty());
    });
}

#[test]
fn many_bytes_arrive_unchanged_over_a_wire_that_loses() {
    for loss in [None, Some(97)] {
        block_on(async move {
            let world = world(loss);
            let (_, _, body) = split(&world.ask(b"GET /bytes/3000001 HTTP/1.0\r\n\r\n").await);
            assert!(body == stream_bytes(3_000_001), "loss {loss:?}");
        });
    }
}

#[test]
fn bytes_arrive_unchanged_while_tcp_moves_at_every_poll() {
    for loss in [None, Some(97)] {
        block_on(async move {
            let world = world(loss);
            world.server.move_to(Place::EveryPoll);
            let before = STATS.moves.get();
            let (_, _, body) = split(&world.ask(b"GET /bytes/3000001 HTTP/1.0\r\n\r\n").await);
            assert!(body == stream_bytes(3_000_001), "loss {loss:?}");
            assert!(STATS.moves.get() > before + 100, "loss {loss:?}");
        });
    }
}

#[test]
fn a_request_to_connect_that_comes_twice_makes_one_connection() {
    block_on(async {
        let world = world_of(wire::pair_of_twice(BACKLOG));
        for _ in 0..20 {
            let (_, _, body) = split(&world.ask(b"GET /bytes/5000 HTTP/1.0\r\n\r\n").await);
            assert!(body == stream_bytes(5000));
        }
    });
}

#[test]
fn commands_list_connections_and_move_tcp() {
    block_on(async {
        let world = world(None);
        let _stream = world.connect().await;
        rt::sleep(Duration::from_secs(1)).await;
        let answer = |command| crate::commands::answer(world.server, command);
        let table = answer("connections");
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2, "{table}");
        assert!(lines[0].starts_with("remote "), "{table}");
        assert!(lines[1].contains("ESTABLISHED"), "{table}");
        assert_eq!(answer("place second"), "TCP goes to second");
        assert_eq!(world.server.place().name(), "second");
        assert!(answer("place nowhere").contains("expected first, second, every-poll"));
        assert_eq!(answer("place checksum first"), "checksums go to first");
        assert!(answer("place checksum x").contains("expected first, second, nic, tcp"));
        assert!(answer("reboot").starts_with("`reboot` is no command\n"));
        assert_eq!(answer(""), "");
    });
}

#[test]
fn a_client_moves_tcp_and_its_connection_goes_on() {
    block_on(async {
        let world = world(None);
        let mut stream = world.connect().await;
        for place in ["second", "first", "every-poll", "second"] {
            let request = format!("POST /place?tcp={place} HTTP/1.1\r\nHost: h\r\n\r\n");
            stream
                .send_all(LIMIT, request.as_bytes())
                .await
                .expect("the server takes the request");
            let expected = format!("{{\"tcp\": \"{place}\"}}\n");
            let head = b"HTTP/1.1 200 OK\r\n";
            let mut answer = read_exactly(&mut stream, head.len()).await;
            assert_eq!(answer, head);
            while !answer.ends_with(expected.as_bytes()) {
                answer.extend(read_exactly(&mut stream, 1).await);
            }
            assert_eq!(world.server.place().name(), place);
        }
        // It has moved, not only said so.
        rt::sleep(Duration::from_secs(1)).await;
        let [connection] = world.server.connections()[..] else {
            panic!("one connection is open");
        };
        assert_eq!(connection.tcp.isa(), "second");
    });
}

#[test]
fn the_list_of_connections_counts_what_went_over_the_wire() {
    for loss in [None, Some(50)] {
        block_on(async move {
            let world = world(loss);
            let mut stream = world.connect().await;
            let request = b"GET /bytes/300000 HTTP/1.1\r\nHost: h\r\n\r\n";
            stream
                .send_all(LIMIT, request)
                .await
                .expect("the server takes the request");
            let answer = read_exactly(&mut stream, 300_000).await;
            let (_, head, _) = split(&answer);
            let whole = head.len() + 4 + 300_000;
            read_exactly(&mut stream, whole - answer.len()).await;
            rt::sleep(Duration::from_secs(10)).await;
            let [connection] = world.server.connections()[..] else {
                panic!("one connection is open");
            };
            assert_eq!(connection.state, State::Established);
            assert_eq!(connection.remote.0.octets(), [10, 0, 2, 2]);
            assert_eq!(connection.local_port, 80);
            assert_eq!(connection.bytes_in, request.len() as u64);
            assert_eq!(connection.bytes_out, whole as u64);
            assert_eq!(connection.retransmissions > 0, loss.is_some());
            assert_eq!(connection.application.map(rt::Cpu::isa), Some("first"));
        });
    }
}

#[test]
fn echo_by_length_and_by_chunks() {
    for loss in [None, Some(89)] {
        block_on(async move {
            let world = world(loss);
            let data = stream_bytes(1_000_000);
            let mut request = format!(
                "POST /echo HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
                data.len()
            )
            .into_bytes();
            request.extend_from_slice(&data);
            // The client writes all before it reads anything: the queue has to take it.
            let (status, _, body) = split(&world.ask(&request).await);
            assert!(status == 200 && body == data);

            let mut request =
                b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in data.chunks(30_011) {
                request.extend_from_slice(format!("{:X};x=y\r\n", chunk.len()).as_bytes());
                request.extend_from_slice(chunk);
                request.extend_from_slice(b"\r\n");
            }
            request.extend_from_slice(b"0\r\nTrailer: t\r\n\r\n");
            let (status, head, body) = split(&world.ask(&request).await);
            assert!(status == 200 && head.contains("Transfer-Encoding: chunked"));
            let mut decoder = crate::http::body::Decoder::new(crate::http::body::Framing::Chunked);
            let mut echoed = Vec::new();
            assert_eq!(decoder.collect(&body, &mut echoed), Ok(body.len()));
            assert!(decoder.is_done() && echoed == data);
        });
    }
}

#[test]
fn expectation_is_answered_before_the_body() {
    block_on(async {
        let world = world(None);
        let mut stream = world.connect().await;
        let head =
            b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        stream.send_all(LIMIT, head).await.unwrap();
        assert_eq!(
            read_exactly(&mut stream, 25).await,
            b"HTTP/1.1 100 Continue\r\n\r\n"
        );
        stream.send_all(LIMIT, b"hi").await.unwrap();
        stream
            .send_all(
                LIMIT,
                b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            )
            .await
            .unwrap();
        let (status, _, rest) = split(&read_to_end(&mut stream).await);
        assert!(status == 200 && rest.starts_with(b"hiHTTP/1.1 200 OK"));
    });
}

#[test]
fn a_huge_declared_length_costs_nothing_and_bad_chunks_are_refused() {
    block_on(async {
        let world = world(None);
        let mut stream = world.connect().await;
        let head =
            b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\nx";
        stream.send_all(LIMIT, head).await.unwrap();
        let response = read_exactly(&mut stream, 15).await;
        assert_eq!(response, b"HTTP/1.1 200 OK");
        wire::abort(stream);
        let bad = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(split(&world.ask(bad).await).0, 400);
    });
}

/// Connects to all listeners but `spare`, and waits until the server has closed; every second client sends half a head.
async fn wait_for_the_server(world: &World, spare: usize) -> Duration {
    let start = rt::now();
    let mut streams = Vec::new();
    for index in 0..LISTENERS - spare {
        let mut stream = world.connect().await;
        if index % 2 == 0 {
            stream.send_all(LIMIT, b"GET / HTT").await.unwrap();
        }
        streams.push(stream);
    }
    for (index, stream) in streams.iter_mut().enumerate() {
        let answer = read_to_end(stream).await;
        if index % 2 == 0 {
            assert_eq!(split(&answer).0, 408);
        } else {
            assert!(answer.is_empty());
        }
    }
    let waited = rt::now() - start;
    // None of the clients has sent its FIN.
    rt::sleep(Duration::from_secs(60)).await;
    assert_eq!(wire::states(world.server), vec![State::Listen; LISTENERS]);
    waited
}

#[test]
fn idle_slow_and_half_open_clients_lose_their_listener() {
    block_on(async {
        let waited = wait_for_the_server(&world(None), 5).await;
        assert!(
            waited > Duration::from_secs(59) && waited < Duration::from_secs(63),
            "{waited:?}"
        );
    });
}

#[test]
fn the_time_for_a_head_counts_from_its_first_byte() {
    block_on(async {
        let world = world(None);
        let mut stream = world.connect().await;
        rt::sleep(Duration::from_secs(45)).await;
        stream.send_all(LIMIT, b"GET / HT").await.unwrap();
        rt::sleep(Duration::from_secs(20)).await;
        stream.send_all(LIMIT, b"TP/1.0\r\n\r\n").await.unwrap();
        assert_eq!(split(&read_to_end(&mut stream).await).0, 200);
    });
}

#[test]
fn they_lose_it_sooner_when_listeners_are_short() {
    block_on(async {
        let waited = wait_for_the_server(&world(None), 0).await;
        assert!(waited < Duration::from_secs(33), "{waited:?}");
        let world = world(None);
        let mut idle = Vec::new();
        for _ in 0..LISTENERS {
            idle.push(world.connect().await);
        }
        rt::sleep(Duration::from_secs(8)).await;
        assert_eq!(split(&world.ask(b"GET / HTTP/1.0\r\n\r\n").await).0, 200);
    });
}

#[test]
fn listeners_come_back_from_resets_and_from_time_wait() {
    block_on(async {
        let world = world(None);
        for round in 0..100 {
            let mut stream = world.connect().await;
            stream
                .send_all(LIMIT, b"GET /bytes/100000 HTTP/1.1\r\nHost: h\r\n\r\n")
                .await
                .unwrap();
            if round % 2 == 0 {
                let _ = read_exactly(&mut stream, 10).await;
            }
            wire::abort(stream);
            rt::sleep(Duration::from_millis(10)).await;
        }
        // The server closes first here: each connection leaves its socket in TIME-WAIT.
        for _ in 0..40 {
            let mut stream = world.connect().await;
            stream
                .send_all(LIMIT, b"GET /bytes/10 HTTP/1.0\r\n\r\n")
                .await
                .unwrap();
            assert_eq!(split(&read_to_end(&mut stream).await).0, 200);
            stream.shut(LIMIT).await;
            rt::sleep(Duration::from_millis(50)).await;
        }
        rt::sleep(Duration::from_secs(60)).await;
        assert_eq!(wire::states(world.server), vec![State::Listen; LISTENERS]);
    });
}

#[test]
fn short_connections_one_upon_the_other_are_all_answered() {
    block_on(async {
        let world = world(None);
        for round in 0..500 {
            let answer = world.ask(b"GET /bytes/10 HTTP/1.0\r\n\r\n").await;
            assert!(!answer.is_empty(), "connection {round}");
            assert_eq!(split(&answer).2, stream_bytes(10));
        }
    });
}

#[test]
fn more_clients_than_listeners_wait_their_turn() {
    block_on(async {
        let world = world(None);
        let client = world.client;
        let answered = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 * LISTENERS {
            let answered = answered.clone();
            spawn(async move {
                let mut stream = wire::connect(client)
                    .await
                    .expect("a client waits, it is not refused");
                stream
                    .send_all(LIMIT, b"GET /bytes/100000 HTTP/1.0\r\n\r\n")
                    .await
                    .expect("it is heard");
                let answer = read_to_end(&mut stream).await;
                stream.shut(LIMIT).await;
                assert_eq!(split(&answer).2, stream_bytes(100_000));
                answered.fetch_add(1, SeqCst);
            });
        }
        rt::sleep(Duration::from_secs(120)).await;
        assert_eq!(answered.load(SeqCst), 4 * LISTENERS);
    });
}

#[test]
fn mutated_requests_never_stop_the_server() {
    block_on(async {
        let world = world(None);
        let mut random = ByteStream::default();
        let mut next = move |limit: usize| {
            let mut word = [0; 8];
            random.fill(&mut word);
            (u64::from_le_bytes(word) % limit as u64) as usize
        };
        let good = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for _ in 0..300 {
            let mut bytes = good.to_vec();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                bytes[at] = b"\0\r\n :;0fZ\xff"[next(10)];
            }
            let mut stream = world.connect().await;
            stream.send_all(LIMIT, &bytes).await.unwrap();
            rt::sleep(Duration::from_millis(next(3) as u64)).await;
            if next(2) == 0 {
                wire::abort(stream);
            } else {
                stream.shut(LIMIT).await;
            }
        }
        let (status, ..) = split(&world.ask(b"GET / HTTP/1.0\r\n\r\n").await);
        assert_eq!(status, 200);
        rt::sleep(Duration::from_secs(60)).await;
        assert_eq!(wire::states(world.server), vec![State::Listen; LISTENERS]);
    });
}
