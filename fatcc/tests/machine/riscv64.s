# Entered by the reset vector: machine mode, both harts.
# MODE 0: wait for the other CPU's doorbell, 1: fail with code 7, 2: run forever, 3: end well at once.
        .option norelax
        .globl  _start
_start:
        csrr    t0, mhartid
        bnez    t0, park
        la      a0, hello
        call    puts
.if MODE == 1
        li      t1, 0x73333
        j       exit
.endif
.if MODE == 2
        j       park
.endif
.if MODE == 3
        j       well
.endif
        # The device's configuration space: bus 0, any device, function 0.
        li      s0, 0x30000000
        li      s1, 32
        li      t1, 0x11101af4
        li      t2, 0x8000
find:   lwu     t0, 0(s0)
        beq     t0, t1, found
        add     s0, s0, t2
        addi    s1, s1, -1
        bnez    s1, find
fail:   li      t1, 0x13333
        j       exit
found:
        li      s2, 0x40000000          # BAR 0: registers
        sw      s2, 0x10(s0)
        li      s3, 0x40001000          # BAR 1: MSI-X table
        sw      s3, 0x14(s0)
        li      t0, 0x40002000          # BAR 2: memory
        sw      t0, 0x18(s0)
        sw      zero, 0x1c(s0)
        lw      t0, 4(s0)               # memory, bus master
        ori     t0, t0, 6
        sw      t0, 4(s0)
        # A message of this device is a store to the CLINT's MSIP register.
        li      t0, 0x02000000
        sw      t0, 0(s3)
        sw      zero, 4(s3)
        li      t0, 1
        sw      t0, 8(s3)
        sw      zero, 12(s3)
        lbu     t0, 0x34(s0)            # capabilities
        li      t3, 0x11                # MSI-X
next:   beqz    t0, fail
        add     t1, s0, t0
        lbu     t2, 0(t1)
        beq     t2, t3, msix
        lbu     t0, 1(t1)
        j       next
msix:   lwu     t2, 0(t1)               # enable
        li      t3, 0x80000000
        or      t2, t2, t3
        sw      t2, 0(t1)

        lw      t0, 8(s2)               # IVPosition
        addi    t0, t0, '0'
        la      t1, id
        sb      t0, 0(t1)
        la      a0, peer
        call    puts
        li      t0, 0x02000000
wait:   lw      t1, 0(t0)
        beqz    t1, wait
        sw      zero, 12(s2)            # vector 0 of peer 0
        la      a0, rung
        call    puts
well:   li      t1, 0x5555
exit:   li      t0, 0x100000
        sw      t1, 0(t0)
park:   wfi
        j       park

# Writes the string at a0.
puts:   li      t0, 0x10000000
1:      lbu     t1, 5(t0)
        andi    t1, t1, 0x20
        beqz    t1, 1b
        lbu     t1, 0(a0)
        beqz    t1, 2f
        sb      t1, 0(t0)
        addi    a0, a0, 1
        j       1b
2:      ret

hello:  .asciz  "hello from riscv64\r\n"
peer:   .ascii  "peer "
id:     .asciz  "?\n"
rung:   .asciz  "rung\n"
