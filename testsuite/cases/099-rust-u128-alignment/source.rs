#![no_std]
#[repr(C)]
pub struct Address { pub port: u64, pub address: u128 }
#[cfg(not(twin))]
pub static ADDRESS: Address = Address { port: 1, address: 2 };
#[cfg(twin)]
pub static ADDRESS: [u64; 4] = [1, 0, 2, 0];
