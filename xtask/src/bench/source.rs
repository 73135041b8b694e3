//! The C source of a made-up kernel, from which objects to link are compiled.
//!
//! A kernel is [`UNITS`] units and a header that all of them include. Every name that a unit defines begins with its
//! own [`prefix`], which has one width everywhere, so that a compiled unit can be copied under another name by replacing
//! bytes (see `kernel.rs`). What a unit holds, and how much of it, follows kernels of today: structs that hold lists,
//! locks and operations; shared variables of those types; constant tables of function pointers; switches; messages; calls
//! into other units, direct and through operations; about one function in eight that nothing needs.
//!
//! The text is a function of nothing but this file.

use std::fmt::Write as _;

/// Units of a kernel of size 1.
pub const UNITS: usize = 8;

/// From this unit on, units are members of an archive.
pub const FIRST_MEMBER: usize = 5;

/// Units that nothing refers to: members that are never pulled.
pub const FIRST_UNNEEDED: usize = 7;

/// Name of the header.
pub const HEADER: &str = "kernel.h";

const HEADER_STRUCTS: usize = 60;
const STRUCTS: usize = 8;
const VARIABLES: usize = 14;
const FUNCTIONS: usize = 32;
const TABLES: usize = 3;

/// What all names of a unit begin with.
pub fn prefix(unit: usize) -> String {
    format!("u00{unit:02}_")
}

/// What stands for the same unit of the copy behind this one.
fn next_prefix(unit: usize) -> String {
    format!("n00{unit:02}_")
}

/// xorshift64*: the same kernel on every machine.
pub struct Random(u64);

impl Random {
    /// A stream of numbers for a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        high as usize % end
    }

    fn of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }
}

const SCALARS: [&str; 7] = ["u8", "u16", "u32", "u64", "s32", "s64", "bool8"];
const NOUNS: [&str; 16] = [
    "queue", "inode", "page", "device", "socket", "timer", "bus", "cpu", "block", "super", "route",
    "frame", "region", "handle", "cache", "vector",
];
const VERBS: [&str; 12] = [
    "open", "release", "submit", "poll", "attach", "lookup", "flush", "probe", "map", "insert",
    "merge", "reset",
];

/// The header: scalars, types that all units know, and small functions that are inlined everywhere.
pub fn header() -> String {
    let mut random = Random(0x6865_6164_6572);
    let mut text = String::from(
        "typedef unsigned char u8;\ntypedef unsigned short u16;\ntypedef unsigned int u32;\ntypedef unsigned long u64;\n\
         typedef int s32;\ntypedef long s64;\ntypedef _Bool bool8;\n\
         struct k_list { struct k_list *next, *prev; };\n\
         struct k_lock { u32 owner, ticket; };\n\
         enum k_state { K_NEW, K_READY, K_BUSY, K_DEAD = 9 };\n\
         extern void k_log(const char *message, u64 value);\n\
         extern void *k_copy(void *to, const void *from, u64 size);\n\
         static inline void k_list_add(struct k_list *head, struct k_list *node) {\n\
         \tnode->next = head->next; node->prev = head; head->next->prev = node; head->next = node;\n}\n\
         static inline void k_lock_take(struct k_lock *lock) {\n\
         \tu32 own = __atomic_fetch_add(&lock->ticket, 1, __ATOMIC_ACQUIRE);\n\
         \twhile (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != own) {}\n}\n\
         static inline void k_lock_drop(struct k_lock *lock) { __atomic_fetch_add(&lock->owner, 1, __ATOMIC_RELEASE); }\n",
    );
    for at in 0..HEADER_STRUCTS {
        let name = format!("k_{}_{at}", NOUNS[at % NOUNS.len()]);
        let mut structs = |random: &mut Random| {
            let other = random.below(HEADER_STRUCTS);
            format!("k_{}_{other}", NOUNS[other % NOUNS.len()])
        };
        record(&mut text, &mut random, &name, &mut structs);
    }
    text
}

/// A struct with a list, a lock and a state, so that every function can work on every struct.
fn record(
    text: &mut String,
    random: &mut Random,
    name: &str,
    other: &mut dyn FnMut(&mut Random) -> String,
) {
    let _ = writeln!(
        text,
        "struct {name} {{\n\tstruct k_list list;\n\tstruct k_lock lock;\n\tenum k_state state;\n\tu64 count;"
    );
    for field in 0..6 + random.below(10) {
        let noun = random.of(&NOUNS);
        let _ = match random.below(8) {
            0..4 => writeln!(text, "\t{} {noun}_{field};", random.of(&SCALARS)),
            4 => writeln!(text, "\tstruct {} *{noun}_{field};", other(random)),
            5 => writeln!(text, "\tu32 {noun}_{field}[{}];", 2 + random.below(14)),
            6 => writeln!(
                text,
                "\tu32 {noun}_{field} : {}, {noun}_{field}b : 7;",
                1 + random.below(20)
            ),
            _ => writeln!(
                text,
                "\tunion {{ u64 whole; u32 half[2]; struct k_list *node; }} {noun}_{field};\n\ts64 (*{}_{field})(struct {name} *, u64);",
                random.of(&VERBS)
            ),
        };
    }
    text.push_str("};\n");
}

/// A unit.
pub fn unit(number: usize) -> String {
    let mut unit = Unit {
        prefix: prefix(number),
        number,
        random: Random(0x756e_6974 + number as u64 * 0x1_0001),
        text: format!("#include \"{HEADER}\"\n"),
    };
    unit.types();
    unit.declarations();
    unit.variables();
    (0..FUNCTIONS).for_each(|at| unit.function(at));
    unit.tables();
    unit.start();
    unit.text
}

struct Unit {
    prefix: String,
    number: usize,
    random: Random,
    text: String,
}

impl Unit {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }

    fn structs(&self, at: usize) -> String {
        let at = at % STRUCTS;
        format!(
            "{}{}_{at}",
            self.prefix,
            NOUNS[(at + self.number) % NOUNS.len()]
        )
    }

    fn types(&mut self) {
        for at in 0..STRUCTS {
            let (name, prefix, number) = (self.structs(at), self.prefix.clone(), self.number);
            let mut other = |random: &mut Random| {
                let to = random.below(STRUCTS + HEADER_STRUCTS);
                if to < STRUCTS {
                    format!("{prefix}{}_{to}", NOUNS[(to + number) % NOUNS.len()])
                } else {
                    format!("k_{}_{}", NOUNS[(to - STRUCTS) % NOUNS.len()], to - STRUCTS)
                }
            };
            record(&mut self.text, &mut self.random, &name, &mut other);
            let verbs = VERBS
                .iter()
                .take(6)
                .map(|verb| format!("s64 (*{verb})(struct {name} *, u64);"));
            let verbs: Vec<_> = verbs.collect();
            self.line(format_args!(
                "struct {name}_ops {{ const char *name; {} u32 flags; }};",
                verbs.join(" ")
            ));
        }
    }

    /// The units that this one calls: none that is never needed.
    fn callees(&self) -> [String; 3] {
        let wrap = |step: usize| (self.number + step) % FIRST_UNNEEDED;
        [prefix(wrap(1)), prefix(wrap(5)), next_prefix(wrap(3))]
    }

    fn declarations(&mut self) {
        for callee in self.callees() {
            for at in 0..8 {
                self.line(format_args!("extern s64 {callee}entry_{at}(void *, u64);"));
            }
            self.line(format_args!("extern u64 {callee}total;"));
        }
        for at in 0..FUNCTIONS {
            let (prefix, name) = (self.prefix.clone(), self.function_name(at));
            let kind = if is_static(at) { "static " } else { "" };
            let structs = self.structs(at);
            self.line(format_args!("{kind}s64 {name}(struct {structs} *, u64);"));
            if at % FUNCTIONS == 0 {
                self.line(format_args!("u64 {prefix}total = {};", self.number + 1));
            }
        }
    }

    fn function_name(&self, at: usize) -> String {
        let (verb, noun) = (
            VERBS[(at * 5 + self.number) % VERBS.len()],
            NOUNS[at % NOUNS.len()],
        );
        format!("{}{verb}_{noun}_{at}", self.prefix)
    }

    fn variables(&mut self) {
        for at in 0..VARIABLES {
            let (prefix, structs) = (self.prefix.clone(), self.structs(at));
            let (noun, value) = (NOUNS[at % NOUNS.len()], self.random.below(1 << 20));
            let hidden = if at % 3 == 0 {
                "static __attribute__((used)) "
            } else {
                ""
            };
            let name = format!("{prefix}{noun}_var_{at}");
            match at % 4 {
                0 => self.line(format_args!(
                    "{hidden}struct {structs} {name} = {{ {{ &{name}.list, &{name}.list }}, {{ 0, 0 }}, K_READY, {value} }};"
                )),
                1 => self.line(format_args!("{hidden}struct {structs} {name};")),
                2 => self.line(format_args!(
                    "{hidden}const u32 {name}[{}] = {{ {value}, {}, 7, 0x{value:x} }};",
                    16 + at * 4,
                    value / 3
                )),
                _ => self.line(format_args!(
                    "{hidden}struct {{ const char *name; u64 *total; struct {structs} *item; }} {name}[3] = \
                     {{ {{ \"{prefix}{noun} number {at}\", &{prefix}total, 0 }}, {{ \"common {noun}\", 0, 0 }} }};"
                )),
            }
        }
    }

    /// One function: locks, a switch or a loop, a static of its own, messages, calls within the unit and out of it.
    fn function(&mut self, at: usize) {
        let (name, structs) = (self.function_name(at), self.structs(at));
        let kind = if is_static(at) { "static " } else { "" };
        self.line(format_args!(
            "{kind}s64 {name}(struct {structs} *self, u64 key) {{\n\ts64 result = key;"
        ));
        if at.is_multiple_of(4) {
            self.line(format_args!("\tstatic u64 calls; static struct {structs} last;\n\tcalls += key; last.count = calls ^ self->count;"));
        }
        self.line(format_args!("\tk_lock_take(&self->lock);"));
        match at % 3 {
            0 => self.switch(at),
            1 => self.walk(at),
            _ => self.checks(at),
        }
        self.calls(at);
        let (prefix, table) = (self.prefix.clone(), at % TABLES);
        if at % 5 == 2 {
            self.line(format_args!(
                "\t{{ extern const struct {}_ops {prefix}ops_{table};",
                self.structs(table)
            ));
            self.line(format_args!(
                "\tresult += {prefix}ops_{table}.submit((void *)self, key + result); }}"
            ));
        }
        self.line(format_args!(
            "\tk_lock_drop(&self->lock);\n\treturn result + {prefix}total;\n}}"
        ));
    }

    fn switch(&mut self, at: usize) {
        self.line(format_args!("\tswitch (key & 15) {{"));
        for case in 0..9 {
            let value = self.random.below(1 << 16);
            let (prefix, verb) = (self.prefix.clone(), VERBS[(case + at) % VERBS.len()]);
            self.line(format_args!(
                "\tcase {case}: result = self->count * {value} + self->lock.owner;"
            ));
            match case % 3 {
                0 => self.line(format_args!(
                    "\t\tk_log(\"{prefix}{verb} failed in case {at}.{case}\", result); break;"
                )),
                1 => self.line(format_args!(
                    "\t\tself->state = K_BUSY; result ^= {prefix}{}_var_2[key & 7]; break;",
                    NOUNS[2]
                )),
                _ => self.line(format_args!(
                    "\t\tself->count += {value}; k_log(\"{verb}: not ready\", key); break;"
                )),
            }
        }
        self.line(format_args!("\tdefault: result = -22;\n\t}}"));
    }

    fn walk(&mut self, at: usize) {
        let (structs, step) = (self.structs(at), self.random.below(1000));
        self.line(format_args!("\tfor (struct k_list *node = self->list.next; node != &self->list; node = node->next) {{"));
        self.line(format_args!(
            "\t\tstruct {structs} *item = (struct {structs} *)node;"
        ));
        self.line(format_args!("\t\tif (item->state == K_DEAD) {{ k_list_add(&self->list, &item->list); result += {step}; }}"));
        self.line(format_args!("\t\telse if (item->count > key) {{ k_copy(item, self, sizeof *item); result -= item->count; }}\n\t}}"));
    }

    fn checks(&mut self, at: usize) {
        let (prefix, noun) = (self.prefix.clone(), self.random.of(&NOUNS));
        for _ in 0..3 {
            let value = self.random.below(1 << 24);
            self.line(format_args!(
                "\tif (self->count > {value} && self->state != K_NEW) {{"
            ));
            self.line(format_args!("\t\tk_log(\"{prefix}{noun} over {value}\", self->count); self->count -= {value}; result |= {at}; }}"));
        }
        let bound = 3 + self.random.below(40);
        self.line(format_args!("\tu64 digest = {at};\n\tfor (u64 i = 0; i < key % {bound}; i++) digest = digest * 31 + ((u8 *)self)[i];\n\tresult += digest;"));
    }

    fn calls(&mut self, at: usize) {
        let other = (at * 7 + 3) % FUNCTIONS;
        // The functions that nothing needs are called by none.
        if other != at && !is_unneeded(other) {
            let callee = self.function_name(other);
            self.line(format_args!(
                "\tif (key > {at}) result += {callee}((void *)self, key - {});",
                at + 1
            ));
        }
        let callee = &self.callees()[at % 3];
        let call = format!(
            "\tresult ^= {callee}entry_{}(self, key) + {callee}total;",
            at % 8
        );
        self.line(format_args!("{call}"));
    }

    /// Tables of operations, constant and shared; they keep most functions of the unit.
    fn tables(&mut self) {
        for table in 0..TABLES {
            let (prefix, structs) = (self.prefix.clone(), self.structs(table));
            let functions: Vec<_> = (0..6)
                .map(|slot| (slot * 11 + table * 3) % FUNCTIONS)
                .map(|at| if is_unneeded(at) { at + 1 } else { at })
                .map(|at| format!("(void *){}", self.function_name(at)))
                .collect();
            self.line(format_args!(
                "const struct {structs}_ops {prefix}ops_{table} = {{ \"{prefix}ops {table}\", {}, {table} }};",
                functions.join(", ")
            ));
        }
    }

    /// What other units call. The first entry leads to all functions that are needed.
    fn start(&mut self) {
        for at in 0..8 {
            let prefix = self.prefix.clone();
            self.line(format_args!(
                "s64 {prefix}entry_{at}(void *self, u64 key) {{\n\ts64 result = 0;"
            ));
            for to in (at..FUNCTIONS).step_by(8).filter(|to| !is_unneeded(*to)) {
                let callee = self.function_name(to);
                self.line(format_args!("\tresult += {callee}(self, key + {to});"));
            }
            let variables = (at..VARIABLES)
                .step_by(8)
                .map(|v| format!("{prefix}{}_var_{v}", NOUNS[v % NOUNS.len()]));
            for variable in variables.collect::<Vec<_>>() {
                self.line(format_args!("\tresult += (u64)&{variable};"));
            }
            self.line(format_args!("\treturn result;\n}}"));
        }
    }
}

fn is_static(function: usize) -> bool {
    function % 4 == 1
}

fn is_unneeded(function: usize) -> bool {
    function % 8 == 6
}

/// The unit with the entry and with what the others need of a library.
pub fn main_unit() -> String {
    let calls = (0..8).map(|at| format!("\tu0000_entry_{at}((void *)0, {at});\n"));
    let declarations = (0..8).map(|at| format!("extern s64 u0000_entry_{at}(void *, u64);\n"));
    format!(
        "#include \"{HEADER}\"\n{}volatile u64 k_log_count;\n\
         void k_log(const char *message, u64 value) {{ k_log_count += value + message[0]; }}\n\
         void *k_copy(void *to, const void *from, u64 size) {{\n\
         \tfor (u64 i = 0; i < size; i++) ((volatile u8 *)to)[i] = ((const u8 *)from)[i];\n\treturn to;\n}}\n\
         void *memset(void *to, int value, u64 size) {{\n\
         \tfor (u64 i = 0; i < size; i++) ((volatile u8 *)to)[i] = value;\n\treturn to;\n}}\n\
         void *memcpy(void *to, const void *from, u64 size) {{ return k_copy(to, from, size); }}\n\
         void _start(void) {{\n{}\tfor (;;) {{}}\n}}\n",
        declarations.collect::<String>(),
        calls.collect::<String>()
    )
}
