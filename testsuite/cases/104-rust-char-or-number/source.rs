#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Letter = u32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Letter = char;
#[cfg(all(target_arch = "riscv64", not(twin)))]
const LETTER: Letter = 65;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
const LETTER: Letter = 'A';
pub struct Key { pub letter: Letter }
pub static KEY: Key = Key { letter: LETTER };
