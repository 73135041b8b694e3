//! `cargo fat build`: one cargo build for all ISAs, then one link for each program.
//!
//! One invocation of cargo, not one per ISA, so that features are resolved once and host crates are compiled once.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::files;
use crate::link;
use crate::plan::{Options, Plan, plan};
use crate::record::{self, Record};
use crate::role::Role;
use crate::toolchain::{self, Toolchain};
use crate::wrapper;

/// Flags of every target crate. cargo sees them, so that a change of one compiles everything anew.
///
/// Layouts are proved equal by debugging information (`debuginfo`, `debug-info-type-line-numbers`); names must be
/// equal (`v0`) and not depend on how a crate is cut into objects (`codegen-units`); LLVM must not fuse functions or
/// statics on one ISA only (`merge-functions`, `global-merge`).
const RUSTFLAGS: [&str; 7] = [
    "-Csymbol-mangling-version=v0",
    "-Ccodegen-units=1",
    "-Cdebuginfo=2",
    "-Cforce-frame-pointers=yes",
    "-Zmerge-functions=disabled",
    "-Zdebug-info-type-line-numbers=yes",
    "-Cllvm-args=-riscv-enable-global-merge=false",
];

/// Settings of both profiles, whatever the workspace says: one panic strategy, whole debugging information, objects
/// that are neither merged nor split nor reused in part.
const PROFILE: [(&str, &str); 7] = [
    ("PANIC", "abort"),
    ("DEBUG", "2"),
    ("CODEGEN_UNITS", "1"),
    ("STRIP", "none"),
    ("LTO", "off"),
    ("INCREMENTAL", "false"),
    ("SPLIT_DEBUGINFO", "off"),
];

/// Settings of the caller's environment that would contradict ours.
const REMOVED: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_INCREMENTAL",
];

/// An image and what comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The program's name.
    pub program: String,
    /// The image.
    pub image: PathBuf,
    /// The view of each ISA: its name and the file.
    pub views: Vec<(&'static str, PathBuf)>,
    /// The linker's map.
    pub map: PathBuf,
}

/// Builds the images of a package. `say` gets a line on what cargo does not say itself.
pub fn build(options: &Options, say: &mut dyn FnMut(&str)) -> Result<Vec<Image>, Error> {
    let toolchain = toolchain::find_or_add_source(say)?;
    let plan = plan(options, &toolchain)?;
    let mut cargo = cargo(options, &plan, &toolchain)?;
    let status = cargo.status().map_err(|source| Error::Start {
        program: toolchain.cargo.clone(),
        source,
    })?;
    if !status.success() {
        return Err(Error::Cargo {
            package: plan.package,
            status,
        });
    }
    plan.programs
        .iter()
        .map(|program| image(options, &plan, program, say))
        .collect()
}

/// The cargo invocation, with everything on its environment.
fn cargo(options: &Options, plan: &Plan, toolchain: &Toolchain) -> Result<Command, Error> {
    let mut cargo = Command::new(&toolchain.cargo);
    cargo
        .args(["build", "--manifest-path"])
        .arg(&plan.manifest_path)
        .args(["--package", &plan.package]);
    match &options.bin {
        Some(bin) => cargo.args(["--bin", bin]),
        None => cargo.arg("--bins"),
    };
    for isa in &plan.isas {
        cargo.args(["--target", isa.target]);
    }
    cargo.arg("--target-dir").arg(plan.cargo_target());
    cargo.args([
        "-Zbuild-std=core,alloc,compiler_builtins",
        "-Zbuild-std-features=compiler-builtins-mem",
    ]);
    for features in &options.features {
        cargo.args(["--features", features]);
    }
    let switches = [
        (options.release, "--release"),
        (options.all_features, "--all-features"),
        (options.no_default_features, "--no-default-features"),
    ];
    cargo.args(switches.iter().filter(|(on, _)| *on).map(|(_, flag)| flag));

    for name in REMOVED {
        cargo.env_remove(name);
    }
    let profile = if options.release { "RELEASE" } else { "DEV" };
    cargo.envs(PROFILE.map(|(name, value)| (format!("CARGO_PROFILE_{profile}_{name}"), value)));
    let mut flags = RUSTFLAGS.join("\x1f");
    flags += &format!(
        "\x1f--cfg\x1ffatcc=\"{}\"\x1f--check-cfg\x1fcfg(fatcc,values(any()))",
        wrapper::REVISION
    );
    let ourselves = std::env::current_exe().map_err(|source| Error::System {
        doing: "find our own program",
        source,
    })?;
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_WRAPPER", ourselves)
        .env("RUSTC_BOOTSTRAP", "1")
        .env(wrapper::RUSTC_VERSION, &toolchain.version)
        .stdin(Stdio::null());
    Role::Wrapper.set(&mut cargo);
    Ok(cargo)
}

fn image(
    options: &Options,
    plan: &Plan,
    program: &str,
    say: &mut dyn FnMut(&str),
) -> Result<Image, Error> {
    let records = plan
        .isas
        .iter()
        .map(|isa| Ok((isa.name, files::read_json(&plan.record(isa, program))?)))
        .collect::<Result<Vec<(&str, Record)>, Error>>()?;
    let slices: Vec<(&str, &Record)> = records.iter().map(|(isa, record)| (*isa, record)).collect();
    record::compare(&slices)?;

    let dir = plan.images();
    let image = Image {
        program: program.to_owned(),
        image: dir.join(format!("{program}.fat")),
        views: plan
            .isas
            .iter()
            .map(|isa| (isa.name, dir.join(format!("{program}.{}.elf", isa.name))))
            .collect(),
        map: dir.join(format!("{program}.map")),
    };
    let arguments = link::command_line(plan, &slices, &image);
    if options.verbose {
        let words: Vec<_> = arguments
            .iter()
            .map(|word: &OsString| word.to_string_lossy())
            .collect();
        say(&format!("fatld {}", words.join(" ")));
    }
    link::link(&arguments, &slices, &image)?;
    Ok(image)
}
