//! Small C programs, compiled for every ISA and linked by the command, as a user would.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// ISAs and the commands that compile C for them, so that code runs at any address.
pub const COMPILERS: [(&str, &[&str]); 2] = [
    ("x86_64", &["gcc", "-fpie", "-fcf-protection=none"]),
    (
        "riscv64",
        &[
            "riscv64-linux-gnu-gcc",
            "-fno-pic",
            "-mcmodel=medany",
            "-mno-relax",
            "-march=rv64imac",
            "-mabi=lp64",
        ],
    ),
];

const FLAGS: &[&str] = &[
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

/// A folder of a test, its inputs, and the command line they add up to.
pub struct Link {
    /// The folder.
    pub dir: tempfile::TempDir,
    slices: [Vec<PathBuf>; 2],
    options: Vec<String>,
}

impl Link {
    /// A link without inputs.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        Self {
            dir,
            slices: [Vec::new(), Vec::new()],
            options: Vec::new(),
        }
    }

    /// Compiles one source for all ISAs and adds the objects.
    pub fn c(self, name: &str, source: &str) -> Self {
        self.c_with(name, source, [&[], &[]])
    }

    /// The same with more flags for each ISA.
    pub fn c_with(mut self, name: &str, source: &str, flags: [&[&str]; 2]) -> Self {
        for (slice, flags) in flags.into_iter().enumerate() {
            let object = self.compile(slice, name, source, flags);
            self.slices[slice].push(object);
        }
        self
    }

    /// Adds a source to one slice only.
    pub fn c_on(mut self, slice: usize, name: &str, source: &str) -> Self {
        let object = self.compile(slice, name, source, &[]);
        self.slices[slice].push(object);
        self
    }

    /// Adds an input as it is.
    pub fn input(mut self, slice: usize, path: PathBuf) -> Self {
        self.slices[slice].push(path);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.options.push(argument.into());
        self
    }

    /// Compiles a source and returns the object.
    pub fn compile(&self, slice: usize, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let (isa, command) = COMPILERS[slice];
        let folder = self.path(isa);
        std::fs::create_dir_all(&folder).expect("folder");
        let (file, object) = (
            self.path(&format!("{name}.c")),
            folder.join(format!("{name}.o")),
        );
        std::fs::write(&file, source).expect("source written");
        let mut gcc = Command::new(command[0]);
        gcc.args(&command[1..])
            .args(FLAGS)
            .args(flags)
            .arg(format!("{name}.c"))
            .arg("-o")
            .arg(&object);
        let output = gcc.current_dir(self.dir.path()).output();
        let output = output.unwrap_or_else(|e| panic!("{} is needed: {e}", command[0]));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        object
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The image.
    pub fn image(&self) -> PathBuf {
        self.path("out.fat")
    }

    /// Runs the command.
    pub fn run(&self) -> Output {
        self.command().output().expect("fatld runs")
    }

    /// The command, ready to run.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fatld"));
        command.current_dir(self.dir.path()).args(["-o", "out.fat"]);
        for ((isa, _), inputs) in COMPILERS.iter().zip(&self.slices) {
            command.args(["--slice", isa]);
            command.args(
                inputs
                    .iter()
                    .map(|i| i.strip_prefix(self.dir.path()).unwrap_or(i)),
            );
        }
        command.args(&self.options);
        command
    }

    /// Links with views and a map, quietly, and returns the image's bytes.
    pub fn ok(self) -> Linked {
        let link = self
            .arg("--view=x86_64=x86_64.elf")
            .arg("--view=riscv64=riscv64.elf")
            .arg("-Map=out.map");
        let output = link.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), said.as_str(), output.stdout.len()),
            (Some(0), "", 0)
        );
        let image = std::fs::read(link.image()).expect("image");
        Linked { link, image }
    }

    /// Links, expecting a refusal with this status, and returns what was said.
    pub fn refused(&self, status: i32) -> String {
        let output = self.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(!self.image().exists(), "an image was left behind");
        let stray = std::fs::read_dir(self.dir.path())
            .expect("folder")
            .flatten();
        assert!(
            !stray
                .into_iter()
                .any(|f| f.file_name().to_string_lossy().starts_with(".fatld")),
            "a part was left behind"
        );
        said
    }
}

/// A finished link.
pub struct Linked {
    /// How it was made.
    pub link: Link,
    /// The image.
    pub image: Vec<u8>,
}

impl Linked {
    /// Runs each view as a Linux process and returns the exit statuses.
    pub fn run_views(&self) -> [Option<i32>; 2] {
        let run = |command: &mut Command| command.output().expect("runs").status.code();
        let [x86_64, riscv64] = ["x86_64.elf", "riscv64.elf"].map(|view| self.link.path(view));
        [
            run(&mut Command::new(x86_64)),
            run(Command::new("qemu-riscv64").arg(riscv64)),
        ]
    }

    /// The map.
    pub fn map(&self) -> String {
        std::fs::read_to_string(self.link.path("out.map")).expect("map")
    }
}

/// Ends a process with `answer()` as status, on Linux of either ISA.
pub const START: &str = r#"
int answer(void);
__attribute__((noreturn)) static void leave(long status) {
#if defined(__x86_64__)
    __asm__ volatile("syscall" :: "a"(231L), "D"(status) : "memory");
#elif defined(__riscv)
    register long a0 __asm__("a0") = status;
    register long a7 __asm__("a7") = 94;
    __asm__ volatile("ecall" :: "r"(a0), "r"(a7) : "memory");
#endif
    for (;;) { }
}
__attribute__((noreturn, force_align_arg_pointer_if_x86)) void _start(void) { leave(answer()); }
"#;

/// [`START`] with the stack aligned as each psABI wants it at a function's entry.
pub fn start() -> String {
    START.replace("force_align_arg_pointer_if_x86", "used")
}
