//! The programs that are needed, where they are, and what installs them: `cargo fat doctor`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::isa::ISAS;
use crate::toolchain::{self, DEBIAN_PACKAGES, Toolchain};

/// What a tool is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `cargo fat build`.
    Build,
    /// `cargo fat run`.
    Run,
    /// `cargo fat run --user`.
    User,
    /// The project's tests.
    Test,
}

impl Need {
    fn name(self) -> &'static str {
        match self {
            Need::Build => "build",
            Need::Run => "run",
            Need::User => "user",
            Need::Test => "test",
        }
    }
}

/// How a tool is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Install {
    /// By these Debian packages.
    Packages(&'static [&'static str]),
    /// By this rustup component; where rustup cannot, by these Debian packages.
    Component(&'static str, &'static [&'static str]),
    /// By the first of these Debian packages that the distribution has.
    FirstOf(&'static [&'static str]),
    /// By a toolchain of rustup.
    Rustup,
}

impl Install {
    /// The line that does it.
    pub fn line(&self) -> String {
        match self {
            Install::Packages(packages) => format!("apt-get install {}", packages.join(" ")),
            Install::Component(component, packages) => {
                format!(
                    "rustup component add {component}, or apt-get install {}",
                    packages.join(" ")
                )
            }
            Install::FirstOf(packages) => format!("apt-get install {}", packages.join(" or ")),
            Install::Rustup => "rustup toolchain install stable".to_owned(),
        }
    }
}

/// A tool, found or missing.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it is needed for.
    pub need: Need,
    /// Where it is and what version, if it was found.
    pub found: Option<Found>,
    /// How to install it.
    pub install: Install,
}

/// Where a tool is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file or folder.
    pub path: PathBuf,
    /// What it says of its version.
    pub version: String,
}

/// The file that a program's name stands for.
pub fn which(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|dir| dir.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// First line of what a program says of its version. A program that says none is as good as missing.
fn version(path: &Path, arguments: &[&str]) -> Option<Found> {
    let output = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Some(Found {
        path: path.to_owned(),
        version: text.lines().next().unwrap_or("").trim().to_owned(),
    })
}

fn program(name: &'static str, need: Need, install: Install) -> Tool {
    let found = which(name).and_then(|path| version(&path, &["--version"]));
    Tool {
        name,
        need,
        found,
        install,
    }
}

/// Programs of the project's tests, and the packages they come in.
const TEST_PROGRAMS: &[(&str, &[&str])] = &[
    ("qemu-aarch64", &["qemu-user"]),
    (
        "riscv64-linux-gnu-gcc",
        &["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"],
    ),
    (
        "aarch64-linux-gnu-gcc",
        &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    ),
    ("arm-linux-gnueabihf-gcc", &["gcc-arm-linux-gnueabihf"]),
    ("i686-linux-gnu-gcc", &["gcc-i686-linux-gnu"]),
    ("powerpc64-linux-gnu-gcc", &["gcc-powerpc64-linux-gnu"]),
    ("s390x-linux-gnu-gcc", &["gcc-s390x-linux-gnu"]),
    ("clang", &["clang"]),
    ("dwz", &["dwz"]),
    ("dwp", &["binutils"]),
    ("llvm-dwp", &["llvm"]),
    ("ld.lld", &["lld"]),
    ("g++", &["g++"]),
    ("riscv64-linux-gnu-g++", &["g++-riscv64-linux-gnu"]),
];

/// All tools, in the order in which they are needed.
pub fn tools() -> Vec<Tool> {
    let (toolchain, source) = match toolchain::find() {
        Ok(toolchain) => {
            let source = toolchain.std_source();
            (Some(toolchain), source)
        }
        Err(search) => (search.without_source.into_iter().next(), None),
    };
    let of = |path: fn(&Toolchain) -> &Path, arguments: &[&str]| {
        toolchain
            .as_ref()
            .and_then(|toolchain| version(path(toolchain), arguments))
    };
    let named = |path: PathBuf| {
        let version = toolchain.as_ref().map_or(String::new(), |toolchain| {
            format!("of {}", toolchain.name())
        });
        Found { path, version }
    };
    let mut tools = vec![
        Tool {
            name: "rustc",
            need: Need::Build,
            found: of(|t| &t.rustc, &["--version"]),
            install: Install::Rustup,
        },
        Tool {
            name: "cargo",
            need: Need::Build,
            found: of(|t| &t.cargo, &["--version"]),
            install: Install::Rustup,
        },
        Tool {
            name: "standard library's source",
            need: Need::Build,
            found: source.map(named),
            install: Install::Component("rust-src", &DEBIAN_PACKAGES),
        },
    ];
    for isa in ISAS {
        tools.push(program(
            isa.qemu,
            Need::Run,
            Install::FirstOf(isa.qemu_packages),
        ));
    }
    // This computer runs its own programs.
    for isa in ISAS.iter().filter(|isa| !isa.is_host()) {
        tools.push(program(
            isa.user_emulator,
            Need::User,
            Install::Packages(isa.user_packages),
        ));
    }
    let for_tests = TEST_PROGRAMS.iter();
    tools.extend(
        for_tests.map(|(name, packages)| program(name, Need::Test, Install::Packages(packages))),
    );
    tools.push(Tool {
        name: "rust-lld",
        need: Need::Test,
        found: rust_lld(),
        install: Install::Rustup,
    });
    tools
}

/// The linker that comes with a toolchain of rustup, whichever toolchain builds.
fn rust_lld() -> Option<Found> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let path = hosts
        .flatten()
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|path| is_program(path))?;
    version(&path, &["-flavor", "gnu", "--version"])
}

/// The list of tools as text, a line or two each.
pub fn report(tools: &[Tool]) -> String {
    let width = tools.iter().map(|tool| tool.name.len()).max().unwrap_or(0);
    tools.iter().fold(String::new(), |text, tool| {
        let need = tool.need.name();
        let line = match &tool.found {
            Some(found) => format!(
                "ok       {need:5}  {:width$}  {}, {}\n",
                tool.name,
                found.path.display(),
                found.version
            ),
            None => format!(
                "MISSING  {need:5}  {:width$}  {}\n",
                tool.name,
                tool.install.line()
            ),
        };
        text + &line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_come_with_what_installs_them() {
        let tool = |name, found| Tool {
            name,
            need: Need::Run,
            found,
            install: Install::Packages(&["a", "b"]),
        };
        let found = Found {
            path: "/bin/x".into(),
            version: "x 1".to_owned(),
        };
        assert_eq!(
            report(&[tool("x", Some(found)), tool("long", None)]),
            "ok       run    x     /bin/x, x 1\nMISSING  run    long  apt-get install a b\n"
        );
    }

    #[test]
    fn programs_are_found_by_their_names() {
        assert!(which("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(which("no-such-program-anywhere"), None);
    }
}
