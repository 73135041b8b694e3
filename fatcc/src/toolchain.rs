//! The Rust toolchain of a build: the first one that has its own standard library's source.
//!
//! `core` and `alloc` must be compiled together with the program, because the compiled ones have other crate hashes
//! on each target. That needs their source, of the very same rustc.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The line that installs Debian's toolchain with source, side by side with any other.
pub const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Oldest release that the runtime can be compiled with.
const OLDEST: (u32, u32) = (1, 95);

/// Programs of one toolchain, and what they call themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Folder of its libraries.
    pub sysroot: PathBuf,
    /// The compiler.
    pub rustc: PathBuf,
    /// cargo.
    pub cargo: PathBuf,
    /// `rustc -vV`.
    pub version: String,
}

impl Toolchain {
    /// Its standard library's source, if it is there.
    pub fn std_source(&self) -> Option<PathBuf> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        library.join("Cargo.lock").is_file().then_some(library)
    }

    /// First line of [`Toolchain::version`].
    pub fn name(&self) -> &str {
        self.version.lines().next().unwrap_or("rustc")
    }

    /// The host's target.
    pub fn host(&self) -> Option<&str> {
        self.version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
    }

    /// The toolchain that a `rustc` belongs to, or why it is none.
    fn of(rustc: &Path) -> Result<Toolchain, String> {
        let ask = |arguments: &[&str]| -> Result<String, String> {
            let output = Command::new(rustc)
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .map_err(|error| format!("{}: {error}", rustc.display()))?;
            let text = String::from_utf8_lossy(if output.status.success() {
                &output.stdout
            } else {
                &output.stderr
            });
            let text = text.trim().to_owned();
            if output.status.success() {
                Ok(text)
            } else {
                Err(format!("{}: {text}", rustc.display()))
            }
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let version = ask(&["-vV"])?;
        let own = |program: &str| {
            let path = sysroot.join("bin").join(program);
            path.is_file().then_some(path)
        };
        // A proxy of rustup would choose a toolchain once more, maybe another one.
        let rustc = own("rustc").unwrap_or_else(|| rustc.to_owned());
        let cargo = own("cargo").unwrap_or_else(|| "cargo".into());
        let toolchain = Toolchain {
            sysroot,
            rustc,
            cargo,
            version,
        };
        match release(&toolchain.version) {
            Some(release) if release >= OLDEST => Ok(toolchain),
            _ => Err(format!(
                "{}: {} is older than {}.{}",
                toolchain.rustc.display(),
                toolchain.name(),
                OLDEST.0,
                OLDEST.1
            )),
        }
    }

    /// rustup's name of it, if it is one of rustup's.
    fn rustup_name(&self) -> Option<&str> {
        let parent = self.sysroot.parent()?;
        if parent.file_name()? == "toolchains" {
            self.sysroot.file_name()?.to_str()
        } else {
            None
        }
    }
}

/// Release of `rustc -vV`, as major and minor.
fn release(version: &str) -> Option<(u32, u32)> {
    let release = version
        .lines()
        .find_map(|line| line.strip_prefix("release: "))?;
    let mut numbers = release.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What was looked at on the way.
#[derive(Debug, Default)]
pub struct Search {
    /// Toolchains without source.
    pub without_source: Vec<Toolchain>,
    /// A line on each of them, and on what is no usable toolchain.
    pub tried: Vec<String>,
}

/// The first toolchain with source, without installing anything.
pub fn find() -> Result<Toolchain, Search> {
    let mut search = Search::default();
    for rustc in ["rustc", "/usr/bin/rustc"] {
        match Toolchain::of(Path::new(rustc)) {
            Ok(toolchain) if toolchain.std_source().is_some() => return Ok(toolchain),
            Ok(toolchain)
                if search
                    .without_source
                    .iter()
                    .any(|seen| seen.sysroot == toolchain.sysroot) => {}
            Ok(toolchain) => {
                search.tried.push(format!(
                    "  {} in {} has no lib/rustlib/src/rust/library",
                    toolchain.name(),
                    toolchain.sysroot.display()
                ));
                search.without_source.push(toolchain);
            }
            Err(line) => search.tried.push(format!("  {line}")),
        }
    }
    Err(search)
}

/// The first toolchain with source; if there is none, rustup is asked to add it. `say` gets a line on that.
pub fn find_or_add_source(say: &mut dyn FnMut(&str)) -> Result<Toolchain, Error> {
    let mut search = match find() {
        Ok(toolchain) => return Ok(toolchain),
        Err(search) => search,
    };
    for name in search
        .without_source
        .iter()
        .filter_map(Toolchain::rustup_name)
    {
        say(&format!(
            "adding the standard library's source to toolchain {name} (rustup component add rust-src)"
        ));
        let result = Command::new("rustup")
            .args(["component", "add", "rust-src", "--toolchain", name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        search.tried.push(match result {
            Ok(output) if output.status.success() => break,
            Ok(output) => {
                let words = String::from_utf8_lossy(&output.stderr);
                let last = words
                    .lines()
                    .rev()
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or("no reason given");
                format!(
                    "  rustup component add rust-src --toolchain {name}: {}",
                    last.trim()
                )
            }
            Err(error) => format!("  rustup: {error}"),
        });
    }
    find().map_err(|_| {
        search.tried.push(format!(
            "install it by one of\n  rustup component add rust-src\n  apt-get install {}",
            DEBIAN_PACKAGES.join(" ")
        ));
        Error::NoStdSource {
            tried: search.tried,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert_eq!(
            release("rustc 1.95.0 (x)\nhost: h\nrelease: 1.95.0\nLLVM version: 22.1.0"),
            Some((1, 95))
        );
        assert_eq!(release("release: 1.100.0-nightly"), Some((1, 100)));
        assert!(Some((1, 100)) > Some(OLDEST) && Some((1, 63)) < Some(OLDEST));
        assert_eq!(release("release: x"), None);
    }

    #[test]
    fn only_toolchains_in_rustup_s_folder_are_rustup_s() {
        let of = |sysroot: &str| Toolchain {
            sysroot: sysroot.into(),
            rustc: "rustc".into(),
            cargo: "cargo".into(),
            version: String::new(),
        };
        assert_eq!(
            of("/home/user/.rustup/toolchains/stable-x86_64-unknown-linux-gnu").rustup_name(),
            Some("stable-x86_64-unknown-linux-gnu")
        );
        assert_eq!(of("/usr").rustup_name(), None);
    }
}
