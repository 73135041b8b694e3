# Entered through the PVH note: 32-bit protected mode, no paging, interrupts off.
# MODE 0: wait for the other CPU's doorbell, 1: fail with code 3, 2: run forever, 3: end well at once.
        .code32
        .globl  _start
_start:
        movl    $0x80000, %esp
        movl    $hello, %esi
        call    puts
.if MODE == 1
        movb    $3, %al
        outb    %al, $0xf4
.endif
.if MODE == 2
forever:
        hlt
        jmp     forever
.endif
.if MODE == 3
        movb    $0x10, %al
        outb    %al, $0xf4
.endif
        # The device's configuration space: bus 0, any device, function 0.
        xorl    %ebx, %ebx
find:   movl    %ebx, %ebp
        shll    $11, %ebp
        orl     $0x80000000, %ebp
        xorl    %eax, %eax
        call    read
        cmpl    $0x11101af4, %eax
        je      found
        incl    %ebx
        cmpl    $32, %ebx
        jne     find
fail:   movb    $1, %al
        outb    %al, $0xf4
found:
        movl    $0x10, %eax             # BAR 0: registers
        call    read
        andl    $~0xf, %eax
        movl    %eax, %edi
        movl    $0x14, %eax             # BAR 1: MSI-X table
        call    read
        andl    $~0xf, %eax
        movl    %eax, %ecx
        movl    $4, %eax                # memory, bus master
        call    read
        orl     $6, %eax
        outl    %eax, %dx
        # A message of this device is a store to memory.
        movl    $0, 0x200000
        movl    $0x200000, 0(%ecx)
        movl    $0, 4(%ecx)
        movl    $0xbe11, 8(%ecx)
        movl    $0, 12(%ecx)
        movl    $0x34, %eax             # capabilities
        call    read
next:   movzbl  %al, %esi
        testl   %esi, %esi
        jz      fail
        movl    %esi, %eax
        call    read
        cmpb    $0x11, %al              # MSI-X
        je      msix
        shrl    $8, %eax
        jmp     next
msix:   orl     $0x80000000, %eax       # enable
        outl    %eax, %dx

        movl    8(%edi), %eax           # IVPosition
        addb    $'0', %al
        movb    %al, id
        movl    $peer, %esi
        call    puts
ring:   movl    $0x10000, 12(%edi)      # vector 0 of peer 1
        pause
        cmpl    $0xbe11, 0x200000
        jne     ring
        movl    $rung, %esi
        call    puts
        movb    $0x10, %al
        outb    %al, $0xf4
end:    hlt
        jmp     end

# Reads the word %eax of the configuration space at %ebp; leaves its data port in %dx.
read:   addl    %ebp, %eax
        movw    $0xcf8, %dx
        outl    %eax, %dx
        movw    $0xcfc, %dx
        inl     %dx, %eax
        ret

# Writes the string at %esi.
puts:   movw    $0x3fd, %dx
        inb     %dx, %al
        testb   $0x20, %al
        jz      puts
        lodsb
        testb   %al, %al
        jz      1f
        movw    $0x3f8, %dx
        outb    %al, %dx
        jmp     puts
1:      ret

hello:  .asciz  "hello from x86_64\r\n"
peer:   .ascii  "peer "
id:     .asciz  "?\n"
rung:   .asciz  "rung\n"
