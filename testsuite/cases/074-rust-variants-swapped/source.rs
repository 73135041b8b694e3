#![no_std]
pub enum Area {
    #[cfg(not(all(target_arch = "riscv64", not(twin))))] Circle(u32),
    Square(u32, u32),
    #[cfg(all(target_arch = "riscv64", not(twin)))] Circle(u32),
}
pub static AREAS: [Area; 2] = [Area::Circle(1), Area::Square(2, 3)];
