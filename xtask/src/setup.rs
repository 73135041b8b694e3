//! Sets the machine up: whatever is missing is installed, or the one command that does it is shown.
//!
//! On a machine that has everything, nothing is called but the tools themselves, to ask for their versions.

use std::process::{Command, ExitStatus, Stdio};

use fatcc::toolchain;
use fatcc::tools::{Install, Need, Tool, report, tools, which};

use crate::error::Error;
use crate::progress::say;

/// Makes sure that everything is there up to `need`.
pub fn ensure(need: Need) -> Result<(), Error> {
    let missing = missing(need);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = packages(&missing);
    if !packages.is_empty() {
        install(&missing, packages)?;
    }
    // Looked at again, because a package may have another content on another distribution.
    let missing = self::missing(need);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Missing {
            report: report(&missing),
        })
    }
}

fn missing(need: Need) -> Vec<Tool> {
    tools()
        .into_iter()
        .filter(|tool| tool.need <= need && tool.found.is_none())
        .collect()
}

/// The packages of what is missing; of alternatives, all. What rustup can get is got here.
fn packages(missing: &[Tool]) -> Vec<Vec<&'static str>> {
    let mut packages = Vec::new();
    for tool in missing {
        match tool.install {
            Install::Packages(all) => packages.extend(all.iter().map(|package| vec![*package])),
            Install::FirstOf(alternatives) => packages.push(alternatives.to_vec()),
            Install::Component(_, all) => {
                if toolchain::find_or_add_source(&mut say).is_err() {
                    packages.extend(all.iter().map(|package| vec![*package]));
                }
            }
            Install::Rustup => {}
        }
    }
    packages
}

/// Installs packages, of alternatives the first that the distribution has.
fn install(missing: &[Tool], packages: Vec<Vec<&'static str>>) -> Result<(), Error> {
    let last = |alternatives: &Vec<&'static str>| {
        alternatives.last().copied().unwrap_or_default().to_owned()
    };
    if which("apt-get").is_none() {
        return Err(Error::Missing {
            report: report(missing),
        });
    }
    if !rustix::process::geteuid().is_root() {
        let mut names: Vec<String> = packages.iter().map(last).collect();
        names.sort();
        names.dedup();
        let line = format!(
            "sudo apt-get install --no-install-recommends {}",
            names.join(" ")
        );
        return Err(Error::NotRoot {
            missing: missing.iter().map(|tool| tool.name).collect(),
            line,
        });
    }
    // The lists of a new machine are empty or old.
    say("apt-get update");
    let status = apt_get(&["update".to_owned()])?;
    if !status.success() {
        say(&format!(
            "apt-get update failed ({status}); going on with the lists that are there"
        ));
    }
    let known = |alternatives: &Vec<&'static str>| {
        let first = alternatives.iter().find(|package| is_known(package));
        first.map_or_else(|| last(alternatives), |package| (*package).to_owned())
    };
    let mut names: Vec<String> = packages.iter().map(known).collect();
    names.sort();
    names.dedup();
    say(&format!("apt-get install {}", names.join(" ")));
    let mut arguments = ["install", "--yes", "--no-install-recommends"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(names.iter().cloned());
    let status = apt_get(&arguments)?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Install {
            packages: names,
            status,
        })
    }
}

/// Calls `apt-get` so that it asks nothing, and waits for another one that is at work (a new machine often has one);
/// it shows its own progress.
fn apt_get(arguments: &[String]) -> Result<ExitStatus, Error> {
    Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start {
            program: "apt-get".to_owned(),
            source,
        })
}

/// Whether the distribution has a package of that name.
fn is_known(package: &str) -> bool {
    Command::new("apt-cache")
        .args(["show", "--no-all-versions", package])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}
