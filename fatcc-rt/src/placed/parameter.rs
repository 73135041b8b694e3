//! The boot parameter `place=FUNCTION:CPU`: functions that are placed before any `main` begins.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::Placed;
use crate::cpu::Cpu;
use crate::{boot, println};

/// Why nothing was placed.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// The value has another form.
    Form,
    /// No function has that name; these there are.
    Function(Vec<&'static str>),
    /// Several have it.
    Ambiguous(Vec<&'static str>),
    /// No CPU has that name.
    Cpu,
}

/// Places what the command line says, and says so.
pub(crate) fn place_by_parameters() {
    for (_, value) in boot::parameters().filter(|(name, _)| *name == "place") {
        match place(value, super::all()) {
            Ok(placed) => {
                let cpu = placed
                    .place()
                    .map_or_else(String::new, |cpu| cpu.to_string());
                println!("{placed} is placed on {cpu}");
            }
            Err(refused) => println!("boot parameter place={value}: {}", Told(value, refused)),
        }
    }
}

/// A value is `FUNCTION:CPU`. The function's path may be cut off on the left.
fn place<'a>(value: &str, all: impl Iterator<Item = &'a Placed>) -> Result<&'a Placed, Refused> {
    // Paths have colons too.
    let (name, cpu) = value.rsplit_once(':').ok_or(Refused::Form)?;
    let all: Vec<&Placed> = all.collect();
    let paths = |of: &[&Placed]| of.iter().map(|placed| placed.path()).collect();
    let is_meant = |placed: &&&Placed| match placed.path().strip_suffix(name) {
        Some(before) => !name.is_empty() && (before.is_empty() || before.ends_with("::")),
        None => false,
    };
    let meant: Vec<&Placed> = all.iter().filter(is_meant).copied().collect();
    let [function] = meant[..] else {
        return Err(match meant[..] {
            [] => Refused::Function(paths(&all)),
            _ => Refused::Ambiguous(paths(&meant)),
        });
    };
    let cpu = Cpu::named(cpu).ok_or(Refused::Cpu)?;
    function.set_place(Some(cpu));
    Ok(function)
}

/// For people: why a value was refused.
struct Told<'a>(&'a str, Refused);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Told(value, refused) = self;
        let (name, cpu) = value.rsplit_once(':').unwrap_or((value, ""));
        match refused {
            Refused::Form => write!(f, "expected FUNCTION:CPU"),
            Refused::Function(all) => write!(
                f,
                "no placeable function has the name `{name}` (there are: {})",
                all.join(", ")
            ),
            Refused::Ambiguous(meant) => write!(
                f,
                "several placeable functions have the name `{name}`: {}",
                meant.join(", ")
            ),
            Refused::Cpu => {
                let all: Vec<String> = Cpu::all().map(|cpu| cpu.to_string()).collect();
                write!(
                    f,
                    "no CPU has the name `{cpu}` (there are: {}; `nic` is the one with a network device)",
                    all.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::host;

    fn function(path: &'static str) -> Placed {
        Placed::new(path, &())
    }

    #[test]
    fn functions_are_named_by_the_end_of_their_path() {
        let all = [
            function("p::sum"),
            function("p::q::sum"),
            function("p::checksum"),
        ];
        host::run(2, |cpu| {
            if cpu.index() != 0 {
                return;
            }
            let meant = |value: &str| place(value, all.iter()).map(Placed::path);
            assert_eq!(meant("checksum:1"), Ok("p::checksum"));
            assert_eq!(all[2].place().map(Cpu::index), Some(1));
            assert_eq!(meant("q::sum:riscv64"), Ok("p::q::sum"));
            assert_eq!(all[1].place(), Cpu::of_isa("riscv64"));
            assert_eq!(
                meant("sum:0"),
                Err(Refused::Ambiguous(alloc::vec!["p::sum", "p::q::sum"]))
            );
            assert_eq!(all[0].place(), None);
        });
    }

    #[test]
    fn what_names_nothing_is_told() {
        let all = [function("p::sum")];
        host::run(2, |cpu| {
            if cpu.index() != 0 {
                return;
            }
            let told = |value: &str| {
                let refused = place(value, all.iter()).unwrap_err();
                Told(value, refused).to_string()
            };
            assert_eq!(told("sum"), "expected FUNCTION:CPU");
            let none = "no placeable function has the name `um` (there are: p::sum)";
            assert_eq!(told("um:0"), none);
            assert!(told(":0").starts_with("no placeable function has the name ``"));
            let none = "no CPU has the name `m68k` (there are: x86_64, riscv64; `nic` is the one with a network device)";
            assert_eq!(told("p::sum:m68k"), none);
            assert_eq!(told("sum:nic"), none.replace("m68k", "nic"));
            assert_eq!(all[0].place(), None);
        });
    }
}
