//! What differs between ISAs, as one table.
//!
//! Invariant: no other file of this crate tests for a machine. A machine that is not listed can still be read; its
//! relocations are then all unknown, which is an error where a value depends on one.

use gimli::{DwAte, constants as dw};

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
    /// Two binary64 whose sum is the number, of the PowerPC.
    DoubleDouble,
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
            FloatFormat::DoubleDouble => "IBM double-double",
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
    /// Bits of the ELF class: 32 or 64.
    bits: u8,
    /// Relocation types that debug sections use for plain data. All others are left unapplied, among them RISC-V's
    /// ADD, SUB and SET, which only make differences of code addresses.
    relocations: &'static [(u32, Apply)],
    /// What a C `long double` of more than 8 bytes is.
    pub(crate) long_double: FloatFormat,
    /// What alignments are where they are not the size.
    alignments: Alignments,
}

/// Alignments in bytes.
#[derive(Debug)]
struct Alignments {
    /// Of integers and floating-point numbers of 8 bytes, within a record.
    eight: u64,
    /// Of integers of 16 bytes.
    wide_integer: u64,
    /// Of floating-point numbers of 16 bytes.
    wide_float: u64,
    /// Largest of a vector; `None` if it depends on the CPU's model.
    vector: Option<u64>,
    /// Of a `_BitInt` of more than 64 bits; `None` if the psABI does not say.
    wide_bit_int: Option<u64>,
    /// What gcc aligns an atomic of 16 bytes to.
    wide_atomic: u64,
    /// Size up to which clang makes atomics a power of two, aligned to their size; `None` if versions differ in that.
    promoted_atomic: Option<u64>,
}

/// Everything that is not wider than 16 bytes is aligned to its size.
const NATURAL: Alignments = Alignments {
    eight: 8,
    wide_integer: 16,
    wide_float: 16,
    vector: Some(u64::MAX),
    wide_bit_int: Some(16),
    wide_atomic: 16,
    promoted_atomic: Some(16),
};

/// Relocation types are those of the psABIs: Intel 64, Intel386, AAELF64, AAELF32, RISC-V, s390x and 64-bit PowerPC ELF.
/// Alignments are from their chapters on fundamental types (of AAPCS32 and AAPCS64 for Arm); for integers of 16 bytes,
/// which C does not have on 32-bit machines, from LLVM's data layouts.
const MACHINES: &[Machine] = &[
    Machine {
        name: "x86_64",
        e_machine: 62,
        bits: 64,
        relocations: X86_64,
        long_double: FloatFormat::Extended80,
        alignments: Alignments {
            wide_bit_int: Some(8),
            ..NATURAL
        },
    },
    Machine {
        name: "x32",
        e_machine: 62,
        bits: 32,
        relocations: X86_64,
        long_double: FloatFormat::Extended80,
        alignments: Alignments {
            wide_bit_int: Some(8),
            ..NATURAL
        },
    },
    Machine {
        name: "i386",
        e_machine: 3,
        bits: 32,
        relocations: &[(0, Apply::Nothing), (1, Apply::Word32)],
        long_double: FloatFormat::Extended80,
        alignments: Alignments {
            eight: 4,
            wide_bit_int: Some(4),
            promoted_atomic: Some(8),
            ..NATURAL
        },
    },
    Machine {
        name: "aarch64",
        e_machine: 183,
        bits: 64,
        relocations: &[
            (0, Apply::Nothing),
            (256, Apply::Nothing),
            (257, Apply::Word64),
            (258, Apply::Word32),
        ],
        long_double: FloatFormat::Binary128,
        alignments: NATURAL,
    },
    Machine {
        name: "arm",
        e_machine: 40,
        bits: 32,
        relocations: &[(0, Apply::Nothing), (2, Apply::Word32)],
        long_double: FloatFormat::Binary64,
        alignments: Alignments {
            wide_integer: 8,
            vector: Some(8),
            wide_bit_int: Some(8),
            wide_atomic: 8,
            promoted_atomic: Some(8),
            ..NATURAL
        },
    },
    Machine {
        name: "riscv",
        e_machine: 243,
        bits: 64,
        relocations: RISCV,
        long_double: FloatFormat::Binary128,
        alignments: NATURAL,
    },
    Machine {
        name: "riscv",
        e_machine: 243,
        bits: 32,
        relocations: RISCV,
        long_double: FloatFormat::Binary128,
        alignments: Alignments {
            wide_integer: 8,
            wide_bit_int: Some(8),
            ..NATURAL
        },
    },
    Machine {
        name: "s390x",
        e_machine: 22,
        bits: 64,
        relocations: &[(0, Apply::Nothing), (4, Apply::Word32), (22, Apply::Word64)],
        long_double: FloatFormat::Binary128,
        alignments: Alignments {
            wide_integer: 8,
            wide_float: 8,
            // 8 with the vector facility, else 16.
            vector: None,
            wide_bit_int: None,
            wide_atomic: 8,
            promoted_atomic: None,
            ..NATURAL
        },
    },
    Machine {
        name: "powerpc64",
        e_machine: 21,
        bits: 64,
        // ADDR32, UADDR32, ADDR64, UADDR64: those with a U may be at any address.
        relocations: &[
            (0, Apply::Nothing),
            (1, Apply::Word32),
            (24, Apply::Word32),
            (38, Apply::Word64),
            (43, Apply::Word64),
        ],
        long_double: FloatFormat::DoubleDouble,
        alignments: Alignments {
            wide_bit_int: None,
            promoted_atomic: None,
            ..NATURAL
        },
    },
];

const X86_64: &[(u32, Apply)] = &[
    (0, Apply::Nothing),
    (1, Apply::Word64),
    (10, Apply::Word32),
    (11, Apply::Word32),
];

const RISCV: &[(u32, Apply)] = &[
    (0, Apply::Nothing),
    (1, Apply::Word32),
    (2, Apply::Word64),
    (43, Apply::Nothing),
    (51, Apply::Nothing),
];

/// Stands for every machine that is not in the table.
const OTHER: Machine = Machine {
    name: "unknown",
    e_machine: 0,
    bits: 0,
    relocations: &[],
    long_double: FloatFormat::Binary128,
    alignments: Alignments {
        vector: None,
        wide_bit_int: None,
        promoted_atomic: None,
        ..NATURAL
    },
};

impl Machine {
    /// The machine of an ELF header, whose class has `bits` bits.
    pub(crate) fn of(e_machine: u16, bits: u8) -> &'static Machine {
        MACHINES
            .iter()
            .find(|machine| (machine.e_machine, machine.bits) == (e_machine, bits))
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
        !producer.contains("-mlong-double-128") && !producer.contains("-mabi=ieeelongdouble")
    }

    /// Alignment of a number of `size` bytes, or of a complex number's parts; `None` if that is not known.
    pub(crate) fn alignment(
        &self,
        size: u64,
        encoding: DwAte,
        bit_int: bool,
        producer: &str,
    ) -> Option<u64> {
        let wide = &self.alignments;
        let float = matches!(
            encoding,
            dw::DW_ATE_float | dw::DW_ATE_complex_float | dw::DW_ATE_decimal_float
        );
        match size {
            9.. if bit_int => wide.wide_bit_int,
            // The psABI of the i386 has its exception for what is no decimal number.
            8 if encoding != dw::DW_ATE_decimal_float && !producer.contains("-malign-double") => {
                Some(wide.eight)
            }
            16 if float => Some(wide.wide_float),
            16 => Some(wide.wide_integer),
            _ => Some(natural(size)),
        }
    }

    /// Alignment of an atomic of `size` bytes, of which the type without `_Atomic` is aligned to `plain`; `None` if that
    /// is not known. The psABIs leave it to the compilers.
    pub(crate) fn atomic_alignment(&self, size: u64, plain: u64, producer: &str) -> Option<u64> {
        let wide = &self.alignments;
        let atomic = if producer.contains("clang") {
            match size.next_power_of_two() {
                promoted @ ..=8 => promoted,
                16 if wide.promoted_atomic? == 16 => 16,
                _ => plain,
            }
        } else {
            match size {
                1 | 2 | 4 | 8 => size,
                16 => wide.wide_atomic,
                _ => plain,
            }
        };
        Some(atomic.max(plain))
    }

    /// Alignment of a record that is nothing but an atomic of `size` bytes, which for itself is aligned to `atomic`: gcc
    /// treats one of 8 bytes as a number, which the i386 aligns to 4.
    pub(crate) fn sole_atomic_alignment(&self, atomic: u64, size: u64, producer: &str) -> u64 {
        match size {
            8 if producer.starts_with("GNU") => atomic.min(self.alignments.eight),
            _ => atomic,
        }
    }

    /// Alignment of a vector of `size` bytes; `None` if that is not known.
    pub(crate) fn vector_alignment(&self, size: u64) -> Option<u64> {
        Some(size.min(self.alignments.vector?))
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
            16 if name == "__ibm128" => Some(FloatFormat::DoubleDouble),
            16 if long_double => Some(self.long_double),
            16 => Some(FloatFormat::Binary128),
            _ => None,
        }
    }
}

/// The largest power of two that divides the size, up to the widest number that psABIs know.
fn natural(size: u64) -> u64 {
    match size {
        0 => 1,
        _ => 1 << size.trailing_zeros().min(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_aligned_to_their_size() {
        assert_eq!(
            [0, 1, 2, 4, 8, 16, 32, 12].map(natural),
            [1, 1, 2, 4, 8, 16, 16, 4]
        );
    }

    #[test]
    fn the_i386_aligns_eight_bytes_to_four_but_not_decimals() {
        let of = |encoding| Machine::of(3, 32).alignment(8, encoding, false, "");
        assert_eq!(of(dw::DW_ATE_signed), Some(4));
        assert_eq!(of(dw::DW_ATE_float), Some(4));
        assert_eq!(of(dw::DW_ATE_decimal_float), Some(8));
    }

    #[test]
    fn what_a_psabi_leaves_open_has_no_alignment() {
        let s390x = Machine::of(22, 64);
        assert_eq!(s390x.vector_alignment(16), None);
        assert_eq!(s390x.alignment(16, dw::DW_ATE_signed, true, ""), None);
        assert_eq!(Machine::of(40, 32).vector_alignment(16), Some(8));
    }

    #[test]
    fn long_double_of_the_powerpc_is_two_doubles_unless_an_option_says_otherwise() {
        let format = |producer| Machine::of(21, 64).float_format("long double", 16, producer);
        assert_eq!(format("GNU C17"), Some(FloatFormat::DoubleDouble));
        assert_eq!(
            format("GNU C17 -mabi=ieeelongdouble"),
            Some(FloatFormat::Binary128)
        );
    }

    #[test]
    fn long_double_is_another_format_on_x86_64() {
        let format = |e_machine, producer| {
            Machine::of(e_machine, 64).float_format("long double", 16, producer)
        };
        assert_eq!(format(62, "GNU C17"), Some(FloatFormat::Extended80));
        assert_eq!(
            format(62, "GNU C17 -mlong-double-128"),
            Some(FloatFormat::Binary128)
        );
        assert_eq!(format(243, "GNU C17"), Some(FloatFormat::Binary128));
    }

    #[test]
    fn differences_of_addresses_are_left_unapplied() {
        assert_eq!(Machine::of(243, 64).apply(35), None);
        assert_eq!(Machine::of(243, 64).apply(1), Some(Apply::Word32));
    }
}
