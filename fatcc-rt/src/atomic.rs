//! Atomics and cells as this crate uses them where CPUs meet without a lock: `core`'s, or Loom's under `--cfg loom`.
//!
//! Loom tries every order in which threads may see each other's accesses, so what it runs must be the real code; this
//! module is what lets it. Its types cannot be made by `const` functions nor stand in statics, hence the two macros.
//! What only one CPU ever writes and no order depends on (counters, own state) stays with `core`'s.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence,
};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence,
};

#[cfg(loom)]
pub(crate) use loom::cell::{ConstPtr, MutPtr, UnsafeCell};
#[cfg(not(loom))]
pub(crate) use plain::{ConstPtr, MutPtr, UnsafeCell};

/// `core`'s cell under the names of Loom's, whose pointers exist as long as the access lasts.
#[cfg(not(loom))]
mod plain {
    /// See [`core::cell::UnsafeCell`].
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

    /// An access that reads. It may be made at any time; using it is what has conditions.
    pub(crate) struct ConstPtr<T: ?Sized>(*const T);

    /// An access that may write. It may be made at any time; using it is what has conditions.
    pub(crate) struct MutPtr<T: ?Sized>(*mut T);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(core::cell::UnsafeCell::new(value))
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        pub(crate) fn get(&self) -> ConstPtr<T> {
            ConstPtr(self.0.get())
        }

        pub(crate) fn get_mut(&self) -> MutPtr<T> {
            MutPtr(self.0.get())
        }

        pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
            access(self.0.get())
        }

        pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0.get())
        }
    }

    impl<T: ?Sized> ConstPtr<T> {
        /// # Safety
        /// Nobody writes the value meanwhile.
        pub(crate) unsafe fn deref(&self) -> &T {
            // SAFETY: by the caller.
            unsafe { &*self.0 }
        }
    }

    impl<T: ?Sized> MutPtr<T> {
        pub(crate) fn with<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0)
        }

        /// # Safety
        /// Nobody else accesses the value meanwhile.
        #[allow(clippy::mut_from_ref, reason = "the name and type of Loom's")]
        pub(crate) unsafe fn deref(&self) -> &mut T {
            // SAFETY: by the caller.
            unsafe { &mut *self.0 }
        }
    }
}

/// A function that is `const` but where Loom makes its values.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility const fn $name($($argument: $type),*) -> $result $body
        #[cfg(loom)]
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) -> $result $body
    };
}

/// A static that Loom makes anew for every execution.
macro_rules! shared_static {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        static $name: $type = $value;
        #[cfg(loom)]
        loom::lazy_static! {
            $(#[$attribute])*
            static ref $name: $type = $value;
        }
    };
}

pub(crate) use {const_fn, shared_static};
