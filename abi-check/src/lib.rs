//! abi-check
