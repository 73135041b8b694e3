//! What becomes of a placeable function.
//!
//! The function keeps its name, its type and its attributes, so that calls and pointers to it stay what they were. In it
//! are its former body as a function of its own, what the runtime knows of the function, and that in the list of
//! all such functions:
//!
//! ```text
//! fn f(a: &str) -> u32 {
//!     fn __fat_body(name: &str) -> u32 { … }
//!     static __FAT_PLACED: Placed = Placed::new("program::module::f", &f);
//!     static __FAT_ENTRY: Entry = Some(&__FAT_PLACED);
//!     __FAT_PLACED.call(move || __fat_body(a))
//! }
//! ```
//!
//! Names in the body that begin otherwise mean what they meant before, `f` included: a call of itself is a call like any.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, FnArg, GenericParam, ItemFn, PatType, ReturnType, Safety, Signature, Type,
    TypeImplTrait,
};

/// Attributes that are for the body's code, not only for the function's name.
const FOR_CODE: [&str; 4] = ["allow", "warn", "deny", "forbid"];

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[placeable]` has no arguments: `place` or the boot parameter `place=` says where the function runs",
        ));
    }
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        let message = format!("only a function can be placed: {error}");
        Error::new(error.span(), message)
    })?;
    check(&function.sig)?;
    let inputs = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    Ok(write(&function, &inputs.collect::<Vec<_>>()))
}

/// Refuses what has no place; all of it at once.
fn check(signature: &Signature) -> Result<(), Error> {
    let mut refused: Vec<Error> = Vec::new();
    let mut refuse = |at: &dyn quote::ToTokens, why: &str| {
        refused.push(Error::new_spanned(at.to_token_stream(), why));
    };
    if let Some(word) = &signature.constness {
        refuse(
            word,
            "a `const fn` cannot be placed: it may run before there is a CPU",
        );
    }
    if let Some(word) = &signature.asyncness {
        refuse(
            word,
            "an `async fn` cannot be placed: await `task::switch_to` in it, or `task::spawn_on` it",
        );
    }
    if let Some(dots) = &signature.variadic {
        refuse(
            dots,
            "a function with variable arguments cannot be placed: they have no types",
        );
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            refuse(
                parameter,
                "a generic function cannot be placed: it is many functions, and each would have its own place",
            );
        }
    }
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                refuse(
                    receiver,
                    "a method cannot be placed: let it call a function that is",
                );
            }
            FnArg::Typed(typed) => {
                if let Some(attribute) = typed.attrs.first() {
                    refuse(
                        attribute,
                        "an argument of a placeable function has no attributes",
                    );
                }
                let mut generic = ImplTraits(Vec::new());
                generic.visit_type(&typed.ty);
                for found in generic.0 {
                    refuse(
                        found,
                        "an argument of a placeable function has one type: `impl Trait` makes the function generic",
                    );
                }
            }
        }
    }
    if let ReturnType::Type(_, output) = &signature.output
        && let Type::Never(never) = &**output
    {
        refuse(
            never,
            "a function that never returns cannot be placed: its caller would wait for ever",
        );
    }
    let all = refused.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    });
    all.map_or(Ok(()), Err)
}

/// Every `impl Trait` in a type.
struct ImplTraits<'a>(Vec<&'a TypeImplTrait>);

impl<'a> Visit<'a> for ImplTraits<'a> {
    fn visit_type_impl_trait(&mut self, found: &'a TypeImplTrait) {
        self.0.push(found);
        visit::visit_type_impl_trait(self, found);
    }
}

fn write(function: &ItemFn, inputs: &[&PatType]) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = function;
    let body = Signature {
        ident: Ident::new("__fat_body", sig.ident.span()),
        abi: None,
        ..sig.clone()
    };
    let for_code = attrs.iter().filter(|attribute| is_for_code(attribute));
    // The compiler shows these places if a type cannot go to another CPU.
    let place = |input: &PatType| Span::call_site().located_at(input.ty.span());
    let names: Vec<Ident> = inputs
        .iter()
        .enumerate()
        .map(|(at, input)| format_ident!("__fat_argument_{at}", span = place(input)))
        .collect();
    let mut outer = sig.clone();
    for (input, name) in outer.inputs.iter_mut().zip(&names) {
        if let FnArg::Typed(typed) = input {
            *typed.pat = syn::parse_quote!(#name);
        }
    }
    let arguments = names.iter().zip(inputs).map(|(name, input)| {
        let place = place(input);
        quote_spanned!(place=> let #name = ::fatcc_rt::placed::sendable(#name);)
    });
    let mut call = quote!(__fat_body(#(#names),*));
    if let Safety::Unsafe(_) = sig.safety {
        // The outer function's caller has promised what the inner one's must.
        call = quote!(unsafe { #call });
    }
    let result = match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, output) => output.span(),
    };
    let call = quote_spanned!(result=> __FAT_PLACED.call(move || #call));
    let known = known(&sig.ident);
    quote! {
        #(#attrs)*
        #vis #outer {
            #(#for_code)*
            #body #block
            #known
            #(#arguments)*
            #call
        }
    }
}

/// What the runtime knows of the function.
fn known(ident: &Ident) -> TokenStream {
    let name = ident.unraw().to_string();
    quote_spanned! {ident.span()=>
        static __FAT_PLACED: ::fatcc_rt::placed::Placed = ::fatcc_rt::placed::Placed::new(
            ::core::concat!(::core::module_path!(), "::", #name),
            &#ident,
        );
        #[used]
        #[unsafe(link_section = "fat_placeable")]
        static __FAT_ENTRY: ::fatcc_rt::placed::Entry = ::core::option::Option::Some(&__FAT_PLACED);
    }
}

fn is_for_code(attribute: &Attribute) -> bool {
    FOR_CODE.iter().any(|name| attribute.path().is_ident(name))
}

#[cfg(test)]
mod tests;
