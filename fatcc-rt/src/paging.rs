//! Page tables made from the image's regions.
//!
//! Every virtual address is its physical address, but for the gates: each CPU maps its own at the gates' address. A CPU
//! executes its own text and gates and nothing else; nothing that it executes can be written. Text of another ISA can
//! be read. Page 0 and the pages below stacks are not mapped.
//!
//! The formats of page tables are data ([`Format`]), because this runs when function pointers cannot be called yet; for
//! the same reason nothing here panics with a message: what cannot be is an [`Error`].

use fat_image::machine::{SHARED_SIZE, SHARED_START, STACK_SIZE, STACKS_START};
use fat_image::{PAGE_SIZE, Region};

use crate::image::Image;

/// Bits of address that one level translates.
const LEVEL_BITS: u32 = 9;
const PAGE_BITS: u32 = 12;

/// How an instruction set writes page tables. Entries are 8 bytes, 512 to a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Tables from the root to a page.
    pub(crate) levels: u32,
    /// The physical address is shifted right by this in an entry.
    pub(crate) address_shift: u32,
    /// Bits of an entry that leads to a table.
    pub(crate) table: u64,
    /// Bits of every entry that maps memory.
    pub(crate) leaf: u64,
    /// Further bits of one that maps more than a page.
    pub(crate) large: u64,
    /// Bits that tell `leaf` from `table` in an entry of a table that is not the last.
    pub(crate) leaf_mask: u64,
    /// Bits of memory that can be written.
    pub(crate) write: u64,
    /// Bits of memory that can be executed.
    pub(crate) execute: u64,
    /// Bits of memory that cannot be executed.
    pub(crate) no_execute: u64,
    /// Highest level whose entries may map memory: 2 is 1 GiB.
    pub(crate) largest: u32,
}

/// x86-64 with 4 levels (Intel SDM volume 3, 4.5): present, accessed, dirty, global; large pages by bit 7; NX is bit 63.
#[allow(dead_code, reason = "each ISA uses its own; the tests use both")]
pub(crate) const X86_64: Format = Format {
    levels: 4,
    address_shift: 0,
    table: 0x3,
    leaf: 0x161,
    large: 0x80,
    leaf_mask: 0x80,
    write: 0x2,
    execute: 0,
    no_execute: 1 << 63,
    largest: 2,
};

/// RISC-V Sv39 (privileged specification, 12.4): valid, read, accessed, dirty, global.
#[allow(dead_code, reason = "each ISA uses its own; the tests use both")]
pub(crate) const SV39: Format = Format {
    levels: 3,
    address_shift: 2,
    table: 0x1,
    leaf: 0xe3,
    large: 0,
    leaf_mask: 0xe,
    write: 0x4,
    execute: 0x8,
    no_execute: 0,
    largest: 2,
};

/// What a CPU may do with memory that it can read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
    Execute,
}

/// Why tables could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// More tables needed than there are.
    OutOfTables,
    /// An address is mapped twice.
    Overlap,
    /// A region can be both written and executed.
    WriteAndExecute,
}

/// Tables that are enough for 48 MiB of image and everything else.
pub(crate) const POOL: usize = 48;

/// One table, of any level.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(crate) struct Table(pub(crate) [u64; 512]);

impl Table {
    pub(crate) const EMPTY: Table = Table([0; 512]);
}

/// Tables being made. The first is the root.
pub(crate) struct Tables<'a> {
    format: Format,
    tables: &'a mut [Table],
    used: usize,
}

/// What is mapped beside the image.
pub(crate) struct Plan {
    /// Index of the CPU's instruction set.
    pub(crate) isa: u32,
    /// Private memory and devices.
    pub(crate) low_end: u64,
}

impl<'a> Tables<'a> {
    /// Everything that the CPU of `plan` sees, in `tables`, which are empty. Returns the root's address.
    pub(crate) fn build(
        format: Format,
        tables: &'a mut [Table],
        image: Image,
        plan: &Plan,
    ) -> Result<u64, Error> {
        let root = tables.as_ptr() as u64;
        let mut this = Tables {
            format,
            tables,
            used: 1,
        };
        this.map(
            PAGE_SIZE,
            PAGE_SIZE,
            plan.low_end - PAGE_SIZE,
            Access::Write,
        )?;
        for region in image.regions() {
            this.map_region(region, plan)?;
        }
        let heap = image.header().image_end;
        this.map(heap, heap, STACKS_START - heap, Access::Write)?;
        let mut stack = STACKS_START;
        while stack < SHARED_START + SHARED_SIZE {
            let lowest = stack + PAGE_SIZE;
            this.map(lowest, lowest, STACK_SIZE - PAGE_SIZE, Access::Write)?;
            stack += STACK_SIZE;
        }
        Ok(root)
    }

    fn map_region(&mut self, region: &Region, plan: &Plan) -> Result<(), Error> {
        let own = region.isa == plan.isa;
        let has = |flag| region.flags & flag != 0;
        if has(Region::BOOT) || (has(Region::GATES) && !own) {
            return Ok(());
        }
        if has(Region::WRITE) && has(Region::EXECUTE) {
            return Err(Error::WriteAndExecute);
        }
        let access = match (has(Region::WRITE), has(Region::EXECUTE) && own) {
            (true, _) => Access::Write,
            (false, true) => Access::Execute,
            (false, false) => Access::Read,
        };
        self.map(region.start, region.phys, region.size, access)
    }

    /// Maps `size` bytes in the largest pages that fit.
    fn map(
        &mut self,
        mut virt: u64,
        mut phys: u64,
        mut size: u64,
        access: Access,
    ) -> Result<(), Error> {
        while size > 0 {
            let mut level = self.format.largest;
            while level > 0
                && !((virt | phys).is_multiple_of(page_size(level)) && size >= page_size(level))
            {
                level -= 1;
            }
            self.map_page(virt, phys, level, access)?;
            let step = page_size(level);
            // The last page of a range that ends within a page counts as whole.
            (virt, phys, size) = (virt + step, phys + step, size.saturating_sub(step));
        }
        Ok(())
    }

    fn map_page(&mut self, virt: u64, phys: u64, level: u32, access: Access) -> Result<(), Error> {
        let format = self.format;
        let mut table = 0;
        let mut at = format.levels - 1;
        while at > level {
            table = self.next_table(table, slot(virt, at))?;
            at -= 1;
        }
        let entry = self
            .tables
            .get_mut(table)
            .and_then(|table| table.0.get_mut(slot(virt, level)));
        let Some(entry) = entry else {
            return Err(Error::OutOfTables);
        };
        if *entry != 0 {
            return Err(Error::Overlap);
        }
        let bits = match access {
            Access::Read => format.no_execute,
            Access::Write => format.no_execute | format.write,
            Access::Execute => format.execute,
        };
        let large = if level > 0 { format.large } else { 0 };
        *entry = (phys >> format.address_shift) | format.leaf | large | bits;
        Ok(())
    }

    /// The index of the table behind an entry of table `table`, which may have to be made.
    fn next_table(&mut self, table: usize, slot: usize) -> Result<usize, Error> {
        let base = self.tables.as_ptr() as u64;
        let Some(entry) = self
            .tables
            .get_mut(table)
            .and_then(|table| table.0.get_mut(slot))
        else {
            return Err(Error::OutOfTables);
        };
        if *entry == 0 {
            let address = base + self.used as u64 * PAGE_SIZE;
            *entry = (address >> self.format.address_shift) | self.format.table;
            self.used += 1;
            return Ok(self.used - 1);
        }
        if *entry & self.format.leaf_mask != 0 {
            return Err(Error::Overlap);
        }
        let address = (*entry - self.format.table) << self.format.address_shift;
        Ok(((address - base) / PAGE_SIZE) as usize)
    }
}

const fn page_size(level: u32) -> u64 {
    1 << (PAGE_BITS + LEVEL_BITS * level)
}

fn slot(virt: u64, level: u32) -> usize {
    (virt >> (PAGE_BITS + LEVEL_BITS * level)) as usize & 511
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::FakeImage;
    use alloc::boxed::Box;
    use alloc::vec;

    const LOW_END: u64 = 4 << 30;

    /// Tables of both formats, walked as the CPU does.
    struct Walker {
        format: Format,
        tables: Box<[Table]>,
    }

    fn build(format: Format, isa: u32) -> Walker {
        let mut tables = vec![Table::EMPTY; POOL].into_boxed_slice();
        let plan = Plan {
            isa,
            low_end: LOW_END,
        };
        let root = Tables::build(format, &mut tables, FakeImage::new().image(), &plan).unwrap();
        assert_eq!(root, tables.as_ptr() as u64);
        Walker { format, tables }
    }

    impl Walker {
        /// Physical address, writable, executable.
        fn walk(&self, virt: u64) -> Option<(u64, bool, bool)> {
            let mut table = &self.tables[0];
            for level in (0..self.format.levels).rev() {
                let entry = table.0[slot(virt, level)];
                if entry & 1 == 0 {
                    return None;
                }
                let address = (entry
                    & 0x003f_ffff_ffff_fc00.min(!0xfff >> self.format.address_shift & !(1 << 63)))
                    << self.format.address_shift
                    & !0xfff;
                if level == 0 || entry & self.format.leaf_mask != 0 {
                    let execute = if self.format.no_execute != 0 {
                        entry & self.format.no_execute == 0
                    } else {
                        entry & self.format.execute != 0
                    };
                    return Some((
                        address + virt % page_size(level),
                        entry & self.format.write != 0,
                        execute,
                    ));
                }
                table =
                    &self.tables[((address - self.tables.as_ptr() as u64) / PAGE_SIZE) as usize];
            }
            unreachable!()
        }
    }

    fn each(check: impl Fn(&Walker, u32)) {
        for format in [X86_64, SV39] {
            for isa in 0..2 {
                check(&build(format, isa), isa);
            }
        }
    }

    #[test]
    fn executes_own_text_only() {
        each(|walker, isa| {
            assert_eq!(
                walker.walk(0x1_0000_1234),
                Some((0x1_0000_1234, false, isa == 0))
            );
            assert_eq!(
                walker.walk(0x1_0000_2234),
                Some((0x1_0000_2234, false, isa == 1))
            );
        });
    }

    #[test]
    fn maps_own_gates_at_the_gates_address() {
        each(|walker, isa| {
            let phys = [0x1_0000_3010, 0x1_0000_8010][isa as usize];
            assert_eq!(walker.walk(0x1_0000_3010), Some((phys, false, true)));
            assert_eq!(walker.walk(0x1_0000_8010), None);
        });
    }

    #[test]
    fn maps_data_without_execution() {
        each(|walker, _| {
            assert_eq!(
                walker.walk(0x1_0000_4008),
                Some((0x1_0000_4008, false, false))
            );
            assert_eq!(
                walker.walk(0x1_0000_5008),
                Some((0x1_0000_5008, true, false))
            );
        });
    }

    #[test]
    fn maps_private_memory_devices_and_heap() {
        each(|walker, _| {
            let heap_end = SHARED_START + SHARED_SIZE;
            for address in [
                0x1000,
                0x10_0000,
                0x1f_ffff,
                0x8000_0000,
                LOW_END - 1,
                0x1_0000_9000,
                STACKS_START - 1,
                STACKS_START + PAGE_SIZE,
                STACKS_START + STACK_SIZE - 1,
                heap_end - 1,
            ] {
                assert_eq!(
                    walker.walk(address),
                    Some((address, true, false)),
                    "{address:#x}"
                );
            }
            assert_eq!(walker.walk(heap_end), None);
        });
    }

    #[test]
    fn leaves_page_0_and_guards_out() {
        each(|walker, _| {
            assert_eq!(walker.walk(0), None);
            assert_eq!(walker.walk(STACKS_START), None);
            assert_eq!(walker.walk(STACKS_START + STACK_SIZE + 4095), None);
            assert_eq!(walker.walk(0x1_0000_0000), None);
        });
    }

    #[test]
    fn says_when_it_runs_out_of_tables_or_maps_twice() {
        let mut few = vec![Table::EMPTY; 2];
        let plan = Plan {
            isa: 0,
            low_end: LOW_END,
        };
        let image = FakeImage::new().image();
        assert_eq!(
            Tables::build(SV39, &mut few, image, &plan),
            Err(Error::OutOfTables)
        );
        let mut tables = vec![Table::EMPTY; POOL];
        let plan = Plan {
            low_end: LOW_END + (1 << 30),
            ..plan
        };
        assert_eq!(
            Tables::build(SV39, &mut tables, image, &plan),
            Err(Error::Overlap)
        );
    }
}
