//! The project's commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench` and `cargo xtask fuzz`.
//!
//! Each does everything from a machine with nothing but cargo, git and a C compiler: it installs what is missing, or
//! says how, builds, and runs. Nothing is skipped because it is missing.

mod bench;
mod check;
mod demo;
mod error;
mod fuzz;
mod http;
mod miri;
mod progress;
mod setup;
mod stream;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's commands
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Boot the web server whose TCP runs on one CPU and whose HTTP on another
    Demo {
        /// Test it by its clients' view and end, instead of serving until Ctrl-C
        #[arg(long)]
        check: bool,
        /// Port on 127.0.0.1 [default: 8080, or a free one if that is taken; with --check a free one]
        #[arg(long)]
        port: Option<u16>,
    },
    /// Check it over a bad wire, in a network namespace of this process
    #[command(hide = true)]
    DemoOverBadWire {
        /// The demo's image
        image: std::path::PathBuf,
    },
    /// Run all tests, then the demo's check
    Test,
    /// Measure what users wait for
    #[command(subcommand)]
    Bench(Bench),
    /// Read and link damaged inputs: none may crash the linker or make it hang
    #[command(subcommand)]
    Fuzz(Fuzz),
}

#[derive(Subcommand)]
enum Bench {
    /// Link generated kernels by fatld and by the linkers that are installed, and print their costs as ratios
    Link(bench::Options),
    /// Compare large files by abi-check and by the tools that are installed, and print their costs
    Abi(bench::abi::Options),
    /// Run random programs of tasks on all CPUs, and compare what they give with what they should
    Tasks(bench::tasks::Options),
    /// Measure ways from CPU to CPU beside what the machine takes for them, as processes and on boards
    Switch(bench::switch::Options),
}

#[derive(Subcommand)]
enum Fuzz {
    /// Link seeded mutants of inputs of every kind and ISA, each under a limit of time and memory
    Link(fuzz::Options),
    /// Damage what is read where coverage leads: objects, archives, images, command lines, debug information
    Readers(fuzz::readers::Options),
    /// Link some of them in this process
    #[command(hide = true)]
    Worker(fuzz::worker::Arguments),
}

fn main() -> ExitCode {
    if let Some(code) = fatcc::role::play() {
        return code;
    }
    let result = match CommandLine::parse().command {
        Subcommands::Demo { check: false, port } => demo::serve(port),
        Subcommands::Demo { check: true, port } => demo::check(port),
        Subcommands::DemoOverBadWire { image } => demo::bad::check_here(&image),
        Subcommands::Test => test::run(),
        Subcommands::Bench(Bench::Link(options)) => bench::link(&options),
        Subcommands::Bench(Bench::Abi(options)) => bench::abi::run(&options),
        Subcommands::Bench(Bench::Tasks(options)) => bench::tasks::run(&options),
        Subcommands::Bench(Bench::Switch(options)) => bench::switch::run(&options),
        Subcommands::Fuzz(Fuzz::Link(options)) => fuzz::link(&options),
        Subcommands::Fuzz(Fuzz::Readers(options)) => fuzz::readers::run(&options),
        Subcommands::Fuzz(Fuzz::Worker(arguments)) => fuzz::worker::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}", error.rendered());
            ExitCode::FAILURE
        }
    }
}
