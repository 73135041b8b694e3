//! Random programs, compiled by cranelift for three ISAs: what each prints, linked fat or by lld, is what an interpreter
//! of the language says.
//!
//! `FATLD_RANDOM_SEEDS=N` runs N seeds, `FATLD_RANDOM_FIRST=S` begins at another one. A failure names the seed and the
//! smallest size of program that still fails.

mod compile;
#[path = "../../../fatld/tests/common/compilers.rs"]
#[allow(dead_code, reason = "the tests of the linker use the rest")]
mod compilers;
mod generate;
mod interpret;
mod program;

use std::ffi::OsString;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use compile::Style;
use compilers::{TARGETS, Target};
use generate::{Random, Size};
use program::Program;

/// Writes the 8 bytes of `run(1, 2)` and ends.
const START: &str = r#"
unsigned long run(unsigned long, unsigned long);
static long call(long number, long a, long b, long c) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#elif defined(__riscv)
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
#elif defined(__aarch64__)
    register long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x8 __asm__("x8") = number;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
    return x0;
#endif
}
#if defined(__x86_64__)
enum { WRITE = 1, EXIT = 231 };
__attribute__((force_align_arg_pointer))
#else
enum { WRITE = 64, EXIT = 94 };
#endif
void _start(void) {
    unsigned long result = run(1, 2);
    long written = call(WRITE, 1, (long)&result, sizeof result);
    for (;;) call(EXIT, written != sizeof result, 0, 0);
}
"#;

/// The entry for every ISA, compiled once.
fn start() -> &'static [PathBuf; 3] {
    static START_OBJECTS: OnceLock<[PathBuf; 3]> = OnceLock::new();
    START_OBJECTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("random");
        std::fs::create_dir_all(&folder).expect("folder");
        let source = folder.join("start.c");
        std::fs::write(&source, START).expect("source written");
        TARGETS.each_ref().map(|target| {
            let object = folder.join(format!("start.{}.o", target.isa));
            let mut compiler = Command::new(target.gcc[0]);
            compiler.args(&target.gcc[1..]).args(compilers::FLAGS);
            // What cranelift takes for granted on riscv64.
            compiler.args((target.isa == "riscv64").then_some("-march=rv64gc"));
            compiler.args((target.isa == "riscv64").then_some("-mabi=lp64d"));
            compiler.arg("-g0").arg(&source).arg("-o").arg(&object);
            let compiled = output(compiler).expect("the compiler runs");
            assert!(
                compiled.status.success(),
                "{}",
                String::from_utf8_lossy(&compiled.stderr)
            );
            object
        })
    })
}

/// The ISAs of a seed: three, or each the first element of two.
fn targets_of(seed: u64) -> Vec<usize> {
    match seed % 6 {
        2 => vec![0, 1],
        3 => vec![1, 2],
        4 => vec![2, 0],
        _ => vec![0, 1, 2],
    }
}

/// Compiles a program for an ISA; returns the objects in the order of the command line.
fn objects(program: &Program, seed: u64, target: usize, folder: &Path) -> Vec<PathBuf> {
    let mut random = Random::new(seed ^ ((target as u64 + 1) << 32));
    let isa = TARGETS[target].isa;
    let objects = (0..program.objects).map(|object| {
        let style = Style::random(&mut random);
        let bytes = compile::object(program, object, isa, style);
        let path = folder.join(format!("{object}.{isa}.o"));
        std::fs::write(&path, bytes).expect("object written");
        path
    });
    objects.chain([start()[target].clone()]).collect()
}

/// Runs a command and returns what it printed.
fn output(mut command: Command) -> Result<Output, String> {
    compilers::output(&mut command).map_err(|error| format!("{command:?}: {error}"))
}

/// Links by the linker under test.
fn by_fatld(arguments: Vec<OsString>) -> Result<(), String> {
    match catch_unwind(|| fatld::link(arguments)) {
        Ok(linked) => linked.map_err(|error| error.to_string()),
        Err(_) => Err("the linker panics".to_owned()),
    }
}

/// What a program prints.
fn printed(target: &Target, program: &Path) -> Result<i64, String> {
    let mut command = match target.emulator {
        Some(emulator) => Command::new(emulator),
        None => Command::new(program),
    };
    command.args(target.emulator.map(|_| program));
    let name = format!("{command:?}");
    let output = output(command)?;
    match <[u8; 8]>::try_from(output.stdout.as_slice()) {
        Ok(bytes) if output.status.success() => Ok(i64::from_le_bytes(bytes)),
        _ => Err(format!("{name}: {}", output.status)),
    }
}

/// Compiles, links and runs the program of a seed; an error says what went wrong.
fn check(seed: u64, size: Size) -> Result<(), String> {
    let program = generate::generate(seed, size);
    let expected = interpret::run(&program);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let targets = targets_of(seed);
    let mut arguments: Vec<OsString> = vec!["-o".into(), folder.path().join("fat").into()];
    let mut views = Vec::new();
    for target in targets {
        let isa = TARGETS[target].isa;
        let inputs = objects(&program, seed, target, folder.path());
        let alone = folder.path().join(format!("{isa}.lld"));
        by_lld(&inputs, &alone)?;
        let theirs = printed(&TARGETS[target], &alone)?;
        if theirs != expected {
            return Err(format!(
                "{isa}: lld's link prints {theirs:#x}, not {expected:#x}: the test itself is wrong"
            ));
        }
        let view = folder.path().join(format!("{isa}.elf"));
        arguments.extend(["--slice".into(), isa.into()]);
        arguments.extend(inputs.into_iter().map(OsString::from));
        arguments.extend(["--view".into(), format!("{isa}={}", view.display()).into()]);
        views.push((&TARGETS[target], view));
    }
    by_fatld(arguments)?;
    for (target, view) in views {
        let ours = printed(target, &view)?;
        if ours != expected {
            return Err(format!(
                "{}: prints {ours:#x}, not {expected:#x}",
                target.isa
            ));
        }
    }
    Ok(())
}

/// Links one slice by lld.
fn by_lld(inputs: &[PathBuf], to: &Path) -> Result<(), String> {
    let mut command = Command::new(testsuite::rust_lld());
    command
        .args(["-flavor", "gnu", "-static", "-z", "noexecstack", "-o"])
        .arg(to)
        .args(inputs);
    let output = output(command)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The smallest size at which a seed still fails, and how.
fn shrink(seed: u64, mut size: Size, mut error: String) -> (Size, String) {
    'smaller: loop {
        for smaller in size.smaller() {
            if let Err(why) = check(seed, smaller) {
                (size, error) = (smaller, why);
                continue 'smaller;
            }
        }
        return (size, error);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Runs every `parts`-th seed, so that the tests below share the work.
fn run_part(part: u64, parts: u64) {
    let (first, count) = (
        number("FATLD_RANDOM_FIRST", 0),
        number("FATLD_RANDOM_SEEDS", 96),
    );
    for seed in (first..first + count).filter(|seed| seed % parts == part) {
        if let Err(error) = check(seed, Size::FULL) {
            let (size, error) = shrink(seed, Size::FULL, error);
            panic!(
                "seed {seed} fails (FATLD_RANDOM_FIRST={seed} FATLD_RANDOM_SEEDS=1), at least at {size:?}: {error}"
            );
        }
    }
}

#[test]
fn programs_of_even_seeds_print_what_the_interpreter_says() {
    run_part(0, 2);
}

#[test]
fn programs_of_odd_seeds_print_what_the_interpreter_says() {
    run_part(1, 2);
}
