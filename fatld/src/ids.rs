//! Indexes of the link's flat tables, as types of their own so that one cannot be used for another.

/// Makes a `u32` index type.
macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The index of the next element of a table with `len` elements.
            ///
            /// Panics beyond 2^32 elements: inputs are far smaller than that many headers of theirs.
            pub fn next(len: usize) -> Self {
                Self(u32::try_from(len).expect("table within 32-bit indexes"))
            }

            /// The index as a `usize`.
            pub fn at(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A slice: all inputs of one ISA, in the order of the command line. Slice 0 is the first element.
    SliceId
);
index!(
    /// An object file that takes part in the link.
    ObjectId
);
index!(
    /// An input section, or a piece of a mergeable one.
    SectionId
);
index!(
    /// An entry of an object's symbol table.
    SymbolId
);
index!(
    /// A name that the slices agree on: a function or a datum that has a definition in one slice or more.
    EntityId
);
index!(
    /// Read-only atoms without a name that are equal in bytes and references.
    ClassId
);
index!(
    /// Sections of named data that are placed as one, at most one run of them per slice.
    ClusterId
);
index!(
    /// A function array and its gate.
    GateId
);
index!(
    /// A thunk: code that leads a branch to where it does not reach.
    ThunkId
);
index!(
    /// A collected array.
    CollectionId
);
