#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Weight = i32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Weight = u32;
pub struct Node { pub next: Option<&'static Node>, pub weight: Weight }
pub struct List { pub head: Option<&'static Node> }
pub static LIST: List = List { head: Some(&Node { next: None, weight: 1 }) };
