//! How many CPUs a machine has of each ISA, and how the runtime is told.

use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

use fat_image::machine::{CPUS, ISAS, Parameters, SHARED_START};

use crate::error::Error;
use crate::isa::Isa;

/// Numbers of CPUs by ISA; at least one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// Of an ISA that is not among the others.
    usual: u32,
    /// Of these ISAs.
    named: Vec<(String, u32)>,
}

impl Default for Cpus {
    fn default() -> Cpus {
        Cpus {
            usual: 1,
            named: Vec::new(),
        }
    }
}

impl FromStr for Cpus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Cpus, Self::Err> {
        const EXPECTED: &str =
            "expected a number from 1 on, of CPUs of every ISA, or ISA=NUMBER,ISA=NUMBER";
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        if let Some(usual) = number(text) {
            return Ok(Cpus {
                usual,
                named: Vec::new(),
            });
        }
        let named = text.split(',').map(|part| {
            let (isa, count) = part.split_once('=')?;
            Some((isa.to_owned(), number(count)?))
        });
        Ok(Cpus {
            usual: 1,
            named: named.collect::<Option<_>>().ok_or(EXPECTED)?,
        })
    }
}

impl Cpus {
    /// Number of CPUs of an ISA.
    pub fn of(&self, isa: &Isa) -> u32 {
        let named = self.named.iter().find(|(name, _)| name == isa.name);
        named.map_or(self.usual, |(_, count)| *count)
    }

    /// Whether a machine of these ISAs can be so.
    pub fn check(&self, isas: &[&'static Isa]) -> Result<(), Error> {
        for (name, _) in &self.named {
            Isa::named(name)?;
        }
        let all: u64 = isas.iter().map(|isa| u64::from(self.of(isa))).sum();
        if all > CPUS as u64 {
            return Err(Error::TooManyCpus {
                asked: all,
                most: CPUS,
            });
        }
        Ok(())
    }

    /// Leaves word of it in the shared memory, where the runtime looks.
    pub(super) fn tell(&self, isas: &[&'static Isa], memory: impl AsFd) -> io::Result<()> {
        let mut counts = [0; ISAS];
        for (count, isa) in counts.iter_mut().zip(isas) {
            *count = self.of(isa);
        }
        let parameters = Parameters::new(counts);
        let mut bytes = parameters.magic.to_le_bytes().to_vec();
        bytes.extend(parameters.cpus.iter().flat_map(|count| count.to_le_bytes()));
        match rustix::io::pwrite(memory, &bytes, Parameters::ADDRESS - SHARED_START)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Result<Vec<u32>, &'static str> {
        let cpus: Cpus = text.parse()?;
        Ok(crate::isa::ISAS.iter().map(|isa| cpus.of(isa)).collect())
    }

    #[test]
    fn numbers_are_of_all_isas_or_of_those_named() {
        assert_eq!(counts("2"), Ok(vec![2, 2]));
        assert_eq!(counts("x86_64=3"), Ok(vec![3, 1]));
        assert_eq!(counts("riscv64=2,x86_64=4"), Ok(vec![4, 2]));
        for wrong in ["", "0", "x86_64", "x86_64=0", "x86_64=2,", "=", "-1"] {
            assert!(counts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn too_many_cpus_and_unknown_isas_are_refused() {
        let check = |text: &str| text.parse::<Cpus>().unwrap().check(&crate::isa::ISAS);
        assert!(check("4").is_ok());
        assert!(matches!(
            check("5"),
            Err(Error::TooManyCpus {
                asked: 10,
                most: CPUS
            })
        ));
        assert!(matches!(check("m68k=1"), Err(Error::UnknownIsa { .. })));
    }

    #[test]
    fn the_runtime_is_told_in_the_last_page() {
        let memory = super::super::anonymous_file(fat_image::machine::SHARED_SIZE).unwrap();
        let cpus: Cpus = "riscv64=2".parse().unwrap();
        cpus.tell(&crate::isa::ISAS, &memory).unwrap();
        let mut bytes = [0; size_of::<Parameters>()];
        rustix::io::pread(&memory, &mut bytes, Parameters::ADDRESS - SHARED_START).unwrap();
        assert_eq!(&bytes[..8], b"FATPARAM");
        assert_eq!(bytes[8..], [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
