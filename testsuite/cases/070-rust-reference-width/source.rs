#![no_std]
#[cfg(twin)]
type Link = u64;
#[cfg(not(twin))]
type Link = &'static u32;
pub struct Node { pub link: Option<Link> }
pub static NODE: Node = Node { link: None };
