//! All CPUs at once on one counter, one lock and one heap.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use fatcc_rt::cpu::{self, MAX, PerCpu};
use fatcc_rt::sync::{CacheAligned, Mutex};
use fatcc_rt::task;

/// Few: where CPUs share cores of the host, each turn of a lock that is served in order may take a time slice.
const ROUNDS: u64 = 100;

static COUNTER: AtomicU64 = AtomicU64::new(0);
static OWN: PerCpu<AtomicU64> = PerCpu::new([const { CacheAligned(AtomicU64::new(0)) }; MAX]);
/// Two sums that are equal whenever nobody holds the lock, and boxes that others have made.
static LOCKED: Mutex<(u64, u64, BTreeMap<u64, Box<u64>>)> = Mutex::new((0, 0, BTreeMap::new()));

pub async fn shared_by_all() {
    let tasks: Vec<_> = cpu::all()
        .map(|there| task::spawn_on(there, work(there.index() as u64)))
        .collect();
    let cpus = tasks.len() as u64;
    for task in tasks {
        assert_eq!(task.await, Ok(()));
    }
    let locked = LOCKED.lock();
    assert_eq!(COUNTER.load(Relaxed), cpus * ROUNDS);
    assert!(OWN.all().all(|own| own.load(Relaxed) == ROUNDS));
    assert_eq!((locked.0, locked.1), (cpus * ROUNDS, cpus * ROUNDS));
    assert!(locked.2.is_empty());
}

/// Puts a box in, and takes out one that anybody has put in.
async fn work(own: u64) {
    for round in 0..ROUNDS {
        COUNTER.fetch_add(1, Relaxed);
        OWN.own().fetch_add(1, Relaxed);
        let key = own << 32 | round;
        let made = Box::new(key);
        let taken = {
            let mut locked = LOCKED.lock();
            assert_eq!(locked.0, locked.1);
            locked.0 += 1;
            locked.2.insert(key, made);
            locked.1 += 1;
            locked.2.pop_first()
        };
        assert!(taken.is_some_and(|(key, value)| key == *value));
        if round % 16 == 0 {
            task::yield_now().await;
        }
    }
}
