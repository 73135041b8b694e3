//! Commands that are typed at a console.

use crate::net::Net;
use crate::net::checksum;
use crate::net::placement::Place;
use crate::stats;
use alloc::format;
use alloc::string::{String, ToString};

/// What there is.
const COMMANDS: &str = "connections: lists all connections\n\
    place ISA: has TCP run there; `every-poll` for elsewhere at every poll\n\
    place checksum CPU: has its checksums computed there; `tcp` for where it is";

/// What a command has to say, without a line end.
pub fn answer(net: &Net, command: &str) -> String {
    match command.split_whitespace().collect::<alloc::vec::Vec<_>>()[..] {
        [] => String::new(),
        ["connections"] => stats::connections_table(&net.connections()),
        ["place", name] => match Place::named(name) {
            Some(place) => {
                net.move_to(place);
                format!("TCP goes to {}", place.name())
            }
            None => format!("`{name}` is no place: expected {}", Place::names()),
        },
        ["place", "checksum", name] => match checksum::place(name) {
            true => format!("checksums go to {name}"),
            false => format!("`{name}` is no place: expected {}", checksum::places()),
        },
        ["help"] => COMMANDS.to_string(),
        _ => format!("`{command}` is no command\n{COMMANDS}"),
    }
}

/// Answers at the console of the CPU that polls this, forever.
#[cfg(target_os = "none")]
pub async fn serve(net: &'static Net) {
    loop {
        let command = crate::rt::console_line().await;
        let answer = answer(net, command.trim());
        if !answer.is_empty() {
            fatcc_rt::println!("{answer}");
        }
    }
}
