//! What callers hand in: sides, their object files, and the view of a static that their filter sees.
//!
//! Invariant: nothing here has been checked; bytes are whatever the file held.

use crate::lints::Lint;

/// One ELF file: a relocatable object (also a member of an archive) or a linked file.
#[derive(Clone, Debug)]
pub struct ObjectFile<'a> {
    /// How messages call it, for example `libx.rlib(member.o)`.
    pub name: String,
    /// The file's bytes.
    pub data: &'a [u8],
}

/// Everything that was compiled for one ISA.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// Name of the ISA, or of the file.
    pub name: String,
    /// Its object files, in link order; behind them, files that hold parts of their debug information, such as `.dwo` and
    /// `.dwp` files: ids in them say to which they belong.
    pub objects: Vec<ObjectFile<'a>>,
}

/// One static (or vtable) variable found in the DWARF of one side.
#[derive(Clone, Debug)]
pub struct StaticRef<'s> {
    /// Index in the slice of sides.
    pub side: usize,
    /// Index in [`Side::objects`].
    pub object: usize,
    /// Qualified by namespaces, for example `smoltcp::x::FOO` or `<T as Tr>::{vtable}`.
    pub name: &'s str,
    /// Name of the symbol, if DWARF gives it (vtables and C statics have none).
    pub linkage_name: Option<&'s str>,
    /// Where the variable is. `None` if it has no single place, for example because the optimizer split it.
    pub location: Option<Location>,
}

impl StaticRef<'_> {
    /// Whether this is a Rust vtable.
    pub fn is_vtable(&self) -> bool {
        self.name.ends_with("::{vtable}")
    }
}

/// A named type that one side defines.
#[derive(Clone, Copy, Debug)]
pub struct TypeRef<'s> {
    /// Index in the slice of sides.
    pub side: usize,
    /// Qualified by namespaces and functions, for example `smoltcp::wire::Ipv4Address`.
    pub name: &'s str,
    /// It is a typedef of something that has a name of its own, or of no structure at all.
    pub is_alias: bool,
}

/// What is compared: all that it selects, and what that leads to.
///
/// The functions must not depend on the order of calls.
#[derive(Clone, Copy)]
pub struct Selection<'s> {
    /// Called for every static that has a place in memory, vtables included.
    pub statics: &'s (dyn Fn(&StaticRef<'_>) -> bool + Sync),
    /// Called for every structure, union, enumeration and typedef that has a name and is more than declared; if absent,
    /// no type is compared for its own sake.
    pub types: Option<&'s (dyn Fn(&TypeRef<'_>) -> bool + Sync)>,
    /// Whether the data may hold code pointers.
    pub code_pointers: CodePointers,
    /// What is known of types whose values mean something else on each side.
    pub lints: &'s [Lint],
    /// Told how far reading is, from time to time.
    pub progress: Option<&'s (dyn Fn(Progress) + Sync)>,
}

/// How far reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of `.debug_info` that were read.
    pub done: u64,
    /// Bytes that there are.
    pub total: u64,
}

/// What is said of pointers to functions and to trait objects in what is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodePointers {
    /// They are compared as any other pointer, and counted: the data is no shared memory, or `fatld` makes them good for
    /// every CPU.
    #[default]
    Allowed,
    /// They are findings: the address of code of one CPU means nothing to another one.
    Refused,
}

/// Where a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// In a relocatable object: the relocation's symbol is resolved.
    Section {
        /// ELF section index.
        section: usize,
        /// Offset in that section: symbol value plus addend.
        offset: u64,
    },
    /// In a linked file, or an absolute symbol.
    Address(u64),
}
