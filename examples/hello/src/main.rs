//! Hello from every CPU, and a closure that is made on one and runs on the other.
//!
//! Built and run by `cargo fat run -p hello`.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use fatcc_rt::cpu::Cpu;
use fatcc_rt::{println, task};

fatcc_rt::main!(main);

fn main(cpu: Cpu) {
    println!("Hello, I am CPU {} of {}.", cpu.index(), Cpu::all().count());
    if cpu.index() == 0 {
        task::spawn(visit_all());
    }
}

/// Sends a closure to each CPU and prints here what it found there.
async fn visit_all() {
    let home = Cpu::current();
    for there in Cpu::all().filter(|there| *there != home) {
        let answer = task::spawn_on(there, call(greeting(home))).await;
        match answer {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("{there}: {error}"),
        }
    }
}

async fn call(closure: Box<dyn FnOnce() -> String + Send>) -> String {
    closure()
}

fn greeting(maker: Cpu) -> Box<dyn FnOnce() -> String + Send> {
    let made_by = format!("made on {maker}");
    Box::new(move || format!("A closure {made_by} was called on {}.", Cpu::current()))
}
