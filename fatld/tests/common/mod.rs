//! Small C programs, compiled for every ISA and linked by the command, as a user would.
#![allow(dead_code, reason = "each test binary uses its part")]

mod compilers;
mod everywhere;

use std::path::PathBuf;
use std::process::{Command, Output};

#[allow(unused_imports, reason = "each test binary uses its part")]
pub use compilers::{FLAGS, TARGETS, Target, start};

/// The inputs of one ISA and who compiles them.
struct Slice {
    target: &'static Target,
    clang: bool,
    inputs: Vec<PathBuf>,
}

/// A folder of a test, its inputs, and the command line they add up to.
pub struct Link {
    /// The folder.
    pub dir: tempfile::TempDir,
    slices: Vec<Slice>,
    /// One slice without `--slice`, as of an ordinary static linker.
    plain: bool,
    options: Vec<String>,
}

impl Link {
    /// A link of x86_64 and riscv64 without inputs.
    pub fn new() -> Self {
        Self::of(&["x86_64", "riscv64"])
    }

    /// A fat link of these ISAs, the first element first, without inputs.
    pub fn of(isas: &[&str]) -> Self {
        let slices = isas.iter().map(|isa| Slice {
            target: Target::of(isa),
            clang: false,
            inputs: Vec::new(),
        });
        Self {
            dir: tempfile::tempdir().expect("temporary folder"),
            slices: slices.collect(),
            plain: false,
            options: Vec::new(),
        }
    }

    /// A fat link of all ISAs without inputs.
    pub fn all() -> Self {
        Self::of(&TARGETS.map(|target| target.isa))
    }

    /// A link of one ISA as by an ordinary static linker, without inputs.
    pub fn plain(isa: &str) -> Self {
        Self {
            plain: true,
            ..Self::of(&[isa])
        }
    }

    /// Has clang, not gcc, compile what is added for an ISA from here on.
    pub fn by_clang(mut self, isa: &str) -> Self {
        let slice = self.slices.iter_mut().find(|slice| slice.target.isa == isa);
        slice.expect("an ISA of the link").clang = true;
        self
    }

    /// Compiles one source for all ISAs and adds the objects.
    pub fn c(mut self, name: &str, source: &str) -> Self {
        for slice in 0..self.slices.len() {
            self = self.c_on(slice, name, source);
        }
        self
    }

    /// The same with more flags for each ISA.
    pub fn c_with<const N: usize>(mut self, name: &str, source: &str, flags: [&[&str]; N]) -> Self {
        assert_eq!(N, self.slices.len(), "flags for each slice");
        for (slice, flags) in flags.into_iter().enumerate() {
            let object = self.compile(slice, name, source, flags);
            self.slices[slice].inputs.push(object);
        }
        self
    }

    /// Adds a source to one slice only.
    pub fn c_on(mut self, slice: usize, name: &str, source: &str) -> Self {
        let object = self.compile(slice, name, source, &[]);
        self.slices[slice].inputs.push(object);
        self
    }

    /// Adds an input as it is.
    pub fn input(mut self, slice: usize, path: PathBuf) -> Self {
        self.slices[slice].inputs.push(path);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.options.push(argument.into());
        self
    }

    /// Compiles a source and returns the object.
    pub fn compile(&self, slice: usize, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let Slice { target, clang, .. } = self.slices[slice];
        let command = if clang { target.clang } else { target.gcc };
        let folder = self.path(target.isa);
        std::fs::create_dir_all(&folder).expect("folder");
        let (file, object) = (
            self.path(&format!("{name}.c")),
            folder.join(format!("{name}.o")),
        );
        std::fs::write(&file, source).expect("source written");
        let mut compiler = Command::new(command[0]);
        compiler
            .args(&command[1..])
            .args(FLAGS)
            .args(flags)
            .arg(format!("{name}.c"))
            .arg("-o")
            .arg(&object);
        let output = compiler.current_dir(self.dir.path()).output();
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

    /// The image, or the plain program.
    pub fn image(&self) -> PathBuf {
        self.path(self.output())
    }

    fn output(&self) -> &'static str {
        if self.plain { "out" } else { "out.fat" }
    }

    /// Runs the command.
    pub fn run(&self) -> Output {
        self.command().output().expect("fatld runs")
    }

    /// The command, ready to run.
    pub fn command(&self) -> Command {
        let all: Vec<usize> = (0..self.slices.len()).collect();
        self.command_of(&all, self.plain, self.output())
    }

    /// The command that links some of the slices.
    fn command_of(&self, slices: &[usize], plain: bool, output: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fatld"));
        command.current_dir(self.dir.path()).args(["-o", output]);
        for slice in slices.iter().map(|slice| &self.slices[*slice]) {
            if !plain {
                command.args(["--slice", slice.target.isa]);
            }
            let inputs = slice.inputs.iter();
            command.args(inputs.map(|i| i.strip_prefix(self.dir.path()).unwrap_or(i)));
        }
        command.args(&self.options);
        command
    }

    /// The view of an ISA.
    fn view(target: &Target) -> String {
        format!("{}.elf", target.isa)
    }

    /// Links quietly, with a map and, unless it is plain, with views, and returns the image's bytes.
    pub fn ok(mut self) -> Linked {
        if !self.plain {
            let views = self.slices.iter().map(|slice| slice.target);
            let views = views.map(|target| format!("--view={}={}", target.isa, Self::view(target)));
            self.options.extend(views);
        }
        let link = self.arg("-Map=out.map");
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
    /// Runs each view, or the plain program, as a Linux process and returns the exit statuses.
    pub fn run_views(&self) -> Vec<Option<i32>> {
        let link = &self.link;
        if link.plain {
            return vec![link.slices[0].target.run(&link.image())];
        }
        let targets = link.slices.iter().map(|slice| slice.target);
        targets
            .map(|target| target.run(&link.path(&Link::view(target))))
            .collect()
    }

    /// The map.
    pub fn map(&self) -> String {
        std::fs::read_to_string(self.link.path("out.map")).expect("map")
    }
}
