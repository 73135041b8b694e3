//! The C compilers of every ISA and what runs their programs: one row per ISA.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An ISA of the tests: who compiles C for it, so that the code runs at any address, and who runs the result.
pub struct Target {
    /// Its name, as `--slice` wants it.
    pub isa: &'static str,
    /// gcc for it.
    pub gcc: &'static [&'static str],
    /// clang for it.
    pub clang: &'static [&'static str],
    /// Emulator of its Linux processes; none for the host's own.
    pub emulator: Option<&'static str>,
}

/// All of them.
pub const TARGETS: [Target; 3] = [
    Target {
        isa: "x86_64",
        gcc: &["gcc", "-fpie", "-fcf-protection=none"],
        clang: &[
            "clang",
            "--target=x86_64-linux-gnu",
            "-fpie",
            "-fcf-protection=none",
        ],
        emulator: None,
    },
    Target {
        isa: "riscv64",
        gcc: &[
            "riscv64-linux-gnu-gcc",
            "-fno-pic",
            "-mcmodel=medany",
            "-mno-relax",
            "-march=rv64imac",
            "-mabi=lp64",
        ],
        clang: &[
            "clang",
            "--target=riscv64-linux-gnu",
            "-fno-pic",
            "-mcmodel=medany",
            "-mno-relax",
            "-march=rv64imac",
            "-mabi=lp64",
        ],
        emulator: Some("qemu-riscv64"),
    },
    Target {
        isa: "aarch64",
        gcc: &[
            "aarch64-linux-gnu-gcc",
            "-fno-pic",
            "-mcmodel=small",
            "-mno-outline-atomics",
        ],
        clang: &[
            "clang",
            "--target=aarch64-linux-gnu",
            "-fno-pic",
            "-mcmodel=small",
            "-mno-outline-atomics",
        ],
        emulator: Some("qemu-aarch64"),
    },
];

/// Flags of every compilation; those of a test come behind them and win.
pub const FLAGS: &[&str] = &[
    "-c",
    "-O1",
    "-g",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
    "-fno-inline",
    // The psABIs disagree on plain `char`.
    "-funsigned-char",
];

impl Target {
    /// The ISA of this name.
    pub fn of(isa: &str) -> &'static Self {
        let found = TARGETS.iter().find(|target| target.isa == isa);
        found.unwrap_or_else(|| panic!("no compiler is known for {isa}"))
    }

    /// Runs a program of the ISA and returns its exit status; none if a signal ended it.
    pub fn run(&self, program: &Path) -> Option<i32> {
        let mut command = match self.emulator {
            Some(emulator) => Command::new(emulator),
            None => Command::new(program),
        };
        command.args(self.emulator.map(|_| program));
        match output(&mut command) {
            Ok(output) => output.status.code(),
            Err(error) => panic!("{command:?} is needed: {error}"),
        }
    }
}

/// Runs a program that this test may just have written, without input. A child that another test is just starting has for a
/// moment a copy of every file that is open: meanwhile the program is busy.
pub fn output(command: &mut Command) -> io::Result<Output> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let start = Instant::now();
    command.stdin(Stdio::null());
    loop {
        match command.output() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && start.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Ends a process with `answer()` as status, on Linux of any ISA.
const START: &str = r#"
int answer(void);
__attribute__((noreturn)) static void leave(long status) {
#if defined(__x86_64__)
    __asm__ volatile("syscall" :: "a"(231L), "D"(status) : "memory");
#elif defined(__riscv)
    register long a0 __asm__("a0") = status;
    register long a7 __asm__("a7") = 94;
    __asm__ volatile("ecall" :: "r"(a0), "r"(a7) : "memory");
#elif defined(__aarch64__)
    register long x0 __asm__("x0") = status;
    register long x8 __asm__("x8") = 94;
    __asm__ volatile("svc #0" :: "r"(x0), "r"(x8) : "memory");
#endif
    for (;;) { }
}
// A process starts as no call does: on x86_64 the stack is 8 bytes off what a function may expect.
#if defined(__x86_64__)
__attribute__((force_align_arg_pointer))
#endif
__attribute__((noreturn)) void _start(void) { leave(answer()); }
"#;

/// Source of the entry `_start`: a process that ends with `answer()` as its status.
pub fn start() -> String {
    START.to_owned()
}
