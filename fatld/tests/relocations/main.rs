//! Every relocation of every ISA, against lld: the same bytes at the same addresses, the same values refused.
//!
//! A table per ISA names each relocation with the lowest and the highest value of its field. Both go into one object,
//! with values between them, which fatld and lld link to the same addresses; the values beside them go into another one,
//! of which each linker must refuse each field.

mod aarch64;
mod oracle;
mod riscv64;
mod tls;
mod x86_64;

#[path = "../common/mod.rs"]
mod common;
