//! The attribute `#[placeable]` of `fatcc-rt`, which documents it: that crate's `placed` is what it expands to.
//!
//! Invariant: what cannot be placed is refused here, at the word that makes it so, and never misunderstood.

mod placeable;

use proc_macro::TokenStream;

/// See `fatcc_rt::placeable`.
#[proc_macro_attribute]
pub fn placeable(arguments: TokenStream, item: TokenStream) -> TokenStream {
    placeable::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}
