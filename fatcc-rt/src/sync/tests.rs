//! What all tests of locks and events use, and values that are made once.

mod lock;
mod notify;

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::SeqCst;
use core::task::Waker;
use std::thread;

use super::*;

#[derive(Default)]
pub(super) struct Count(pub(super) AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A waker, and how often it was woken.
pub(super) fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

#[test]
fn a_value_is_computed_once() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: Lazy<usize> = Lazy::new(|| CALLS.fetch_add(1, SeqCst) + 10);
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(|| *VALUE)).collect();
    assert!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap() == 10)
    );
    let once = Once::new();
    assert_eq!(once.get(), None);
    assert_eq!((*once.call_once(|| 1), *once.call_once(|| 2)), (1, 1));
}

#[test]
fn cache_aligned_values_are_128_bytes_apart() {
    assert_eq!(size_of::<[CacheAligned<u8>; 2]>(), 256);
}
