//! The self-test: what a program of one ISA takes for granted, checked between the CPUs of this one.
//!
//! - [`objects`]: things made on one CPU and used on the other: trait objects, closures, `dyn Any`, collections
//! - [`functions`]: function pointers, function arrays and statics, which must be the same seen from either
//! - [`tasks`]: wakers and futures that go from one to the other
//!
//! Invariant: a check compares what the CPUs themselves recorded (each step asks [`Cpu::current`] where it runs), and
//! a step that never ends is a failure. Nothing here is inlined across steps: they run as tasks of their CPU.

mod functions;
mod objects;
mod tasks;

use crate::report::{Check, Report};
use crate::rt;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Display;
use core::future::Future;
use core::time::Duration;
use fatcc_rt::cpu::Cpu;
use fatcc_rt::{litmus, println, task};

/// Time for one check.
const LIMIT: Duration = Duration::from_secs(20);

/// What was seen, or what was wrong.
type Outcome = Result<String, String>;

/// Runs all checks between `first` and `second`, in both directions, and prints each.
pub async fn run(first: Cpu, second: Cpu) -> Report {
    let mut report = Report::default();
    for direction in [(first, second), (second, first)] {
        let (from, to) = direction;
        let report = &mut report;
        check(report, "atomics", direction, atomics(to)).await;
        check(
            report,
            "boxed trait object",
            direction,
            objects::trait_object(from, to),
        )
        .await;
        check(
            report,
            "boxed FnMut closure",
            direction,
            objects::closure(from, to),
        )
        .await;
        check(
            report,
            "boxed FnOnce closure",
            direction,
            objects::once_closure(from, to),
        )
        .await;
        check(
            report,
            "dyn Any downcast",
            direction,
            objects::any(from, to),
        )
        .await;
        check(report, "map of strings", direction, objects::map(from, to)).await;
        check(
            report,
            "function pointer",
            direction,
            functions::pointer(from, to),
        )
        .await;
        check(report, "FatFn", direction, functions::array(from, to)).await;
        check(report, "static", direction, functions::one_static(from, to)).await;
        check(report, "waker", direction, tasks::waker(from, to)).await;
        check(
            report,
            "future polled in turn",
            direction,
            tasks::future_in_turn(from, to),
        )
        .await;
        check(
            report,
            "task that moves",
            direction,
            tasks::moving(from, to),
        )
        .await;
    }
    println!(
        "self-test: {}",
        if report.passed() { "passed" } else { "FAILED" }
    );
    report
}

async fn check(
    report: &mut Report,
    name: &'static str,
    direction: (Cpu, Cpu),
    run: impl Future<Output = Outcome>,
) {
    let outcome = match rt::with_timeout(LIMIT, run).await {
        Ok(outcome) => outcome,
        Err(rt::Elapsed) => Err(format!("not done after {} s", LIMIT.as_secs())),
    };
    let ok = outcome.is_ok();
    let (Ok(detail) | Err(detail)) = outcome;
    let check = Check {
        name,
        direction: (direction.0.isa(), direction.1.isa()),
        ok,
        detail,
    };
    println!("{check}");
    report.checks.push(check);
}

/// Runs `step` on `cpu`.
async fn on<T: Send + 'static>(cpu: Cpu, step: impl FnOnce() -> T + Send + 'static) -> T {
    let result = task::spawn_on(cpu, async move { step() }).await;
    result.expect("a step that panics fails the self-test")
}

/// Both are the same, or the check fails with both of them.
fn same<T: PartialEq + Display>(what: &str, seen: T, expected: T) -> Result<(), String> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{what}: {seen}, expected {expected}"))
    }
}

/// `condition` holds, or the check fails with `what`.
fn holds(condition: bool, what: &str) -> Result<(), String> {
    if condition {
        Ok(())
    } else {
        Err(what.to_string())
    }
}

/// What the boot found out about atomics between the CPUs.
async fn atomics(to: Cpu) -> Outcome {
    let (outcome, here) = on(to, || (litmus::result(), Cpu::current())).await;
    same("read on", here, to)?;
    let outcome = outcome.ok_or("the boot has no result")?;
    let text = format!(
        "{} rounds, {} additions lost, {} lost under lock, {} reordered",
        outcome.rounds, outcome.lost_adds, outcome.lost_in_lock, outcome.reordered
    );
    if outcome.passed() {
        Ok(text)
    } else {
        Err(text)
    }
}
