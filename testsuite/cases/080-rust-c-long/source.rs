#![no_std]
#[cfg(twin)]
type Seconds = core::ffi::c_longlong;
#[cfg(not(twin))]
type Seconds = core::ffi::c_long;
pub struct Stamp { pub seconds: Seconds }
pub static STAMP: Stamp = Stamp { seconds: 65 };
