#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Bytes = [u8; 4];
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Bytes = [u8];
pub struct Packet { pub bytes: &'static Bytes }
pub static PACKET: Packet = Packet { bytes: &[1, 2, 3, 4] };
