//! The kinds of findings: for each its id, its severity, and what people are told about it.
//!
//! One table; [`Kind::id`], `abi-check explain`, the rules of SARIF and `docs/abi-check.md` draw on it.
//!
//! Invariant: every kind has an entry (the compiler checks it), and an id is never used again for something else.

use crate::report::{Kind, Severity};

impl Severity {
    /// Its word, which is also that of JSON and SARIF.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// What is known of a kind of finding.
#[derive(Clone, Copy, Debug)]
pub struct KindEntry {
    /// Stable identifier, `AC0001` and so on.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One line, without a period.
    pub title: &'static str,
    /// What the finding says.
    pub means: &'static str,
    /// Why compilations of one source for several CPUs come to differ so, and what goes wrong then.
    pub why: &'static str,
    /// Source that is laid out differently on two CPUs, or could be.
    pub example: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

impl Kind {
    /// The kind of an id such as `AC0007`, in upper or lower case.
    pub fn from_id(id: &str) -> Option<Kind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.id().eq_ignore_ascii_case(id))
    }

    /// Stable identifier, `AC0001` and so on. An identifier is never used again for something else.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// Errors are layouts that differ; a [`Kind::DifferentType`] has the same bytes.
    pub fn severity(self) -> Severity {
        self.entry().severity
    }
}

/// Makes the list of all kinds and the way from a kind to its entry out of one table.
macro_rules! table {
    ($($kind:ident, $id:literal, $severity:ident, $title:literal;
        means: $means:literal; why: $why:literal; example: $example:literal; mend: $mend:literal;)*) => {
        impl Kind {
            /// All kinds, by id.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// What is known of this kind.
            pub fn entry(self) -> &'static KindEntry {
                match self {
                    $(Kind::$kind => &KindEntry {
                        id: $id,
                        severity: Severity::$severity,
                        title: $title,
                        means: $means,
                        why: $why,
                        example: $example,
                        mend: $mend,
                    },)*
                }
            }
        }
    };
}

table! {
    Size, "AC0001", Error, "A type is not of the same size";
    means: "The type takes another number of bytes on each side, and nothing that it holds accounts for that.";
    why: "Elements of an array and fields behind the type are then found at other places. Types of one name have another \
        size if the psABI says so (long, size_t, wchar_t, long double, enums under -fshort-enums) or if the source \
        depends on the CPU.";
    example: "long ticks;              // 8 bytes on x86_64, 4 on arm";
    mend: "Use types of fixed width (uint32_t, uint64_t; u32, u64 instead of usize) and give both compilers the same \
        flags.";

    Alignment, "AC0002", Error, "A type is not aligned alike";
    means: "The alignment of the type differs. C compilers do not write alignments into DWARF: there it follows from the \
        members and the psABI.";
    why: "The type itself may hold the same bytes, but whatever holds it puts it elsewhere, and one CPU may use \
        instructions that need the larger alignment. i686 aligns long long to 4 bytes, others to 8; crossbeam's \
        CachePadded is aligned to the cache line of the CPU.";
    example: "struct s { char c; long long n; };   // n is at 4 on i686, at 8 on x86_64";
    mend: "Say the largest alignment of all sides: #[repr(C, align(64))] in Rust, alignas(64) or \
        __attribute__((aligned(64))) in C. Take packed away from one side or add it to all.";

    FieldOffset, "AC0003", Error, "A field is not at the same place";
    means: "Every side has the field, with the same type, but not at the same offset.";
    why: "One CPU reads another field's bytes. Rust puts the fields of a struct without repr in any order; it may pick \
        another one for each target. In C it is packing, an alignment or a conditional field that moves what follows.";
    example: "struct S { a: u8, b: u32, c: usize }   // no repr(C): the order is the compiler's";
    mend: "#[repr(C)] fixes the order of fields in Rust. In C, make packing and alignment the same everywhere, and write \
        padding out as fields.";

    FieldMissing, "AC0004", Error, "A field is not on every side";
    means: "A field exists on some sides only.";
    why: "The source has it under a condition on the target (#ifdef, cfg), or the sides were not compiled from the same \
        source. A side without it writes over it, or reads past the end.";
    example: "struct s { int n; \n#ifdef __x86_64__\n    int extra;\n#endif\n};";
    mend: "Keep the field on every side, unused where it is not needed, or move what is one CPU's own out of shared data.";

    FieldType, "AC0005", Error, "A field has not the same type";
    means: "The field has types of different names, and their layouts differ.";
    why: "An alias or a cfg gives the name another meaning on each target. One CPU writes a value that the other reads as \
        something else.";
    example: "#[cfg(target_pointer_width = \"64\")] type Count = u64;\n#[cfg(target_pointer_width = \"32\")] type Count = u32;";
    mend: "Use one type of fixed width in the shared struct and convert at its edge.";

    Enumerator, "AC0006", Error, "The enumerators of an enumeration differ";
    means: "An enumerator has another value on each side, or only some sides have it.";
    why: "One CPU stores a number that means something else to the other. It comes of enumerators under #ifdef or cfg, \
        which also shift all that follow without an explicit value.";
    example: "enum e { A, \n#ifdef __riscv\n    B,\n#endif\n    C };     // C is 2 on riscv, else 1";
    mend: "Give every enumerator a value, and define all of them on every side.";

    Discriminant, "AC0007", Error, "An enum does not tell its variants apart alike";
    means: "What says which variant an enum holds is at another place, of another type, or has other values.";
    why: "A Rust enum without repr puts its discriminant wherever the compiler likes, also into values that a field never \
        has (a niche); what it picks can depend on the target. One CPU then sees another variant than was written, with \
        that variant's fields.";
    example: "enum E { A(u32), B(Wide) }   // which bytes tell A from B is the compiler's choice";
    mend: "#[repr(u8)] or #[repr(C)] fixes place and type of the discriminant; explicit values (A = 0) fix what it holds.";

    Variant, "AC0008", Error, "A variant is not on every side";
    means: "Some sides' enum has a variant that others lack.";
    why: "A cfg on the variant, or a coroutine with another number of states. The side that lacks it cannot have the \
        value; that it is there is undefined behaviour.";
    example: "enum Event { Tick, #[cfg(target_arch = \"x86_64\")] Apic(u32) }";
    mend: "Define the variant on every side. Futures that cross CPUs must be of functions without cfg between their awaits.";

    BaseEncoding, "AC0009", Error, "A scalar is not encoded alike";
    means: "The same bytes mean something else on each side: signed or unsigned, integer or float, boolean or not.";
    why: "char is signed on x86_64 and unsigned on aarch64, arm, riscv and powerpc: 0xff is -1 here and 255 there. \
        core::ffi::c_char follows it.";
    example: "struct s { char level; };   // level < 0 is never true on aarch64";
    mend: "Write signed char or unsigned char (int8_t, uint8_t; i8, u8), or compile all sides with -fsigned-char or all \
        with -funsigned-char.";

    Kind, "AC0010", Error, "A type is not the same kind of type";
    means: "A struct on one side is a union, an enumeration, an array or a scalar on the other.";
    why: "Types that a target's own headers define: va_list is an array on x86_64, a struct on aarch64, a pointer on \
        riscv; the same is true of jmp_buf and of vector types.";
    example: "struct s { va_list arguments; };";
    mend: "Such a type cannot be shared: keep it out of shared data, or hold its contents in a type of your own.";

    ArrayLength, "AC0011", Error, "An array has not the same number of elements";
    means: "The number of elements of an array differs.";
    why: "The length is a constant that depends on the target: the size of a page or cache line, the number of \
        registers, a sizeof.";
    example: "char buffer[sizeof(long) * 4];";
    mend: "Use one constant on every side, the largest that any of them needs.";

    PointerWidth, "AC0012", Error, "Pointers are not of the same size";
    means: "A pointer takes another number of bytes on each side.";
    why: "One side is 32-bit code (or x32, ilp32), the other 64-bit. No pointer can be shared between them, nor usize, \
        size_t or references.";
    example: "struct node { struct node *next; };   // 4 bytes on arm, 8 on aarch64";
    mend: "Store an index or an offset of fixed width (u32, u64) from the start of the shared memory instead.";

    FloatFormat, "AC0013", Error, "A floating-point number is not in the same format";
    means: "The number has the same size, or not, and its bits are laid out differently.";
    why: "long double is the 80-bit format of x87 in 16 bytes on x86_64, IEEE binary128 on aarch64, riscv64 and s390x, two \
        doubles on powerpc64, a double on arm; flags such as -mlong-double-128 change it.";
    example: "long double ratio;    // 16 bytes on x86_64 and aarch64, and no value in common but 0";
    mend: "Use double, or _Float128 on every side.";

    ByteOrder, "AC0014", Error, "The byte order is not the same";
    means: "The sides, or one scalar of them, do not store the bytes of a number in the same order.";
    why: "Every number of more than one byte is read backwards. One CPU is big-endian (s390x, powerpc64, sparc), or a \
        type has scalar_storage_order on one side.";
    example: "uint32_t n = 1;    // 01 00 00 00 on x86_64, 00 00 00 01 on s390x";
    mend: "Choose CPUs of one byte order, or give shared structs __attribute__((scalar_storage_order(\"little-endian\"))); \
        in Rust, store byte arrays and use from_le_bytes.";

    Bitfield, "AC0015", Error, "A bit field is not at the same place";
    means: "A bit field starts at another bit or has another width.";
    why: "C leaves the order of bit fields and their packing to the psABI: big-endian ones fill from the other end, and \
        -mms-bitfields or the declared type decide when a new unit begins.";
    example: "struct s { char a : 3; int b : 7; };   // where b begins is the psABI's choice";
    mend: "Use a whole integer with masks and shifts, or declare all bit fields with one unsigned type of fixed width.";

    Signature, "AC0016", Error, "Functions behind a pointer have not the same signature";
    means: "The functions that a pointer leads to take another number of arguments or arguments of other types, or do not \
        return the same.";
    why: "A table of functions that both CPUs fill or call: the caller passes arguments that the callee does not expect. A \
        condition on the target changed the prototype.";
    example: "struct ops { int (*open)(int, ...); };";
    mend: "Give the function the same parameters on every side, unused where they are not needed.";

    DifferentType, "AC0017", Warning, "Types of different names have the same layout";
    means: "The place holds types of different names whose bytes agree. It is a warning: the meaning may still differ.";
    why: "long and long long are both 8 bytes on 64-bit Linux, and uint64_t is either of them; the same comes of aliases \
        under cfg. Where the names differ because the meaning does, equal bytes are an accident.";
    example: "uint64_t n;    // unsigned long here, unsigned long long there";
    mend: "Nothing needs to change if the meaning is the same; one name for it on every side ends the warning.";

    CodePointer, "AC0018", Error, "A code pointer is in shared memory";
    means: "Shared data holds the address of a function, or a Rust trait object, whose vtable holds such addresses. It is a \
        finding in statics that --root or --section choose, and with --code-pointers refuse; --code-pointers allow ends it.";
    why: "A function is compiled for each CPU and lies elsewhere for each. The address that one CPU stored leads another one \
        into code that is not its own, or into nothing. An image linked by fatld has an array of addresses behind each \
        function pointer instead: there it is right.";
    example: "struct ring { void (*on_full)(struct ring *); };   // whose on_full?";
    mend: "Store a number that each side looks up in a table of its own, or link all sides into one image with fatld.";

    Meaning, "AC0019", Warning, "The values of a type do not mean the same";
    means: "The bytes agree, and a lint knows that the code of each side reads something else in them. Where the layout \
        differs too, the lint only adds its reason to that finding.";
    why: "A library chooses an algorithm, a lock or an instruction by the target and keeps its state in fields of equal \
        layout; or a number stands for something that each build counts for itself.";
    example: "static NAMES: RawTable<u32>;    // hashbrown: groups of 16 with SSE2, of 8 elsewhere";
    mend: "Keep the type out of shared data, or make every side choose the same, by a feature or a flag. Lints are data: \
        abi-check.toml takes more of them.";

    VirtualFunction, "AC0020", Error, "The virtual functions of a class differ";
    means: "A virtual function of C++ is at another place in the vtable of its class, or on some sides only.";
    why: "The object holds the address of the vtable that its maker's side has; the caller takes an entry by number and \
        gets another function. A virtual function is under a condition on the target, or the compilers follow different C++ \
        ABIs.";
    example: "struct port { virtual void open(); virtual void flush(); };    // flush() only #ifdef __x86_64__";
    mend: "Declare the same virtual functions in the same order on every side.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_without_a_gap() {
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind.id(), format!("AC{:04}", index + 1));
            assert_eq!(Kind::from_id(kind.id()), Some(*kind));
        }
        assert_eq!(Kind::from_id("ac0007"), Some(Kind::Discriminant));
        assert_eq!(Kind::from_id("AC0000"), None);
    }

    #[test]
    fn every_entry_has_all_its_texts() {
        for kind in Kind::ALL {
            let entry = kind.entry();
            for text in [
                entry.title,
                entry.means,
                entry.why,
                entry.example,
                entry.mend,
            ] {
                assert!(!text.trim().is_empty(), "{}", entry.id);
            }
            assert!(!entry.title.ends_with('.'), "{}", entry.id);
        }
    }
}
