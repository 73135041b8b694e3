//! The runtime inside a fat image (API skeleton: signatures are final, bodies follow).
#![no_std]
#![expect(unused_variables, missing_docs, reason = "skeleton")]

extern crate alloc;

/// Names the function that every CPU calls once after boot.
#[macro_export]
macro_rules! main {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn __fat_main(cpu: $crate::cpu::Cpu) {
            let main: fn($crate::cpu::Cpu) = $main;
            main(cpu)
        }
    };
}

#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!($($arg)*)) };
}

#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::console::print_line(::core::format_args!($($arg)*)) };
}

pub mod console {
    pub fn print(args: core::fmt::Arguments) { todo!() }
    pub fn print_line(args: core::fmt::Arguments) { todo!() }
}

pub mod cpu {
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
    pub struct Cpu(u32);
    impl Cpu {
        pub fn current() -> Cpu { todo!() }
        pub fn all() -> impl Iterator<Item = Cpu> { [].into_iter() }
        pub fn of_isa(name: &str) -> Option<Cpu> { todo!() }
        pub fn index(self) -> usize { self.0 as usize }
        pub fn isa(self) -> &'static str { todo!() }
    }
    impl core::fmt::Display for Cpu {
        fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result { f.pad(self.isa()) }
    }
}

pub mod sync {
    use core::cell::UnsafeCell;
    use core::ops::{Deref, DerefMut};
    /// Ticket lock with local interrupts off while it is held.
    pub struct Mutex<T: ?Sized> { value: UnsafeCell<T> }
    // SAFETY: skeleton.
    unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
    /// Not Send: cannot be held over an await of a spawned task.
    pub struct MutexGuard<'a, T: ?Sized> { value: &'a mut T, local: core::marker::PhantomData<*mut ()> }
    impl<T> Mutex<T> {
        pub const fn new(value: T) -> Self { Mutex { value: UnsafeCell::new(value) } }
        pub fn into_inner(self) -> T { self.value.into_inner() }
    }
    impl<T: ?Sized> Mutex<T> {
        pub fn lock(&self) -> MutexGuard<'_, T> { todo!() }
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> { todo!() }
    }
    impl<T: ?Sized> Deref for MutexGuard<'_, T> { type Target = T; fn deref(&self) -> &T { self.value } }
    impl<T: ?Sized> DerefMut for MutexGuard<'_, T> { fn deref_mut(&mut self) -> &mut T { self.value } }

    /// Written once, read by all.
    pub struct Once<T>(Mutex<Option<T>>);
    // SAFETY: skeleton.
    unsafe impl<T: Send + Sync> Sync for Once<T> {}
    impl<T> Once<T> {
        pub const fn new() -> Self { Once(Mutex::new(None)) }
        pub fn get(&self) -> Option<&T> { todo!() }
        pub fn call_once(&self, init: impl FnOnce() -> T) -> &T { todo!() }
    }
    /// A value computed at first use.
    pub struct Lazy<T, F = fn() -> T>(Once<T>, Mutex<Option<F>>);
    impl<T, F: FnOnce() -> T> Lazy<T, F> {
        pub const fn new(init: F) -> Self { Lazy(Once::new(), Mutex::new(Some(init))) }
    }
    impl<T, F: FnOnce() -> T> Deref for Lazy<T, F> { type Target = T; fn deref(&self) -> &T { todo!() } }

    /// An event that tasks wait for; a notify without a waiter is remembered once.
    pub struct Notify(());
    impl Notify {
        pub const fn new() -> Self { Notify(()) }
        /// From any CPU or interrupt.
        pub fn notify(&self) { todo!() }
        pub async fn notified(&self) { todo!() }
    }
    /// `repr(C, align(128))` on every ISA.
    #[repr(C, align(128))]
    pub struct CacheAligned<T>(pub T);
}

pub mod task {
    use super::cpu::Cpu;
    use core::future::Future;
    use core::time::Duration;
    /// Await it for the task's result; dropping it lets the task run on.
    pub struct JoinHandle<T>(core::marker::PhantomData<fn() -> T>);
    impl<T> Future for JoinHandle<T> {
        type Output = T;
        fn poll(self: core::pin::Pin<&mut Self>, cx: &mut core::task::Context) -> core::task::Poll<T> { todo!() }
    }
    impl<T> JoinHandle<T> { pub fn is_finished(&self) -> bool { todo!() } }
    pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> { todo!() }
    pub fn spawn_on<T: Send + 'static>(cpu: Cpu, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> { todo!() }
    /// Goes on running the calling task on `cpu`.
    pub async fn move_to(cpu: Cpu) { todo!() }
    pub async fn yield_now() { todo!() }
    pub async fn sleep(duration: Duration) { todo!() }
    /// `deadline` on the clock of `time::now`.
    pub async fn sleep_until(deadline: Duration) { todo!() }
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Elapsed;
    pub async fn with_timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> { todo!() }
}

pub mod time {
    /// Since boot; all CPUs agree but for some microseconds.
    pub fn now() -> core::time::Duration { todo!() }
}

pub mod doorbell {
    use super::cpu::Cpu;
    pub fn ring(cpu: Cpu) { todo!() }
    pub fn sent(from: Cpu) -> u64 { todo!() }
    pub fn received(cpu: Cpu) -> u64 { todo!() }
}

pub mod irq {
    /// An external interrupt line of the CPU that made it. `loop { acknowledge and drain the device; line.wait().await }`
    pub struct Line(u32);
    impl Line {
        pub fn new(number: u32) -> Line { todo!() }
        pub fn number(&self) -> u32 { self.0 }
        /// Until the line has fired since the last `wait`. Only on the CPU that made the line.
        pub async fn wait(&self) { todo!() }
    }
}

pub mod platform {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MmioSlot { pub base: usize, pub size: usize, pub line: u32 }
    pub fn virtio_mmio() -> impl Iterator<Item = MmioSlot> { [].into_iter() }
}

pub mod image {
    /// A function found by an address; `name` displays demangled.
    pub struct Function { pub isa: &'static str, pub name: Name, pub offset: u64 }
    /// Displays demangled.
    pub struct Name(&'static str);
    impl core::fmt::Display for Name {
        fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result { todo!() }
    }
    pub fn header() -> &'static fat_image::Header { todo!() }
    pub fn isas() -> &'static [fat_image::Isa] { todo!() }
    pub fn regions() -> &'static [fat_image::Region] { todo!() }
    pub fn symbolize(address: usize) -> Option<Function> { todo!() }
}

/// Number of instruction sets of an image of this version of the runtime.
pub const ISA_COUNT: usize = 2;

/// The function array itself, where a program wants it in its data.
#[repr(C)]
pub struct FatFn<F, const N: usize = ISA_COUNT> { elements: [u64; N], function: core::marker::PhantomData<F> }
impl<F: Copy, const N: usize> FatFn<F, N> {
    pub fn new(function: F) -> Self { todo!() }
    /// Raw address of this CPU's code: callable here only.
    pub fn get(&self) -> F { todo!() }
}
impl<F, const N: usize> PartialEq for FatFn<F, N> { fn eq(&self, other: &Self) -> bool { self.elements[0] == other.elements[0] } }

/// Ends the run; 0 is success.
pub fn exit(status: u8) -> ! { todo!() }

pub mod litmus {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Outcome { pub rounds: u32, pub lost_adds: u32, pub lost_in_lock: u32, pub reordered: u32 }
    impl Outcome { pub fn passed(&self) -> bool { todo!() } }
    pub fn result() -> Option<Outcome> { todo!() }
}
