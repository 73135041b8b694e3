//! What is typed at a console, line by line.
//!
//! The UART is asked for it from time to time: nobody types so fast that an interrupt would be worth its line.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::{arch, task};

/// How long what is typed may wait to be seen.
const INTERVAL: Duration = Duration::from_millis(20);
/// Bytes of a line at most; what is behind them is dropped.
const LONGEST: usize = 1024;

/// The next line that is typed at the console of the instruction set of the CPU that polls this, without its end. What
/// is not UTF-8 is replaced, and more than 1024 bytes are cut off.
///
/// One task per instruction set should read: of two, each gets a part.
///
/// ```no_run
/// # use fatcc_rt::{console, println, task};
/// task::spawn(async {
///     loop {
///         match console::line().await.trim() {
///             "time" => println!("{:?}", fatcc_rt::time::now()),
///             other => println!("`{other}` is no command"),
///         }
///     }
/// });
/// ```
pub async fn line() -> String {
    arch::console_open();
    let mut line = Vec::new();
    loop {
        while let Some(byte) = arch::console_read() {
            match byte {
                b'\n' | b'\r' => return String::from_utf8_lossy(&line).into_owned(),
                _ if line.len() < LONGEST => line.push(byte),
                _ => {}
            }
        }
        task::sleep(INTERVAL).await;
    }
}
