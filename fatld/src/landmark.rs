//! Symbols that the linker defines, if something refers to them and nothing else defines them.

/// A place of the output that programs know by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Landmark {
    /// First byte of the image.
    Start,
    /// End of the code of the slice that asks.
    TextEnd,
    /// End of the initialized data.
    DataEnd,
    /// First byte of what begins as zero.
    BssStart,
    /// End of the image.
    End,
    /// The GOT of the slice that asks.
    Got,
    /// First byte of the TLS segment.
    TlsStart,
    /// End of the bytes of the TLS segment that are not zero.
    TlsDataEnd,
    /// End of the TLS segment.
    TlsEnd,
    /// First record of the `.eh_frame` of the slice that asks.
    FramesStart,
    /// The word that ends it.
    FramesEnd,
    /// Where the thread pointer would be if the TLS segment were a thread's: code adds to it what else it would add to
    /// the start of its module's variables (see [`crate::isa::Slot::TlsModule`]).
    TlsModule,
}

impl Landmark {
    /// Each slice has one of its own.
    pub fn is_of_slice(self) -> bool {
        matches!(
            self,
            Landmark::TextEnd | Landmark::Got | Landmark::FramesStart | Landmark::FramesEnd
        )
    }
}

/// Every name, as ld and lld define them; the TLS segment's are ours, for programs that set threads up by themselves.
const NAMES: &[(&str, Landmark)] = &[
    ("__executable_start", Landmark::Start),
    ("__dso_handle", Landmark::Start),
    ("etext", Landmark::TextEnd),
    ("_etext", Landmark::TextEnd),
    ("edata", Landmark::DataEnd),
    ("_edata", Landmark::DataEnd),
    ("__bss_start", Landmark::BssStart),
    ("end", Landmark::End),
    ("_end", Landmark::End),
    ("_GLOBAL_OFFSET_TABLE_", Landmark::Got),
    ("__tls_start", Landmark::TlsStart),
    ("__tls_data_end", Landmark::TlsDataEnd),
    ("__tls_end", Landmark::TlsEnd),
    ("_TLS_MODULE_BASE_", Landmark::TlsModule),
];

/// What a name means.
pub fn named(name: &str) -> Option<Landmark> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, landmark)| *landmark)
}
