//! `cargo xtask demo`: builds and boots the web server of `examples/tcp`, for people or for its check.

pub mod bad;
mod wire;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fatcc::build::{Image, build};
use fatcc::machine::{Config, Forward, Line, Machine, Source};
use fatcc::plan::Options;
use fatcc::tools::Need;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::check;
use crate::error::Error;
use crate::progress::{say, step};
use crate::setup;

/// Package of the server.
const PACKAGE: &str = "tcp";
/// Words of the line that says that it is ready.
const READY: &str = "listening on";
/// Its port on the machine.
const HTTP: u16 = 80;
/// Port for people, if it is free.
const USUAL_PORT: u16 = 8080;
/// How long it may take to be ready.
const BOOT_LIMIT: Duration = Duration::from_secs(60);
/// Lines of each console in an error.
const SHOWN: usize = 40;

/// Serves until Ctrl-C.
pub fn serve(port: Option<u16>) -> Result<(), Error> {
    setup::ensure(Need::Run)?;
    let image = image()?;
    let port = match port {
        Some(port) => port,
        None => free_port(USUAL_PORT).or_else(|_| free_port(0))?,
    };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|source| Error::System {
        doing: "await signals",
        source,
    })?;
    let machine = Machine::start(&forwarded(&image, port), show)?;
    let stopper = machine.stopper();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = sender.send(());
            stopper.stop();
        }
    });
    if let Err(error) = ready(&machine) {
        return if receiver.try_recv().is_ok() {
            Ok(())
        } else {
            Err(error)
        };
    }
    println!("open http://127.0.0.1:{port}/");
    let outcome = machine.wait(None);
    if receiver.try_recv().is_ok() || outcome.success() {
        Ok(())
    } else {
        Err(Error::Ended(outcome))
    }
}

/// Checks it, by its clients' view.
pub fn check(port: Option<u16>) -> Result<(), Error> {
    setup::ensure(Need::Run)?;
    let image = image()?;
    let port = port.map_or_else(|| free_port(0), Ok)?;
    let start = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    check_machine(forwarded(&image, port), |machine| {
        check::all(address)?;
        check::command(address, machine)
    })?;
    bad::check(&image)?;
    say(&format!(
        "all checks: {:.2} s",
        start.elapsed().as_secs_f64()
    ));
    println!("demo check: passed");
    Ok(())
}

/// Boots a machine and has it checked.
fn check_machine(
    config: Config,
    check: impl FnOnce(&Machine) -> Result<(), check::Failure>,
) -> Result<(), Error> {
    let machine = step("boot", || {
        let machine = Machine::start(&config, |_| ())?;
        ready(&machine).map(|()| (machine, String::new()))
    })?;
    check(&machine).map_err(|(what, source)| Error::Check {
        what,
        source,
        consoles: consoles(&machine),
    })
}

/// Builds the image in release mode.
fn image() -> Result<Image, Error> {
    let root =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let options = Options {
        manifest_path: Some(PathBuf::from(root).join("../Cargo.toml")),
        package: Some(PACKAGE.to_owned()),
        bin: Some(PACKAGE.to_owned()),
        release: true,
        ..Options::default()
    };
    let programs = || vec![PACKAGE.to_owned()];
    build(&options, &mut say)?
        .into_iter()
        .next()
        .ok_or_else(|| {
            fatcc::error::Error::NoProgram {
                package: PACKAGE.to_owned(),
                asked: None,
                programs: programs(),
            }
            .into()
        })
}

/// The machine with the server's port at `port` of this computer.
fn forwarded(image: &Image, port: u16) -> Config {
    let forward = Forward {
        host: port,
        guest: HTTP,
    };
    Config {
        forwards: vec![forward],
        ..Config::new(&image.image)
    }
}

/// Waits until it listens.
fn ready(machine: &Machine) -> Result<(), Error> {
    match machine.wait_for_line(READY, BOOT_LIMIT) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::NotReady {
            words: READY,
            source,
            consoles: consoles(machine),
        }),
    }
}

/// Last lines of all consoles.
fn consoles(machine: &Machine) -> String {
    machine
        .last_lines(SHOWN)
        .into_iter()
        .fold(String::new(), |text, (cpu, lines)| {
            let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
            let lines = if lines.is_empty() {
                "  (nothing)\n".to_owned()
            } else {
                lines
            };
            text + &format!("last lines of the {cpu} console:\n{lines}")
        })
}

/// Shows a line with its CPU's name.
fn show(line: &Line<'_>) {
    // A reader that has gone away does not end the machine.
    let _ = match line.source {
        Source::Console => writeln!(std::io::stdout(), "{line}"),
        Source::Emulator | Source::Runner => writeln!(std::io::stderr(), "{line}"),
    };
}

/// A port that is free now: that one, or any for 0.
fn free_port(port: u16) -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| Error::System {
            doing: "find a free port",
            source,
        })
}
