//! Things made on one CPU, used and dropped on the other. Each goes through a vtable or the allocator.

use super::{Outcome, holds, on, same};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::any::{Any, TypeId};
use core::hint::black_box;
use fatcc_rt::cpu::Cpu;
use fatcc_rt::sync::Mutex;

/// Something with a vtable.
trait Traveller: Send {
    /// Where it was made, where this runs, and a number that depends on both sides.
    fn visit(&mut self, number: u64) -> (Cpu, Cpu, u64);
}

/// Where a value was dropped.
#[derive(Clone)]
struct Grave(Arc<Mutex<Option<Cpu>>>);

/// Notes in a [`Grave`] where it is dropped.
struct Mortal(Grave);

impl Drop for Mortal {
    #[inline(never)]
    fn drop(&mut self) {
        *self.0.0.lock() = Some(Cpu::current());
    }
}

impl Grave {
    fn new() -> Grave {
        Grave(Arc::new(Mutex::new(None)))
    }

    fn check(&self, expected: Cpu) -> Result<(), String> {
        let dropped = *self.0.lock();
        match dropped {
            Some(cpu) => same("dropped on", cpu, expected),
            None => Err("it was not dropped".to_string()),
        }
    }
}

struct Pilgrim {
    made: Cpu,
    seen: u64,
    _mortal: Mortal,
}

impl Traveller for Pilgrim {
    #[inline(never)]
    fn visit(&mut self, number: u64) -> (Cpu, Cpu, u64) {
        self.seen = self.seen * 10 + number;
        (self.made, Cpu::current(), self.seen)
    }
}

/// Another type behind the same trait, so that the call cannot be resolved at compile time.
struct Hermit;

impl Traveller for Hermit {
    #[inline(never)]
    fn visit(&mut self, _: u64) -> (Cpu, Cpu, u64) {
        (Cpu::current(), Cpu::current(), 0)
    }
}

pub(super) async fn trait_object(from: Cpu, to: Cpu) -> Outcome {
    let grave = Grave::new();
    let mortal = Mortal(grave.clone());
    let mut made = on(from, move || -> Box<dyn Traveller> {
        if black_box(false) {
            return Box::new(Hermit);
        }
        Box::new(Pilgrim {
            made: Cpu::current(),
            seen: 1,
            _mortal: mortal,
        })
    })
    .await;
    let (origin, place, number) = on(to, move || {
        black_box(&mut made).visit(2);
        made.visit(3)
    })
    .await;
    same("made on", origin, from)?;
    same("called on", place, to)?;
    same("its state", number, 123)?;
    grave.check(to)?;
    Ok(format!("made on {origin}, called and dropped on {place}"))
}

pub(super) async fn closure(from: Cpu, to: Cpu) -> Outcome {
    let grave = Grave::new();
    let mortal = Mortal(grave.clone());
    let mut made = on(
        from,
        move || -> Box<dyn FnMut(u64) -> (Cpu, Cpu, u64) + Send> {
            let origin = Cpu::current();
            let mut sum = black_box(100);
            Box::new(move |number| {
                let _mortal = &mortal;
                sum += number;
                (origin, Cpu::current(), sum)
            })
        },
    )
    .await;
    let (origin, place, sum) = on(to, move || {
        black_box(&mut made)(20);
        made(3)
    })
    .await;
    same("made on", origin, from)?;
    same("called on", place, to)?;
    same("its state", sum, 123)?;
    grave.check(to)?;
    Ok(format!(
        "made on {origin}, called twice and dropped on {place}"
    ))
}

type Saying = Box<dyn FnOnce(&str) -> (Cpu, String) + Send>;

pub(super) async fn once_closure(from: Cpu, to: Cpu) -> Outcome {
    let grave = Grave::new();
    let mortal = Mortal(grave.clone());
    let made = on(from, move || -> Saying {
        let origin = Cpu::current().to_string();
        Box::new(move |middle| {
            let _mortal = mortal;
            (Cpu::current(), origin + middle + Cpu::current().isa())
        })
    })
    .await;
    let (place, text) = on(to, move || black_box(made)(" to ")).await;
    same("called on", place, to)?;
    same("its result", text.as_str(), &format!("{from} to {to}"))?;
    grave.check(to)?;
    Ok(format!("made and called: {text}"))
}

/// What is in the box.
struct Parcel(u64);
/// What is not.
struct Letter;

pub(super) async fn any(from: Cpu, to: Cpu) -> Outcome {
    let (made, id) = on(from, || {
        let parcel: Box<dyn Any + Send> = Box::new(Parcel(black_box(42)));
        (parcel, black_box(TypeId::of::<Parcel>()))
    })
    .await;
    let (equal, refused, content, place) = on(to, move || {
        let equal = black_box(TypeId::of::<Parcel>()) == id && (*made).type_id() == id;
        let refused = black_box(&made).downcast_ref::<Letter>().is_none();
        (
            equal,
            refused,
            made.downcast::<Parcel>().ok().map(|parcel| parcel.0),
            Cpu::current(),
        )
    })
    .await;
    same("opened on", place, to)?;
    holds(equal, "the CPUs have different TypeIds for one type")?;
    holds(refused, "it was taken for another type")?;
    holds(content == Some(42), "it is not taken for its own type")?;
    Ok(format!("equal TypeIds, downcast on {place}"))
}

pub(super) async fn map(from: Cpu, to: Cpu) -> Outcome {
    let mut made = on(from, || {
        (0..500u64)
            .map(|number| (format!("{number:03}"), black_box(number) * 2))
            .collect::<BTreeMap<String, u64>>()
    })
    .await;
    let (sum, length, place) = on(to, move || {
        made.retain(|key, _| !key.ends_with('7'));
        made.extend((500..600).map(|number| (format!("{number:03}"), number * 2)));
        let ordered = made
            .keys()
            .zip(made.keys().skip(1))
            .all(|(first, second)| first < second);
        let sum = made.values().sum::<u64>();
        (if ordered { sum } else { 0 }, made.len(), Cpu::current())
    })
    .await;
    let expected: u64 = (0..600)
        .filter(|number| *number >= 500 || number % 10 != 7)
        .map(|number| number * 2)
        .sum();
    same("changed on", place, to)?;
    same("sum of its values", sum, expected)?;
    same("its length", length, 550)?;
    Ok(format!(
        "built on {from}, changed, summed and freed on {place}"
    ))
}
