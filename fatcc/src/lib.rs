//! `cargo fat` as a library: builds a package for several ISAs, links it into one image, and runs that on a machine
//! of one QEMU per ISA, or as Linux processes.
//!
//! [`build`] calls cargo with [`wrapper`] around rustc and [`record`] in the linker's place, both played by the running
//! program itself ([`role`]), and hands what was recorded to `fatld`. [`machine`] runs the image. What differs between
//! ISAs is in [`isa`], and nowhere else.

pub mod build;
pub mod error;
mod files;
pub mod isa;
mod link;
pub mod machine;
pub mod plan;
pub mod record;
pub mod role;
pub mod toolchain;
pub mod tools;
pub mod wrapper;
