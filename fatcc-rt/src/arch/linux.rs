//! A CPU that is a Linux process, started by `cargo fat run --user`: what the kernel does for it instead of a board.
//!
//! The process is entered on the kernel's stack, in a private copy of the image. [`fat_linux_map`] puts the shared memory
//! in its place, with the permissions that page tables give on a board, and the CPU's own gates at the gates' address.
//!
//! There are no interrupts. A doorbell is a word in shared memory on which the CPU sleeps by `futex`; like an interrupt
//! it is pending until the CPU takes it, which it does where it [waits](wait) or [relaxes](relax). All processes read one
//! clock of the kernel. Exceptions come as signals, on the stack for faults.
//!
//! Nothing before [`fat_linux_map`] has returned may write: it would be lost with the copy.

use core::ffi::{CStr, c_char};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use fat_image::machine::{SHARED_SIZE, SHARED_START, STACK_SIZE, STACKS_START};
use fat_image::{PAGE_SIZE, Region};

use super::isa::{self, numbers};
use crate::cpu::{self, Cpu};
use crate::image::Image;
use crate::sync::CacheAligned;
use crate::{doorbell, health, stacks};

/// Whether the CPUs are processes. All are, or none is.
static PROCESSES: AtomicBool = AtomicBool::new(false);

/// What a CPU sleeps on.
struct Bed {
    /// 1 when a doorbell has rung that it has not taken yet.
    rung: AtomicU32,
    /// Own. Clock when its timer ends its sleep.
    deadline: AtomicU64,
    /// Own. Looks at another CPU's work since there was some.
    relaxed: AtomicU32,
}

const NEVER: u64 = u64::MAX;

static BEDS: [CacheAligned<Bed>; cpu::MAX] = [const {
    CacheAligned(Bed {
        rung: AtomicU32::new(0),
        deadline: AtomicU64::new(NEVER),
        relaxed: AtomicU32::new(0),
    })
}; cpu::MAX];

const STANDARD_INPUT: usize = 0;
const STANDARD_OUTPUT: usize = 1;
const STANDARD_ERROR: usize = 2;
const PROT_NONE: usize = 0;
const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const PROT_EXEC: usize = 4;
const MAP_SHARED: usize = 0x01;
const MAP_FIXED: usize = 0x10;
const CLOCK_MONOTONIC: usize = 1;
const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;
/// Status of a process that could not become a CPU.
const FAILED: u8 = 101;
/// Looks at another CPU's work, without success, between two times that the kernel may run it, if there are fewer cores than
/// CPUs that are awake.
const LOOKS: u32 = 128;
/// The same where there are enough. It is seldom: what runs instead may be somebody else's process, for a whole time slice.
const MANY_LOOKS: u32 = 32 * LOOKS;

/// Whether this CPU is a process.
#[inline(always)]
pub(super) fn active() -> bool {
    PROCESSES.load(Relaxed)
}

/// Makes this process a CPU and returns the address where its stack begins. `arguments` is what the kernel has left on
/// the stack: the number of arguments, then their addresses.
///
/// # Safety
/// Called by the process's entry, with the kernel's stack pointer.
pub(super) unsafe extern "C" fn fat_linux_map(arguments: *const usize) -> usize {
    // SAFETY: by the caller.
    let [memory, isa, ordinal] = [1, 2, 3].map(|at| unsafe { argument(arguments, at) });
    let (Some(memory), Some(isa), Some(ordinal)) = (memory, isa, ordinal) else {
        refuse(b"this program is started by `cargo fat run --user`\n");
    };
    let image = Image::this();
    for region in image.regions() {
        map_region(memory, region, isa as u32);
    }
    let heap = image.header().image_end;
    let free = SHARED_START + SHARED_SIZE - heap;
    map(memory, heap, free, heap, PROT_READ | PROT_WRITE);
    let mut stack = STACKS_START;
    while stack < SHARED_START + SHARED_SIZE {
        let guard = [stack as usize, PAGE_SIZE as usize, PROT_NONE, 0, 0, 0];
        // SAFETY: nothing is there.
        check(unsafe { isa::system_call(numbers::MPROTECT, guard) });
        stack += STACK_SIZE;
    }
    PROCESSES.store(true, Release);
    let Some(cpu) = isa::enter_linux(isa, ordinal) else {
        refuse(b"no CPU was foreseen for this process\n");
    };
    handle_faults(ordinal);
    count_cores();
    if cpu.is_joining() {
        stacks::fault(isa::ROOM, ordinal)
    } else {
        stacks::boot(isa::ROOM, ordinal)
    }
}

/// Has the kernel call the handler of exceptions.
fn handle_faults(ordinal: usize) {
    const SA_SIGINFO: usize = 4;
    const SA_ONSTACK: usize = 0x0800_0000;
    // An exception in the handler comes to the handler, which reports that.
    const SA_NODEFER: usize = 0x4000_0000;
    // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV
    const EXCEPTIONS: [usize; 5] = [4, 5, 7, 8, 11];
    const MASK_SIZE: usize = 8;
    let size = (STACK_SIZE - PAGE_SIZE) as usize;
    let stack = [stacks::fault(isa::ROOM, ordinal) - size, 0, size];
    // SAFETY: nobody else uses that stack.
    check(unsafe {
        let stack = (&raw const stack).addr();
        isa::system_call(numbers::SIGALTSTACK, [stack, 0, 0, 0, 0, 0])
    });
    let action = isa::signal_action(SA_SIGINFO | SA_ONSTACK | SA_NODEFER);
    for signal in EXCEPTIONS {
        let action = (&raw const action).addr();
        // SAFETY: the handler is one.
        check(unsafe {
            isa::system_call(numbers::RT_SIGACTION, [signal, action, 0, MASK_SIZE, 0, 0])
        });
    }
}

/// # Safety
/// `arguments` is a number and as many addresses of strings.
unsafe fn argument(arguments: *const usize, number: usize) -> Option<usize> {
    // SAFETY: by the caller.
    let text = unsafe {
        if number >= *arguments {
            return None;
        }
        CStr::from_ptr(*arguments.add(1 + number) as *const c_char)
    };
    text.to_str().ok()?.parse().ok()
}

/// Maps what the CPU sees of a region, as `paging` does on a board.
fn map_region(memory: usize, region: &Region, isa: u32) {
    let own = region.isa == isa;
    let has = |flag| region.flags & flag != 0;
    if has(Region::BOOT) || (has(Region::GATES) && !own) {
        return;
    }
    let mut protection = PROT_READ;
    if has(Region::WRITE) {
        protection |= PROT_WRITE;
    }
    if has(Region::EXECUTE) && own {
        protection |= PROT_EXEC;
    }
    map(memory, region.start, region.size, region.phys, protection);
}

/// Maps `size` bytes of the shared memory, from the physical address `phys` on, at `start`.
fn map(memory: usize, start: u64, size: u64, phys: u64, protection: usize) {
    let arguments = [
        start as usize,
        size as usize,
        protection,
        MAP_SHARED | MAP_FIXED,
        memory,
        (phys - SHARED_START) as usize,
    ];
    // SAFETY: the same bytes are there already, or nothing is.
    check(unsafe { isa::system_call(numbers::MMAP, arguments) });
}

/// The kernel's errors are the last addresses.
fn check(result: usize) {
    if result > -4096isize as usize {
        refuse(b"the shared memory cannot be mapped\n");
    }
}

/// Before the process is a CPU nobody listens but whoever started it.
fn refuse(message: &[u8]) -> ! {
    write(STANDARD_ERROR, message);
    exit(FAILED)
}

fn write(descriptor: usize, mut bytes: &[u8]) {
    const EINTR: usize = -4isize as usize;
    while !bytes.is_empty() {
        let arguments = [descriptor, bytes.as_ptr().addr(), bytes.len(), 0, 0, 0];
        // SAFETY: the kernel reads the bytes.
        match unsafe { isa::system_call(numbers::WRITE, arguments) } {
            EINTR => {}
            // Nobody reads.
            written if written > bytes.len() => return,
            written => bytes = &bytes[written..],
        }
    }
}

/// To whoever started the process.
pub(super) fn console_write(bytes: &[u8]) {
    write(STANDARD_OUTPUT, bytes);
}

/// What whoever started the process has typed: the standard input is a socket, which several processes may share.
pub(super) fn console_read() -> Option<u8> {
    const MSG_DONTWAIT: usize = 0x40;
    let mut byte = 0u8;
    let arguments = [
        STANDARD_INPUT,
        (&raw mut byte).addr(),
        1,
        MSG_DONTWAIT,
        0,
        0,
    ];
    // SAFETY: the kernel writes the byte.
    let count = unsafe { isa::system_call(numbers::RECVFROM, arguments) };
    (count == 1).then_some(byte)
}

/// Ends the process.
pub(super) fn exit(status: u8) -> ! {
    loop {
        // SAFETY: the process ends.
        unsafe { isa::system_call(numbers::EXIT_GROUP, [status.into(), 0, 0, 0, 0, 0]) };
    }
}

/// Ends the process in a way that no program ends by itself.
pub(super) fn abort() -> ! {
    const SIGABRT: usize = 6;
    // SAFETY: nothing has a handler for that signal.
    unsafe {
        let own = isa::system_call(numbers::GETPID, [0; 6]);
        isa::system_call(numbers::KILL, [own, SIGABRT, 0, 0, 0, 0]);
    }
    exit(FAILED)
}

/// The kernel's clock, the same one for all processes.
pub(super) fn clock() -> u64 {
    let mut time = [0u64; 2];
    let arguments = [CLOCK_MONOTONIC, (&raw mut time).addr(), 0, 0, 0, 0];
    // SAFETY: the kernel writes the two numbers.
    unsafe { isa::system_call(numbers::CLOCK_GETTIME, arguments) };
    time[0] * 1_000_000_000 + time[1]
}

/// Sets when the next sleep ends at the latest.
pub(super) fn set_timer(after: Option<u64>) {
    let deadline = after.map_or(NEVER, |after| clock().saturating_add(after));
    own_bed().deadline.store(deadline, Relaxed);
}

fn own_bed() -> &'static Bed {
    &BEDS[isa::cpu_index()].0
}

/// Sleeps until a doorbell rings, which may have happened already, or the timer ends.
pub(super) fn wait() {
    let bed = own_bed();
    while !take_doorbell(bed) {
        let deadline = bed.deadline.load(Relaxed);
        let mut left = u64::MAX;
        if deadline != NEVER {
            left = deadline.saturating_sub(clock());
        }
        if left == 0 {
            bed.deadline.store(NEVER, Relaxed);
            return;
        }
        sleep(bed, left);
    }
}

/// What a board does by an interrupt.
fn take_doorbell(bed: &Bed) -> bool {
    let rung = bed.rung.load(Relaxed) != 0 && bed.rung.swap(0, Acquire) != 0;
    if rung {
        doorbell::on_ring(Cpu::current());
    }
    rung
}

/// For so many nanoseconds at most. Returns at once if a doorbell is pending, and sometimes for no reason.
fn sleep(bed: &Bed, nanoseconds: u64) {
    let time = [nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000];
    let limit = if nanoseconds == u64::MAX {
        0
    } else {
        (&raw const time).addr()
    };
    let arguments = [bed.rung.as_ptr().addr(), FUTEX_WAIT, 0, limit, 0, 0];
    // SAFETY: the kernel compares the word, and reads the time.
    unsafe { isa::system_call(numbers::FUTEX, arguments) };
}

/// Lets the kernel run something else from time to time, and takes a doorbell.
pub(super) fn relax() {
    core::hint::spin_loop();
    let bed = own_bed();
    let relaxed = bed.relaxed.load(Relaxed).wrapping_add(1);
    bed.relaxed.store(relaxed, Relaxed);
    if relaxed.is_multiple_of(LOOKS) && (relaxed.is_multiple_of(MANY_LOOKS) || is_crowded()) {
        // SAFETY: touches no memory.
        unsafe { isa::system_call(numbers::SCHED_YIELD, [0; 6]) };
    }
    take_doorbell(bed);
}

/// Cores that processes may run on, of which there is one at least.
static CORES: AtomicU32 = AtomicU32::new(1);

fn count_cores() {
    let mut mask = [0u64; 16];
    let arguments = [0, size_of_val(&mask), mask.as_mut_ptr().addr(), 0, 0, 0];
    // SAFETY: the kernel writes the mask. If it has too many cores for that, it writes nothing.
    unsafe { isa::system_call(numbers::SCHED_GETAFFINITY, arguments) };
    let cores = mask.iter().map(|word| word.count_ones()).sum::<u32>();
    CORES.store(cores.max(1), Relaxed);
}

/// Whether a CPU that is awake may have to wait for a core.
fn is_crowded() -> bool {
    let awake = Cpu::all().filter(|cpu| !cpu.is_asleep()).count();
    awake > CORES.load(Relaxed) as usize
}

/// The next [`relax`] belongs to another wait.
pub(super) fn resume() {
    own_bed().relaxed.store(0, Relaxed);
}

/// There is a doorbell, and nothing to start.
pub(super) fn doorbell_start() -> bool {
    let cpu = Cpu::current();
    let id = 1 + cpu.index() as u32;
    cpu.record().doorbell_id.store(id, Release);
    true
}

/// Has the runner start another process for `cpu`.
pub(super) fn restart(cpu: Cpu) -> bool {
    let wanted = &health::processes().wanted[health::number(cpu)];
    wanted.fetch_add(1, Release);
    true
}

/// Wakes `cpu`.
pub(super) fn doorbell_ring(cpu: Cpu) {
    let rung = &BEDS[cpu.index()].0.rung;
    rung.store(1, Release);
    let arguments = [rung.as_ptr().addr(), FUTEX_WAKE, 1, 0, 0, 0];
    // SAFETY: the kernel takes the word's address for a name.
    unsafe { isa::system_call(numbers::FUTEX, arguments) };
}
