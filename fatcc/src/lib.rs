//! fatcc
