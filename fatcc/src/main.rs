//! `cargo-fat`: the command line of `cargo fat build`, `run` and `doctor`.
//!
//! As `cargo fat …` it is called with `fat` before the arguments, through an alias without. Results go to standard
//! output, everything else to standard error.

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fatcc::build::{Image, build};
use fatcc::error::{Error, render};
use fatcc::isa::Isa;
use fatcc::machine::cpus::Cpus;
use fatcc::machine::{Config, Forward, Line, Machine, Platform, Source};
use fatcc::plan::Options;
use fatcc::{role, tools};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Builds a no_std package for several instruction sets, links it into one image and runs it
#[derive(Parser)]
#[command(name = "cargo-fat", bin_name = "cargo fat", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Compile a package for all its ISAs and link its images
    Build(BuildArguments),
    /// Build, then run the image on emulated boards, or as Linux processes
    Run(RunArguments),
    /// List the programs that are needed, and how to install those that are missing
    Doctor,
}

#[derive(Args)]
struct BuildArguments {
    /// Package to build [default: that of the current folder]
    #[arg(short, long, value_name = "PKG")]
    package: Option<String>,
    /// Program to build [default: all of the package]
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// Build with optimizations
    #[arg(short, long)]
    release: bool,
    /// Features to activate
    #[arg(short = 'F', long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Activate all features
    #[arg(long)]
    all_features: bool,
    /// Do not activate the default features
    #[arg(long)]
    no_default_features: bool,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<std::path::PathBuf>,
    /// Show the linker's command line
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Args)]
struct RunArguments {
    #[command(flatten)]
    build: BuildArguments,
    /// Run it as Linux processes of this computer, without devices
    #[arg(long, conflicts_with = "forward")]
    user: bool,
    /// Lead a TCP port of 127.0.0.1 to a port of the machine; may be repeated
    #[arg(long, value_name = "HOSTPORT:GUESTPORT")]
    forward: Vec<Forward>,
    /// Connect the network device to what QEMU's -netdev calls so, without id: tap,ifname=tap0,script=no,downscript=no
    #[arg(long, value_name = "NETDEV", conflicts_with_all = ["user", "forward"])]
    netdev: Option<String>,
    /// CPUs of every ISA, or of each one: 2, or x86_64=2,riscv64=1
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    cpus: Cpus,
    /// Shared memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = fat_image::machine::SHARED_SIZE >> 20)]
    memory: u64,
    /// For the program: NAME=VALUE, or what else it looks for; `place=FUNCTION:CPU` is for its runtime
    #[arg(last = true, value_name = "WORD")]
    command_line: Vec<String>,
}

impl From<BuildArguments> for Options {
    fn from(arguments: BuildArguments) -> Options {
        Options {
            manifest_path: arguments.manifest_path,
            package: arguments.package,
            bin: arguments.bin,
            release: arguments.release,
            features: arguments.features,
            all_features: arguments.all_features,
            no_default_features: arguments.no_default_features,
            verbose: arguments.verbose,
        }
    }
}

fn main() -> ExitCode {
    if let Some(code) = role::play() {
        return code;
    }
    let arguments = std::env::args_os()
        .enumerate()
        .filter(|(at, argument)| *at != 1 || argument != "fat");
    let result = match CommandLine::parse_from(arguments.map(|(_, argument)| argument)).command {
        Subcommands::Build(arguments) => build(&arguments.into(), &mut say).map(|images| {
            for image in images {
                say(&format!("image {}", image.image.display()));
            }
            ExitCode::SUCCESS
        }),
        Subcommands::Run(arguments) => run(arguments),
        Subcommands::Doctor => Ok(doctor()),
    };
    result.unwrap_or_else(|error| {
        anstream::eprintln!("{}", render(&error));
        ExitCode::FAILURE
    })
}

/// A line of progress, in the manner of cargo's.
fn say(line: &str) {
    const BOLD: anstyle::Style = anstyle::AnsiColor::Green.on_default().bold();
    anstream::eprintln!("{BOLD}{:>12}{BOLD:#} {line}", "Fat");
}

fn run(arguments: RunArguments) -> Result<ExitCode, Error> {
    let options: Options = arguments.build.into();
    let images = build(&options, &mut say)?;
    let [image] = images.as_slice() else {
        let programs = images.into_iter().map(|image| image.program).collect();
        return Err(Error::WhichProgram {
            package: options.package.unwrap_or_default(),
            programs,
        });
    };
    let config = Config {
        isas: isas(image)?,
        platform: if arguments.user {
            Platform::User
        } else {
            Platform::Board
        },
        shared: arguments.memory << 20,
        forwards: arguments.forward,
        netdev: arguments.netdev,
        cpus: arguments.cpus,
        command_line: arguments.command_line,
        ..Config::new(&image.image)
    };
    let doing = if arguments.user { "running" } else { "booting" };
    say(&format!("{doing} {}", image.image.display()));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|source| Error::System {
        doing: "await signals",
        source,
    })?;
    let machine = Machine::start(&config, print)?;
    let stopper = machine.stopper();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    });
    if is_typed_at() {
        let keyboard = machine.keyboard();
        std::thread::spawn(move || {
            let lines = std::io::stdin().lines().map_while(Result::ok);
            lines
                .map(|line| keyboard.type_line(&line))
                .all(|typed| typed.is_ok())
        });
    }
    let outcome = machine.wait(None);
    say(&outcome.to_string());
    Ok(outcome.code().into())
}

/// Whether the standard input may be read: a terminal stops who reads it in the background.
fn is_typed_at() -> bool {
    let input = std::io::stdin();
    !input.is_terminal()
        || rustix::termios::tcgetpgrp(input).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn isas(image: &Image) -> Result<Vec<&'static Isa>, Error> {
    image
        .views
        .iter()
        .map(|(name, _)| Isa::named(name))
        .collect()
}

/// Prints a console's line with its CPU's name; one of an emulator is not the program's, and goes to standard error.
fn print(line: &Line<'_>) {
    // A reader that has gone away does not end the machine.
    let _ = match line.source {
        Source::Console => writeln!(std::io::stdout(), "{line}"),
        Source::Emulator | Source::Runner => writeln!(std::io::stderr(), "{line}"),
    };
}

fn doctor() -> ExitCode {
    let tools = tools::tools();
    let _ = write!(std::io::stdout(), "{}", tools::report(&tools));
    if tools.iter().all(|tool| tool.found.is_some()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
