//! Raw addresses of other ISAs' code: a jump there goes on in the own code of the same function.

use alloc::format;
use core::arch::asm;
use core::hint::black_box;

use fatcc_rt::cpu::Cpu;
use fatcc_rt::{FatFn, heal, println, task};

const CALLS: u64 = 10;

pub(crate) async fn check() {
    // Found by its function array.
    is_called("pointed_to", |cpu| {
        let array = FatFn::<extern "C" fn(u64) -> u64>::new(pointed_to).elements();
        array[cpu.isa_index()] as usize
    })
    .await;
    // Found by its name.
    let mut addresses = [0; 2];
    for cpu in Cpu::all() {
        task::switch_to(cpu).await;
        addresses[cpu.isa_index()] = only_named_address();
    }
    is_called("only_named", |cpu| addresses[cpu.isa_index()]).await;
}

/// Calls a function's code of another ISA from each CPU.
async fn is_called(name: &str, code_on: impl Fn(Cpu) -> usize) {
    let mut expected = 0;
    for here in Cpu::all() {
        task::switch_to(here).await;
        let foreign = Cpu::all().find(|cpu| cpu.isa_index() != here.isa_index());
        let code = code_on(foreign.expect("another ISA"));
        for number in 0..CALLS {
            assert_eq!(call_raw(code, number), 3 * number);
        }
        expected += CALLS;
    }
    let counted = heal::jumps().find(|(function, _)| format!("{}", function.name).ends_with(name));
    let (function, times) = counted.expect("a function that was jumped to");
    assert_eq!((function.offset, times), (0, expected), "{function}");
    println!("foreign code: {times} jumps to {name}");
}

#[inline(never)]
extern "C" fn call_raw(code: usize, number: u64) -> u64 {
    // SAFETY: none: it is another ISA's code, and the runtime finds the function.
    let function: extern "C" fn(u64) -> u64 = unsafe { core::mem::transmute(black_box(code)) };
    function(number)
}

extern "C" fn pointed_to(number: u64) -> u64 {
    3 * number
}

/// Nothing takes its address as that of a function, so it has no function array.
#[unsafe(no_mangle)]
extern "C" fn only_named(number: u64) -> u64 {
    3 * number
}

/// The own code of [`only_named`], as the address behind its first byte and one less: what assembly can calculate, and no
/// linker see.
fn only_named_address() -> usize {
    let behind: usize;
    // SAFETY: it calculates an address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("lea {}, [rip + {} + 1]", out(reg) behind, sym only_named, options(nomem, nostack));
    }
    // SAFETY: the same.
    #[cfg(target_arch = "riscv64")]
    unsafe {
        asm!("lla {}, {} + 1", out(reg) behind, sym only_named, options(nomem, nostack));
    }
    behind - 1
}
