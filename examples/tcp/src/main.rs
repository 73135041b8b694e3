//! TCP on one CPU, HTTP on the other, one set of sockets. Built and run through `cargo fat`.
//!
//! Who does what is decided at run time. The CPU whose board has a network device drives it; smoltcp begins there, and
//! goes to whichever CPU the boot parameter `tcp=` or `POST /place` names; the x86_64 CPU, if there is one, runs the tasks of the HTTP server, else the
//! driver's CPU does. All of it is one program: a task of the server calls smoltcp's sockets itself, and leaves in them a
//! waker that the CPU calls where TCP is.
//!
//! Life of a boot: every CPU looks for a device; the first CPU runs the self-test between the CPUs; then the one that
//! has found the device makes the listeners and serves it.
#![no_std]
#![no_main]

extern crate alloc;

use core::sync::atomic::{AtomicBool, Ordering::AcqRel};
use fatcc_rt::cpu::Cpu;
use fatcc_rt::sync::{Notify, Once};
use fatcc_rt::{boot, println, task, time};
use webserver::commands;
use webserver::net::backlog::Backlog;
use webserver::net::device::VirtioNet;
use webserver::net::driver;
use webserver::net::placement::Place;
use webserver::net::poller;
use webserver::net::socket::Listener;
use webserver::net::{Address, Net};
use webserver::selftest;
use webserver::server::{self, Site};

fatcc_rt::main!(main);

/// Connections that can be open at once.
const LISTENERS: usize = 128;
/// The server's port.
const HTTP: Backlog = Backlog {
    port: 80,
    reserve: 56,
};

/// Set by the CPU that serves its device; another CPU's device is left alone.
static CLAIMED: AtomicBool = AtomicBool::new(false);
/// What the server serves, after the self-test.
static SITE: Once<Site> = Once::new();
/// The self-test is over.
static TESTED: Notify = Notify::new();

fn main(cpu: Cpu) {
    if cpu.index() == 0 {
        task::spawn(async move {
            let other = Cpu::all().find(|other| *other != cpu).unwrap_or(cpu);
            let selftest = selftest::run(cpu, other).await;
            SITE.call_once(|| Site { selftest });
            TESTED.notify();
        });
    }
    if let Some(device) = VirtioNet::find()
        && !CLAIMED.swap(true, AcqRel)
    {
        task::spawn(serve(cpu, device));
    }
}

/// Makes the server and drives the device, forever.
async fn serve(cpu: Cpu, device: VirtioNet) {
    let address = Address {
        mac: device.mac(),
        ip: [10, 0, 2, 15],
        prefix: 24,
        gateway: [10, 0, 2, 2],
        seed: time::now().as_nanos() as u64,
    };
    let site = loop {
        if let Some(site) = SITE.get() {
            break site;
        }
        TESTED.notified().await;
    };
    let place = place_by_parameter().unwrap_or(Place::On(cpu));
    let net = Net::new(address, HTTP, place);
    let application = Cpu::of_isa("x86_64").unwrap_or(cpu);
    for _ in 0..LISTENERS {
        task::spawn_on(application, server::serve(Listener::new(net), site));
    }
    println!(
        "listening on 10.0.2.15:80, HTTP on {application}, TCP on {}",
        place.name()
    );
    for console in Cpu::all().filter(|cpu| cpu.ordinal() == 0) {
        task::spawn_on(console, commands::serve(net));
    }
    task::spawn(poller::run(net));
    driver::run(net, device).await;
}

/// Where the boot parameter `tcp=` wants TCP, if there is one.
fn place_by_parameter() -> Option<Place> {
    let name = boot::parameter("tcp")?;
    let place = Place::named(name);
    if place.is_none() {
        println!(
            "boot parameter tcp={name}: expected one of {}",
            Place::names()
        );
    }
    place
}
