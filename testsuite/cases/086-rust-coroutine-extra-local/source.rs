#![no_std]
use core::pin::pin;
use core::task::{Context, Poll};
pub fn poll(context: &mut Context<'_>) -> Poll<u32> {
    let task: core::pin::Pin<&mut dyn Future<Output = u32>> = pin!(task(3));
    task.poll(context)
}
async fn nap() {}

async fn task(start: u32) -> u32 {
    #[cfg(all(target_arch = "riscv64", not(twin)))]
    let extra = start + 1;
    nap().await;
    #[cfg(all(target_arch = "riscv64", not(twin)))]
    return start + extra;
    #[cfg(not(all(target_arch = "riscv64", not(twin))))]
    start
}
