#![no_std]
pub struct Port(pub u32);
pub trait Reset { fn reset(&self) -> u32; }
#[cfg(target_arch = "riscv64")]
impl Port { pub fn poke(&self) -> u32 { (|| self.0)() } }
impl Port {
    pub fn call(&self, count: u64) -> u32 {
        #[cfg(target_arch = "riscv64")]
        let _fence = || 1u8;
        run(&move || count as u32) + run(&move || self.0)
    }
}
impl Reset for Port { fn reset(&self) -> u32 { run(&|| self.0 + 1) } }
pub static PORT: &(dyn Reset + Sync) = &Port(1);
fn run(f: &dyn Fn() -> u32) -> u32 { f() }
