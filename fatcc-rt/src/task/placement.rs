//! Who decides where a task runs next.

use crate::atomic::shared_static;
use crate::cpu::Cpu;
use crate::sync::Once;

/// A policy that may move tasks between CPUs, for example by [`waiting`]. Without one, and by default, a task stays where it
/// was spawned or has switched to.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use fatcc_rt::cpu::{self, Cpu};
/// use fatcc_rt::host;
/// use fatcc_rt::task::{self, Placement};
///
/// /// Tasks go to the CPU that has least to do.
/// struct Balanced;
///
/// impl Placement for Balanced {
///     fn place(&self, home: Cpu) -> Cpu {
///         let idlest = cpu::all().filter(|cpu| cpu.is_online()).min_by_key(|cpu| task::waiting(*cpu));
///         match idlest {
///             Some(cpu) if task::waiting(cpu) + 1 < task::waiting(home) => cpu,
///             _ => home,
///         }
///     }
/// }
///
/// static POLICY: Balanced = Balanced;
/// assert!(task::set_placement(&POLICY));
///
/// static POLLED: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
/// host::run(2, |own| {
///     // All are spawned on one CPU; the other one gets its share.
///     for _ in (0..8).filter(|_| own.index() == 0) {
///         task::spawn(async {
///             for _ in 0..1000 {
///                 POLLED[cpu::current().index()].fetch_add(1, Relaxed);
///                 task::yield_now().await;
///             }
///         });
///     }
/// });
/// let polled = POLLED.each_ref().map(|polled| polled.load(Relaxed));
/// assert!(polled[0] + polled[1] == 8000 && polled[1] > 1000, "{polled:?}");
/// ```
pub trait Placement: Sync {
    /// The CPU that a task is polled on which was woken just now; `home` is where it was. It is asked by whoever wakes,
    /// in interrupt handlers too: it must not lock for long, nor allocate.
    fn place(&self, home: Cpu) -> Cpu {
        home
    }
}

shared_static! {
    static POLICY: Once<&'static dyn Placement> = Once::new();
}

/// Lets `policy` decide from now on. False if another one does already.
pub fn set_placement(policy: &'static dyn Placement) -> bool {
    let chosen = *POLICY.call_once(|| policy);
    core::ptr::addr_eq(chosen, policy)
}

/// Number of tasks that wait to be polled by `cpu`.
pub fn waiting(cpu: Cpu) -> usize {
    cpu.record().queue.len()
}

/// Where a task that lives on `home` goes.
pub(super) fn place(home: Cpu) -> Cpu {
    match POLICY.get() {
        None => home,
        Some(policy) => Some(policy.place(home))
            .filter(|cpu| cpu.is_online())
            .unwrap_or(home),
    }
}
