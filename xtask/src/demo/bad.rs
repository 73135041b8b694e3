//! The demo with a Linux peer over a bad wire: TCP must bring everything, however often it moves meanwhile.
//!
//! The peer is this computer's kernel, in a network namespace of its own, so that nothing of the computer's network is
//! touched. That needs the right to make one, and `/dev/net/tun`; where either is missing, that is said.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use fatcc::build::Image;
use fatcc::machine::Config;
use tun_rs::{DeviceBuilder, Layer};

use super::wire::{Faults, Wire};
use super::{HTTP, check_machine};
use crate::check;
use crate::error::Error;
use crate::progress::say;

/// The network of QEMU's own, which the image's address is of.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const PREFIX: u8 = 24;

const FAULTS: Faults = Faults {
    delay: Duration::from_millis(5),
    lost: 2,
    early: 2,
};

/// Checks it in a namespace, if there may be one.
pub fn check(image: &Image) -> Result<(), Error> {
    if let Err(why) = is_possible() {
        say(&format!("over a bad wire: NOT CHECKED, {why}"));
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|source| Error::System {
        doing: "find this program",
        source,
    })?;
    let status = in_namespace()
        .arg(own)
        .arg("demo-over-bad-wire")
        .arg(&image.image)
        .stdin(Stdio::null())
        .status()
        .map_err(start)?;
    match status.success() {
        true => Ok(()),
        // It has said why.
        false => Err(Error::BadWire { status }),
    }
}

/// Checks it in this process's namespace, which nobody else uses.
pub fn check_here(image: &Path) -> Result<(), Error> {
    let system = |doing| move |source| Error::System { doing, source };
    let tap = DeviceBuilder::new()
        .name("wire")
        .layer(Layer::L2)
        .ipv4(PEER, PREFIX, None)
        .build_sync()
        .map_err(system("make a tap device"))?;
    let folder = tempfile::tempdir().map_err(system("make a folder"))?;
    let wire = Wire::new(tap, folder.path(), FAULTS).map_err(system("lay a wire"))?;
    let config = Config {
        netdev: Some(wire.netdev().to_owned()),
        ..Config::new(image)
    };
    check_machine(config, |_| check::moving(SocketAddr::from((MACHINE, HTTP))))?;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counts = wire.counts();
    say(&format!(
        "over a wire of {} ms that has lost {} of {} frames and let {} overtake others",
        FAULTS.delay.as_millis(),
        count(&counts.lost),
        count(&counts.frames),
        count(&counts.early)
    ));
    Ok(())
}

/// Why there may be no namespace and no device in it.
fn is_possible() -> Result<(), String> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|error| format!("/dev/net/tun cannot be opened: {error}"))?;
    let output = in_namespace()
        .arg("true")
        .output()
        .map_err(|error| format!("unshare (util-linux) cannot be started: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// What starts a program in a network namespace of its own, where it is root.
fn in_namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--");
    command
}

fn start(source: std::io::Error) -> Error {
    Error::Start {
        program: "unshare".to_owned(),
        source,
    }
}
