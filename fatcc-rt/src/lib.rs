//! fatcc-rt
#![no_std]
