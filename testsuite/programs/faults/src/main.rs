//! Exceptions of every CPU: each ends the task or call that has caused it, and nothing else. A check that fails panics.
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::hint::black_box;
use core::time::Duration;

use fatcc_rt::call::{CallError, call_on};
use fatcc_rt::cpu::{self, Cpu, State};
use fatcc_rt::health::{self, NotRestarted};
use fatcc_rt::sync::Mutex;
use fatcc_rt::task::{self, JoinError};
use fatcc_rt::{FatFn, heal, println};

fatcc_rt::main!(main);

fn main(cpu: Cpu) {
    let last = cpu.index() + 1 == cpu::all().count();
    if cpu.index() == 0 {
        task::spawn(check_all());
    }
    if cfg!(feature = "outside") && last {
        health::watch(Duration::from_secs(30));
        Way::Access.go();
    }
}

async fn check_all() {
    heal::set_strict(true);
    if cfg!(feature = "outside") {
        return others_go_on().await;
    }
    for there in cpu::all() {
        for way in WAYS {
            in_a_task(there, way).await;
            in_a_call(there, way);
        }
        println!("{there} goes on after every exception");
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Access,
    Instruction,
    Jump,
    ForeignCode,
    Stack,
}

const WAYS: [Way; 5] = [
    Way::Access,
    Way::Instruction,
    Way::Jump,
    Way::ForeignCode,
    Way::Stack,
];

// No instruction, by the rules of every ISA: the first two bytes are none on one, the zeros behind them on another.
global_asm!(
    ".section .text.no_instruction,\"ax\",@progbits",
    ".globl no_instruction",
    ".type no_instruction, @function",
    "no_instruction:",
    ".byte 0x0f, 0x0b, 0, 0, 0, 0, 0, 0",
    ".size no_instruction, . - no_instruction",
);

unsafe extern "C" {
    fn no_instruction();
}

static LOCKED: Mutex<u64> = Mutex::new(0);
static DATA: [u8; 16] = [0; 16];

impl Way {
    #[inline(never)]
    fn go(self) {
        let _held = LOCKED.lock_or_poisoned();
        // SAFETY: none: every way is an exception, which is what is tested.
        unsafe {
            match self {
                Way::Access => black_box(16 as *mut u64).write_volatile(1),
                Way::Instruction => no_instruction(),
                Way::Jump => jump((&raw const DATA).addr()),
                Way::ForeignCode => {
                    let own = Cpu::current().isa_index();
                    let code = FatFn::<fn(u64) -> u64>::new(deeper).elements();
                    jump(code[1 - own] as usize);
                }
                Way::Stack => drop(black_box(deeper(1))),
            }
        }
    }

    /// What the report says.
    fn words(self) -> &'static str {
        match self {
            Way::Access => ": address 0x10",
            Way::Instruction => "code",
            Way::Jump => "which is no code",
            Way::ForeignCode => ": a jump into code of ",
            Way::Stack => ": the stack is full",
        }
    }
}

/// # Safety
/// None.
unsafe fn jump(address: usize) {
    // SAFETY: none, see above.
    let function: fn() = unsafe { core::mem::transmute(black_box(address)) };
    function();
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let bytes = black_box([depth; 64]);
    if depth == 0 {
        0
    } else {
        deeper(depth + 1) + bytes[1]
    }
}

fn check(there: Cpu, way: Way, panicked: &fatcc_rt::attempt::Panicked) {
    assert_eq!(panicked.cpu(), there);
    assert!(
        panicked.message().contains(way.words()),
        "{way:?}: {panicked}"
    );
    assert_eq!(LOCKED.poisoned_by(), Some(there));
    LOCKED.clear_poison();
}

async fn in_a_task(there: Cpu, way: Way) {
    let failing = task::spawn_on(there, async move { way.go() });
    match failing.await {
        Err(JoinError::Panicked(panicked)) => check(there, way, &panicked),
        other => panic!("{way:?} on {there}: {other:?}"),
    }
    assert_eq!(
        task::spawn_on(there, async { cpu::current() }).await,
        Ok(there)
    );
}

fn in_a_call(there: Cpu, way: Way) {
    match call_on(there, move || way.go()) {
        Err(CallError::Panicked(panicked)) => check(there, way, &panicked),
        other => panic!("{way:?} on {there}: {other:?}"),
    }
    assert_eq!(call_on(there, cpu::current), Ok(there));
}

async fn others_go_on() {
    let last = cpu::all().last().expect("a CPU");
    while last.state() != State::Offline {
        task::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(call_on(last, || ()), Err(CallError::Offline(last)));
    assert_eq!(LOCKED.poisoned_by(), Some(last));
    println!("the others go on without {last}");
    while let Err(error) = health::restart(last) {
        assert_eq!(error, NotRestarted::NotOffline);
        task::sleep(Duration::from_millis(1)).await;
    }
    while !last.is_online() {
        task::sleep(Duration::from_millis(1)).await;
    }
    LOCKED.clear_poison();
    for way in WAYS {
        in_a_task(last, way).await;
        in_a_call(last, way);
    }
    println!("{last} is back");
}
