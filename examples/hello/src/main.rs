//! Built through `cargo fat`.
#![no_std]
#![no_main]
