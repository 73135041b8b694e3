//! Boot parameters of a program on boards: where TCP begins, and where its checksums are computed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use fatcc::machine::{Config, Forward, Machine};
use testsuite::{fat_build, workspace};

const LIMIT: Duration = Duration::from_secs(60);

fn image() -> PathBuf {
    let output = fat_build(&["-p", "tcp"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    target.join("fat/release/tcp.fat")
}

/// Boots the server with these words, and the port of this computer that leads to it.
fn boot(words: &[&str]) -> (Machine, u16) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|port| port.local_addr());
    let host = free.expect("a port").port();
    let config = Config {
        forwards: vec![Forward { host, guest: 80 }],
        command_line: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Config::new(image())
    };
    (Machine::start(&config, |_| ()).expect("a machine"), host)
}

/// The body of a resource.
fn get(port: u16, path: &str) -> Vec<u8> {
    ask(port, "GET", path)
}

/// The body of the answer.
fn ask(port: u16, method: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    write!(stream, "{method} {path} HTTP/1.0\r\n\r\n").expect("a request");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("a response");
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    response.split_off(end.expect("a head") + 4)
}

#[test]
fn checksums_run_on_the_cpu_with_the_network_device_and_tcp_on_the_other() {
    let (machine, port) = boot(&["tcp=x86_64", "place=checksum:nic"]);
    let placed = "webserver::net::checksum::checksum is placed on riscv64";
    machine.wait_for_line(placed, LIMIT).expect("placed");
    let listening = machine.wait_for_line("listening on", LIMIT);
    assert!(listening.expect("it listens").ends_with("TCP on x86_64"));
    assert_eq!(get(port, "/bytes/300000").len(), 300_000);
    let stats: serde_json::Value = serde_json::from_slice(&get(port, "/stats.json")).expect("JSON");
    assert_eq!(stats["tcp_isa"], "x86_64");
    assert_eq!(stats["checksum_calls"]["x86_64"], 0, "{stats}");
    let calls = stats["checksum_calls"]["riscv64"].as_u64();
    assert!(calls.is_some_and(|calls| calls > 10), "{stats}");
}

#[test]
fn bytes_arrive_unchanged_while_checksums_move() {
    const BYTES: usize = 1_000_000;
    let (machine, port) = boot(&["tcp=every-poll"]);
    let listening = machine.wait_for_line("listening on", LIMIT);
    assert!(
        listening
            .expect("it listens")
            .ends_with("TCP on every-poll")
    );
    let path = format!("/bytes/{BYTES}");
    let expected = get(port, &path);
    assert_eq!(expected.len(), BYTES);
    let downloads: Vec<_> = (0..3)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || get(port, &path))
        })
        .collect();
    let mut moves = 0;
    while moves < 12 || downloads.iter().any(|download| !download.is_finished()) {
        let place = ["nic", "x86_64", "tcp", "1"][moves % 4];
        let answer = ask(port, "POST", &format!("/place?checksum={place}"));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(answer, format!("{{\"checksum\": \"{place}\"}}\n"));
        moves += 1;
    }
    for download in downloads {
        assert!(download.join().expect("a download") == expected);
    }
    let stats: serde_json::Value = serde_json::from_slice(&get(port, "/stats.json")).expect("JSON");
    for isa in ["x86_64", "riscv64"] {
        let calls = stats["checksum_calls"][isa].as_u64();
        assert!(calls.is_some_and(|calls| calls > 0), "{stats}");
    }
}

#[test]
fn a_place_that_does_not_exist_is_reported_and_the_usual_one_taken() {
    let (machine, _) = boot(&["tcp=m68k"]);
    let said = "boot parameter tcp=m68k: expected one of x86_64, riscv64, every-poll";
    machine.wait_for_line(said, LIMIT).expect("a report");
    let listening = machine.wait_for_line("listening on", LIMIT);
    assert!(listening.expect("it listens").ends_with("TCP on riscv64"));
}
