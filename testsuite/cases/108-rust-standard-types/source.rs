#![no_std]
use core::cell::{Cell, UnsafeCell};
use core::cmp::Ordering;
use core::convert::Infallible;
use core::mem::ManuallyDrop;
use core::net::{IpAddr, SocketAddr};
use core::num::{NonZero, Wrapping};
use core::ops::{ControlFlow, Range, RangeInclusive};
use core::task::Poll;
use core::time::Duration;
pub struct Many {
    pub order: Option<Ordering>,
    pub wait: Option<Duration>,
    pub address: Result<IpAddr, SocketAddr>,
    pub range: (Range<u64>, RangeInclusive<u8>),
    pub flow: ControlFlow<u32, Option<NonZero<u16>>>,
    pub poll: Poll<Option<Result<char, bool>>>,
    pub never: Result<u8, Infallible>,
    pub wrapped: ManuallyDrop<Wrapping<i128>>,
    pub cells: (Cell<u8>, UnsafeCell<[u16; 3]>),
}
unsafe impl Sync for Many {}
pub static MANY: Option<Many> = None;
