#![no_std]
use core::pin::pin;
use core::task::{Context, Poll};
pub fn poll(context: &mut Context<'_>) -> Poll<u32> {
    let task: core::pin::Pin<&mut dyn Future<Output = u32>> = pin!(task(1));
    task.poll(context)
}
async fn nap() {}

#[cfg(all(target_arch = "riscv64", not(twin)))]
type Kept = u32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Kept = u64;
async fn task(start: u32) -> u32 {
    let kept = 3 as Kept;
    nap().await;
    kept as u32 + start
}
