#![no_std]
#[cfg(twin)]
type Bytes = [u8; 8];
#[cfg(not(twin))]
type Bytes = &'static [u8];
pub struct Packet { pub bytes: Option<Bytes> }
pub static PACKET: Packet = Packet { bytes: None };
