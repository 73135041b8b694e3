#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Count = u32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Count = u64;
pub fn call(count: Count) -> u32 { run(&move || count as u32) }
fn run(f: &dyn Fn() -> u32) -> u32 { f() }
