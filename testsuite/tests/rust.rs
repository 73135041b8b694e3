//! Rust without a standard library beside C, for three ISAs, linked fat and plain: `programs/selfcheck` as a Linux process
//! finds nothing wrong.
//!
//! The archives come from cargo as it is: crates have another hash on each ISA.

#[path = "../../fatld/tests/common/compilers.rs"]
#[allow(dead_code, reason = "the tests of the linker use the rest")]
mod compilers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use compilers::{FLAGS, TARGETS, Target, start};
use testsuite::workspace;

/// rustc's names of the ISAs, without floating-point registers.
const RUST_TARGETS: [&str; 3] = [
    "x86_64-unknown-none",
    "riscv64imac-unknown-none-elf",
    "aarch64-unknown-none-softfloat",
];

/// What layouts and names need to be equal; `cargo fat` has the reasons.
const RUSTFLAGS: &str = "-Csymbol-mangling-version=v0 -Ccodegen-units=1 -Cforce-frame-pointers=yes \
    -Zmerge-functions=disabled -Cllvm-args=-riscv-enable-global-merge=false";

/// Folder of what is made here.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("selfcheck")
}

/// The archive of each ISA, with `core` and `alloc` in it.
fn archives() -> [PathBuf; 3] {
    let toolchain =
        fatcc::toolchain::find().expect("a toolchain with the standard library's source");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.args(["build", "--release", "-p", "selfcheck"]).args([
        "-Zbuild-std=core,alloc,compiler_builtins",
        "-Zbuild-std-features=compiler-builtins-mem",
    ]);
    for target in RUST_TARGETS {
        cargo.args(["--target", target]);
    }
    cargo.arg("--target-dir").arg(folder());
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("RUSTC", &toolchain.rustc);
    cargo.envs([
        ("RUSTC_BOOTSTRAP", "1"),
        ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "2"),
    ]);
    succeed(cargo.current_dir(workspace()));
    RUST_TARGETS.map(|target| folder().join(target).join("release/libselfcheck.a"))
}

fn succeed(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The objects of C for an ISA: the entry, and the program's own.
fn objects(target: &Target) -> Vec<PathBuf> {
    let entry = folder().join("start.c");
    std::fs::write(&entry, start()).expect("source written");
    let own = workspace().join("testsuite/programs/selfcheck/beside.c");
    let compiled = [("start", entry), ("beside", own)].map(|(name, source)| {
        let object = folder().join(format!("{name}.{}.o", target.isa));
        let mut compiler = Command::new(target.gcc[0]);
        compiler.args(&target.gcc[1..]).args(FLAGS);
        succeed(compiler.arg(source).arg("-o").arg(&object));
        object
    });
    compiled.into()
}

fn link(arguments: Vec<OsString>) {
    if let Err(error) = fatld::link(arguments) {
        panic!("{error}");
    }
}

#[test]
fn rust_and_c_check_themselves_on_every_isa() {
    let archives = archives();
    let inputs: Vec<Vec<OsString>> = TARGETS
        .iter()
        .zip(archives)
        .map(|(target, archive)| {
            objects(target)
                .into_iter()
                .chain([archive])
                .map(OsString::from)
                .collect()
        })
        .collect();
    let out = |name: String| folder().join(name).into_os_string();
    let mut fat: Vec<OsString> = vec!["-o".into(), out("fat".to_owned())];
    for (target, inputs) in TARGETS.iter().zip(&inputs) {
        let view = folder().join(format!("{}.view", target.isa));
        fat.extend(["--slice".into(), target.isa.into()]);
        fat.extend(inputs.iter().cloned());
        fat.extend([
            "--view".into(),
            format!("{}={}", target.isa, view.display()).into(),
        ]);
    }
    link(fat);
    for (target, inputs) in TARGETS.iter().zip(&inputs) {
        let plain = out(format!("{}.plain", target.isa));
        let mut arguments: Vec<OsString> = vec!["-o".into(), plain];
        arguments.extend(inputs.iter().cloned());
        link(arguments);
    }
    for form in ["view", "plain"] {
        for target in &TARGETS {
            let program = folder().join(format!("{}.{form}", target.isa));
            assert_eq!(target.run(&program), Some(42), "{}", program.display());
        }
    }
}
