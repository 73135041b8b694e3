//! What differs between ISAs, as one table.
//!
//! Invariant: no other file of this crate tests for a machine. A machine that is not listed can still be read; its
//! relocations are then all unknown, which is an error where a value depends on one.

/// How a relocation changes the word it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apply {
    /// Nothing: an alignment or relaxation hint.
    Nothing,
    /// 32 bits: symbol plus addend.
    Word32,
    /// 64 bits: symbol plus addend.
    Word64,
}

/// Format of a floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatFormat {
    /// IEEE 754 binary16.
    Binary16,
    /// bfloat16.
    Brain16,
    /// IEEE 754 binary32.
    Binary32,
    /// IEEE 754 binary64.
    Binary64,
    /// 80-bit extended precision of the x87, padded.
    Extended80,
    /// IEEE 754 binary128.
    Binary128,
}

impl FloatFormat {
    /// The name that messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FloatFormat::Binary16 => "IEEE binary16",
            FloatFormat::Brain16 => "bfloat16",
            FloatFormat::Binary32 => "IEEE binary32",
            FloatFormat::Binary64 => "IEEE binary64",
            FloatFormat::Extended80 => "x87 80-bit extended",
            FloatFormat::Binary128 => "IEEE binary128",
        }
    }
}

/// What there is to know of one ISA.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Name of the psABI.
    pub(crate) name: &'static str,
    /// `e_machine`.
    pub(crate) e_machine: u16,
    /// Relocation types that debug sections use for plain data. All others are left unapplied, among them RISC-V's
    /// ADD, SUB and SET, which only make differences of code addresses.
    relocations: &'static [(u32, Apply)],
    /// What a C `long double` of more than 8 bytes is.
    pub(crate) long_double: FloatFormat,
    /// Alignment of a `_BitInt` of more than 64 bits.
    pub(crate) wide_bit_int_alignment: u64,
}

/// Intel 64 psABI 1.0, table 4.9; RISC-V psABI 1.0, chapter 8.5; AArch64 AAELF64, chapter 5.7.
const MACHINES: &[Machine] = &[
    Machine {
        name: "x86_64",
        e_machine: 62,
        relocations: &[
            (0, Apply::Nothing),
            (1, Apply::Word64),
            (10, Apply::Word32),
            (11, Apply::Word32),
        ],
        long_double: FloatFormat::Extended80,
        wide_bit_int_alignment: 8,
    },
    Machine {
        name: "riscv",
        e_machine: 243,
        relocations: &[
            (0, Apply::Nothing),
            (1, Apply::Word32),
            (2, Apply::Word64),
            (43, Apply::Nothing),
            (51, Apply::Nothing),
        ],
        long_double: FloatFormat::Binary128,
        wide_bit_int_alignment: 16,
    },
    Machine {
        name: "aarch64",
        e_machine: 183,
        relocations: &[
            (0, Apply::Nothing),
            (256, Apply::Nothing),
            (257, Apply::Word64),
            (258, Apply::Word32),
        ],
        long_double: FloatFormat::Binary128,
        wide_bit_int_alignment: 16,
    },
    Machine {
        name: "i386",
        e_machine: 3,
        relocations: &[(0, Apply::Nothing), (1, Apply::Word32)],
        long_double: FloatFormat::Extended80,
        wide_bit_int_alignment: 4,
    },
];

/// Stands for every machine that is not in the table.
const OTHER: Machine = Machine {
    name: "unknown",
    e_machine: 0,
    relocations: &[],
    long_double: FloatFormat::Binary128,
    wide_bit_int_alignment: 16,
};

impl Machine {
    /// The machine of an ELF header.
    pub(crate) fn of(e_machine: u16) -> &'static Machine {
        MACHINES
            .iter()
            .find(|machine| machine.e_machine == e_machine)
            .unwrap_or(&OTHER)
    }

    /// What a relocation does, `None` if it is not known.
    pub(crate) fn apply(&self, r_type: u32) -> Option<Apply> {
        self.relocations
            .iter()
            .find(|(known, _)| *known == r_type)
            .map(|(_, apply)| *apply)
    }

    /// Whether `long double` is what the psABI says, and not what an option asked for.
    pub(crate) fn has_own_long_double(&self, producer: &str) -> bool {
        !producer.contains("-mlong-double-128")
    }

    /// Format of the floating-point type `name` of `size` bytes. `None` for sizes that no format has.
    pub(crate) fn float_format(
        &self,
        name: &str,
        size: u64,
        producer: &str,
    ) -> Option<FloatFormat> {
        let long_double = name == "long double" && self.has_own_long_double(producer);
        match size {
            2 if name.contains("bf16") => Some(FloatFormat::Brain16),
            2 => Some(FloatFormat::Binary16),
            4 => Some(FloatFormat::Binary32),
            8 => Some(FloatFormat::Binary64),
            10 | 12 => Some(FloatFormat::Extended80),
            16 if name == "__float80" => Some(FloatFormat::Extended80),
            16 if long_double => Some(self.long_double),
            16 => Some(FloatFormat::Binary128),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_double_is_another_format_on_x86_64() {
        let format =
            |e_machine, producer| Machine::of(e_machine).float_format("long double", 16, producer);
        assert_eq!(format(62, "GNU C17"), Some(FloatFormat::Extended80));
        assert_eq!(
            format(62, "GNU C17 -mlong-double-128"),
            Some(FloatFormat::Binary128)
        );
        assert_eq!(format(243, "GNU C17"), Some(FloatFormat::Binary128));
    }

    #[test]
    fn differences_of_addresses_are_left_unapplied() {
        assert_eq!(Machine::of(243).apply(35), None);
        assert_eq!(Machine::of(243).apply(1), Some(Apply::Word32));
    }
}
