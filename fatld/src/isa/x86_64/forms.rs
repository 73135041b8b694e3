//! Instructions that take the place of others: the address instead of its slot in the GOT (psABI, B.2), thread-local
//! variables at their distance from the thread pointer (ELF Handling for Thread-Local Storage, 11.1), and what to do
//! about weak symbols that nothing defines.

use super::{
    R_CODE_4_GOTPC32_TLSDESC, R_CODE_4_GOTPCRELX, R_CODE_4_GOTTPOFF, R_DTPOFF32, R_DTPOFF64,
    R_GOTPC32_TLSDESC, R_GOTPCREL, R_GOTPCRELX, R_GOTTPOFF, R_PC32, R_PLT32, R_PLTOFF64,
    R_REX_GOTPCRELX, R_TLSDESC_CALL, R_TLSGD, R_TLSLD,
};
use crate::isa::{ANY, Expression, Field, Form, Operand, Origin, Site, integer, signed};

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const TPREL: Expression = Expression::Value(Operand::TpOffset, Origin::Zero);

const WORD32: Field = integer(4, signed(32));

/// Bytes from a displacement to the end of its instruction, which it counts from.
const BIAS: i64 = 4;

const CALL_OR_JUMP: u8 = 0xff;
const MOV: u8 = 0x8b;
const ADD: u8 = 0x03;
const TEST: u8 = 0x85;
const LEA: u8 = 0x8d;

/// `R` of a REX prefix; [`with_immediate`] moves it to `B`.
const REX_R: u8 = 0x04;
/// `R4` and `R3` of a REX2 prefix.
const REX2_R: u8 = 0x44;
const REX2: u8 = 0xd5;

/// Makes `[prefix] opcode modrm disp32` of an instruction that reads memory one with an immediate operand. The register
/// takes the place of the memory operand, and so do its bits in the prefix.
fn with_immediate<const R: u8>(code: &mut [u8]) {
    let (prefix, instruction) = code.split_at_mut(code.len() - 2);
    let register = instruction[1] >> 3 & 7;
    let (opcode, extension) = match instruction[0] {
        MOV | LEA => (0xc7, 0),
        TEST => (0xf7, 0),
        binary => (0x81, binary >> 3 & 7),
    };
    instruction.copy_from_slice(&[opcode, 0xc0 | extension << 3 | register]);
    if let [prefix] = prefix {
        *prefix = *prefix & !R | (*prefix & R) >> 2;
    }
}

/// `[prefix] opcode modrm disp32` with an immediate operand.
const fn immediate(expression: Expression, start: isize, rewrite: fn(&mut [u8])) -> Form {
    Form {
        addend: BIAS,
        ..Form::new(expression, WORD32, start, start.unsigned_abs(), rewrite)
    }
}

/// `mov` → `lea`
const AS_LEA: Form = Form::new(RELATIVE, WORD32, -2, 1, |code| code[0] = LEA);
const PLAIN: Form = immediate(ABSOLUTE, -2, with_immediate::<0>);
const WITH_REX: Form = immediate(ABSOLUTE, -3, with_immediate::<REX_R>);
const WITH_REX2: Form = immediate(ABSOLUTE, -3, with_immediate::<REX2_R>);

static MOV_PLAIN: [Form; 2] = [AS_LEA, PLAIN];
static MOV_REX: [Form; 2] = [AS_LEA, WITH_REX];
static MOV_REX2: [Form; 2] = [AS_LEA, WITH_REX2];
/// `call *slot(%rip)` → `addr32 call`
static CALL: [Form; 1] = [Form::new(RELATIVE, WORD32, -2, 2, |code| {
    code.copy_from_slice(&[0x67, 0xe8]);
})];
/// `jmp *slot(%rip)` → `jmp; nop`
static JUMP: [Form; 1] = [Form {
    field_at: -1,
    ..Form::new(RELATIVE, WORD32, -2, 6, |code| {
        code.copy_from_slice(&[0xe9, 0, 0, 0, 0, 0x90]);
    })
}];

static TP_OFFSET_REX: [Form; 1] = [immediate(TPREL, -3, with_immediate::<REX_R>)];
static TP_OFFSET_REX2: [Form; 1] = [immediate(TPREL, -3, with_immediate::<REX2_R>)];
/// `call *(%rax)` → `xchg %ax, %ax`
static NO_DESCRIPTOR_CALL: [Form; 1] = [Form::fixed(0, 2, |code| {
    code.copy_from_slice(&[0x66, 0x90]);
})];

/// `mov %fs:0, %rax`
const THREAD_POINTER: [u8; 9] = [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0];
/// `lea 0(%rax), %rax`
const ADD_OFFSET: [u8; 7] = [0x48, 0x8d, 0x80, 0, 0, 0, 0];

/// Writes instructions one behind the other.
fn put(code: &mut [u8], instructions: &[&[u8]]) {
    let bytes = instructions.iter().copied().flatten();
    code.iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
}

/// `data16 lea x@tlsgd(%rip), %rdi`, and a call of 8 bytes
static GENERAL: [Form; 1] = [Form {
    field_at: 8,
    addend: BIAS,
    swallows_next: true,
    ..Form::new(TPREL, WORD32, -4, 16, |code| {
        put(code, &[&THREAD_POINTER, &ADD_OFFSET]);
    })
}];
/// `lea x@tlsgd(%rip), %rdi; movabs __tls_get_addr@pltoff, %rax; add %rbx, %rax; call *%rax`
static GENERAL_LARGE: [Form; 1] = [Form {
    field_at: 9,
    addend: BIAS,
    swallows_next: true,
    ..Form::new(TPREL, WORD32, -3, 22, |code| {
        // nopw 0(%rax, %rax)
        const NOP: &[u8] = &[0x66, 0x0f, 0x1f, 0x44, 0, 0];
        put(code, &[&THREAD_POINTER, &ADD_OFFSET, NOP]);
    })
}];

/// The thread pointer behind prefixes without a meaning.
const fn module(len: usize, rewrite: fn(&mut [u8])) -> Form {
    Form {
        swallows_next: true,
        ..Form::fixed(-3, len, rewrite)
    }
}

/// `lea x@tlsld(%rip), %rdi; call __tls_get_addr`
static LOCAL: [Form; 1] = [module(12, |code| put(code, &[&[0x66; 3], &THREAD_POINTER]))];
/// The same by `call *__tls_get_addr@gotpcrel(%rip)`
static LOCAL_SLOT: [Form; 1] = [module(13, |code| put(code, &[&[0x66; 4], &THREAD_POINTER]))];
/// The same by a call of the large model
static LOCAL_LARGE: [Form; 1] = [module(22, |code| {
    // cs nopw 0(%rax, %rax)
    const NOP: &[u8] = &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
    put(code, &[&[0x66; 3], &THREAD_POINTER, NOP]);
})];
/// Code that asks for the module gets the thread pointer: see [`crate::isa::Slot::TlsModule`].
static FROM_THREAD_POINTER_32: [Form; 1] = [Form::new(TPREL, WORD32, 0, 0, |_| {})];
static FROM_THREAD_POINTER_64: [Form; 1] = [Form::new(TPREL, integer(8, ANY), 0, 0, |_| {})];

/// A call or jump to 0 is a trap: `ud2; nopl (%rax)`
static NO_BRANCH: [Form; 1] = [Form::fixed(-1, 5, |code| {
    code.copy_from_slice(&[0x0f, 0x0b, 0x0f, 0x1f, 0x00]);
})];
/// `jcc 0` → `jncc .+6; ud2; nop; nop`
static NO_CONDITIONAL_BRANCH: [Form; 1] = [Form::fixed(-2, 6, |code| {
    let inverted = (code[1] & 0x0f | 0x70) ^ 1;
    code.copy_from_slice(&[inverted, 4, 0x0f, 0x0b, 0x90, 0x90]);
})];
/// Reading or writing at 0 is a trap: `ud2`, whatever operands follow.
static NO_ACCESS: [Form; 1] = [Form::fixed(-2, 2, |code| {
    code.copy_from_slice(&[0x0f, 0x0b]);
})];

/// See [`crate::isa::Isa::forms`].
pub fn forms(site: &Site<'_>) -> &'static [Form] {
    let found = match site.rule.raw {
        R_PC32 | R_PLT32 if site.undefined => undefined(site),
        R_GOTPCREL | R_GOTPCRELX | R_REX_GOTPCRELX | R_CODE_4_GOTPCRELX
            if site.relax && site.addend == -BIAS =>
        {
            without_slot(site)
        }
        R_GOTTPOFF if site.relax => tp_offset(site, &[MOV, ADD], 0x48, &TP_OFFSET_REX),
        R_CODE_4_GOTTPOFF if site.relax => rex2_tp_offset(site, &[MOV, ADD]),
        R_GOTPC32_TLSDESC => tp_offset(site, &[LEA], 0x48, &TP_OFFSET_REX),
        R_CODE_4_GOTPC32_TLSDESC => rex2_tp_offset(site, &[LEA]),
        R_TLSDESC_CALL if site.bytes(0) == Some([CALL_OR_JUMP, 0x10]) => {
            Some(&NO_DESCRIPTOR_CALL[..])
        }
        R_TLSGD => general(site),
        R_TLSLD => local(site),
        R_DTPOFF32 => Some(&FROM_THREAD_POINTER_32[..]),
        R_DTPOFF64 => Some(&FROM_THREAD_POINTER_64[..]),
        _ => None,
    };
    found.unwrap_or_default()
}

/// The operand is `disp32(%rip)`.
const fn is_rip_relative(modrm: u8) -> bool {
    modrm & 0xc7 == 0x05
}

/// Relocations without a name for what stands before them are believed by opcode: before a displacement that counts from
/// its place, these bytes mean nothing else.
fn without_slot(site: &Site<'_>) -> Option<&'static [Form]> {
    let [opcode, modrm] = site.bytes(-2)?;
    let prefix = site.bytes(-3).map_or(0, |[prefix]| prefix);
    let may_branch = matches!(site.rule.raw, R_GOTPCREL | R_GOTPCRELX) && !site.undefined;
    match (opcode, modrm) {
        (CALL_OR_JUMP, 0x15) if may_branch => return Some(&CALL),
        (CALL_OR_JUMP, 0x25) if may_branch => return Some(&JUMP),
        _ => {}
    }
    let forms = match site.rule.raw {
        R_GOTPCREL if opcode == MOV && prefix & !REX_R == 0x48 => &MOV_REX,
        R_GOTPCRELX => &MOV_PLAIN,
        R_REX_GOTPCRELX if prefix & 0xf0 == 0x40 => &MOV_REX,
        R_CODE_4_GOTPCRELX if site.bytes(-4) == Some([REX2]) => &MOV_REX2,
        _ => return None,
    };
    match opcode {
        _ if !is_rip_relative(modrm) => None,
        MOV if !site.undefined => Some(&forms[..]),
        MOV | TEST => Some(&forms[1..]),
        binary if binary & 0xc7 == ADD => Some(&forms[1..]),
        _ => None,
    }
}

fn tp_offset(
    site: &Site<'_>,
    opcodes: &[u8],
    prefix: u8,
    form: &'static [Form],
) -> Option<&'static [Form]> {
    let [rex, opcode, modrm] = site.bytes(-3)?;
    (rex & !REX_R == prefix && opcodes.contains(&opcode) && is_rip_relative(modrm)).then_some(form)
}

fn rex2_tp_offset(site: &Site<'_>, opcodes: &[u8]) -> Option<&'static [Form]> {
    let [rex2, _, opcode, modrm] = site.bytes(-4)?;
    (rex2 == REX2 && opcodes.contains(&opcode) && is_rip_relative(modrm))
        .then_some(&TP_OFFSET_REX2[..])
}

/// Types of relocations of a call, through the GOT or not.
const CALLS: &[u32] = &[R_PLT32, R_PC32, R_GOTPCREL, R_GOTPCRELX];

/// At a distance stands the large model's call of `__tls_get_addr`.
fn is_large_call(site: &Site<'_>) -> bool {
    let add = site.bytes(14);
    site.bytes(4) == Some([0x48, 0xb8])
        && site.has(6, &[R_PLTOFF64])
        // add %rbx, %rax or add %r15, %rax; call *%rax
        && (add == Some([0x48, 0x01, 0xd8, 0xff, 0xd0]) || add == Some([0x4c, 0x01, 0xf8, 0xff, 0xd0]))
}

fn general(site: &Site<'_>) -> Option<&'static [Form]> {
    const LEA_RDI: [u8; 3] = [0x48, 0x8d, 0x3d];
    if site.bytes(-4) == Some([0x66, 0x48, 0x8d, 0x3d]) && site.has(8, CALLS) {
        let call: [u8; 4] = site.bytes(4)?;
        let known = matches!(call, [0x66, 0x66, 0x48, 0xe8] | [0x66, 0x48, 0xff, 0x15]);
        return known.then_some(&GENERAL[..]);
    }
    (site.bytes(-3) == Some(LEA_RDI) && is_large_call(site)).then_some(&GENERAL_LARGE[..])
}

fn local(site: &Site<'_>) -> Option<&'static [Form]> {
    if site.bytes(-3) != Some([0x48, 0x8d, 0x3d]) {
        return None;
    }
    if site.bytes(4) == Some([0xe8]) && site.has(5, CALLS) {
        Some(&LOCAL)
    } else if site.bytes(4) == Some([CALL_OR_JUMP, 0x15]) && site.has(6, CALLS) {
        Some(&LOCAL_SLOT)
    } else {
        is_large_call(site).then_some(&LOCAL_LARGE[..])
    }
}

/// Code may be too far from 0 for a distance.
fn undefined(site: &Site<'_>) -> Option<&'static [Form]> {
    let [before, last] = site.bytes(-2)?;
    let rex = site.bytes(-3).is_some_and(|[prefix]| prefix & 0xf0 == 0x40);
    match (before, last) {
        (_, 0xe8 | 0xe9) => Some(&NO_BRANCH),
        (0x0f, 0x80..=0x8f) => Some(&NO_CONDITIONAL_BRANCH),
        (LEA, modrm) if is_rip_relative(modrm) && rex => Some(&MOV_REX[1..]),
        (LEA, modrm) if is_rip_relative(modrm) => Some(&MOV_PLAIN[1..]),
        // Of data among code the addend is not that of an instruction.
        (_, modrm) if is_rip_relative(modrm) && site.addend <= -BIAS => Some(&NO_ACCESS),
        _ => None,
    }
}
