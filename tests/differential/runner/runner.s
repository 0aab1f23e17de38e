// Executes cases on an Arm processor, or what passes for one, and reports the outcome.
//
// A case is 1,024 bytes: the registers of a sigcontext (X0 to X30, SP, PC, PSTATE), FPSR, FPCR and
// V0 to V31 as in an fpsimd_context, then a window of memory and instruction words; `Case` in
// case.rs is the same. Every case ends in a signal, if only that of the BRK after it. The handler
// takes the registers out of the signal frame, puts those of the next case in and returns into it;
// so no register is lost to the runner, SP included.
//
// Standard input: the data area once, then batches: a count (64 bits) and that many cases.
// Standard output, for each batch: the cases after execution, and the data area.

        // Places, as in layout.rs.
        .equ CODE, 0x10000000
        .equ NEAR_LOW, CODE - 0x1000
        .equ DATA, CODE + 0x40000
        .equ DATA_LOW_LENGTH, 0x2000
        .equ DATA_HIGH, DATA + 0x3000
        .equ DATA_HIGH_LENGTH, 0x2000
        .equ READ_ONLY_PAGE, DATA + 0x4000
        .equ SLOTS_PER_PAGE, 248

        // Places in a case.
        .equ CASE, 1024
        .equ FP, 272
        .equ WINDOW, 792
        .equ MEMORY, 800
        .equ MEMORY_WORDS, 24
        .equ SIGNAL, 992
        .equ CODE_OF_SIGNAL, 996
        .equ ADDRESS, 1000
        .equ WORDS, 1008

        // Places in a signal frame (arch/arm64/include/uapi/asm/{ucontext,sigcontext}.h).
        .equ UC_REGS, 184
        .equ UC_FP, 472

        .macro call number
        mov     x8, #\number
        svc     #0
        .endm

        .text
        .global _start
_start:
        adrp    x19, code_areas
        add     x19, x19, :lo12:code_areas
1:      ldp     x0, x1, [x19], #16
        cbz     x0, 2f
        mov     x2, #7
        bl      map
        ldr     w3, ending
3:      str     w3, [x0], #4
        subs    x1, x1, #4
        b.ne    3b
        b       1b

2:      ldr     x0, =DATA
        mov     x1, #DATA_LOW_LENGTH
        mov     x2, #3
        bl      map
        bl      read_all
        ldr     x0, =DATA_HIGH
        mov     x1, #DATA_HIGH_LENGTH
        mov     x2, #3
        bl      map
        bl      read_all
        ldr     x0, =READ_ONLY_PAGE
        mov     x1, #0x1000
        mov     x2, #1
        call    226                     // mprotect

        adrp    x0, stack
        add     x0, x0, :lo12:stack
        mov     x1, #0
        call    132                     // sigaltstack
        adrp    x19, signals
        add     x19, x19, :lo12:signals
4:      ldr     x0, [x19], #8
        cbz     x0, ending
        adrp    x1, action
        add     x1, x1, :lo12:action
        mov     x2, #0
        mov     x3, #8
        call    134                     // rt_sigaction
        b       4b

// The word that fills the code areas. The first signal comes from this one.
ending: brk     #0

// Maps x1 bytes at x0 with rights x2; keeps both.
map:    mov     x9, x0
        mov     x10, x1
        mov     x3, #0x32               // MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
        mov     x4, #-1
        mov     x5, #0
        call    222                     // mmap
        cmp     x0, x9
        b.ne    fail
        mov     x1, x10
        ret

// Reads x1 bytes to x0.
read_all:
        mov     x9, x0
        mov     x10, x1
1:      mov     x0, #0
        mov     x1, x9
        mov     x2, x10
        call    63                      // read
        cmp     x0, #0
        b.le    finish
        add     x9, x9, x0
        subs    x10, x10, x0
        b.ne    1b
        ret

// Writes x1 bytes from x0.
write_all:
        mov     x9, x0
        mov     x10, x1
1:      mov     x0, #1
        mov     x1, x9
        mov     x2, x10
        call    64                      // write
        cmp     x0, #0
        b.le    fail
        add     x9, x9, x0
        subs    x10, x10, x0
        b.ne    1b
        ret

// Copies x2 words of 64 bits from x1 to x0.
copy:   ldr     x3, [x1], #8
        str     x3, [x0], #8
        subs    x2, x2, #1
        b.ne    copy
        ret

fail:   mov     x0, #1
        call    94                      // exit_group
// The end of input is the regular end.
finish: mov     x0, #0
        call    94

// A signal x0 with siginfo x1 and ucontext x2.
handler:
        mov     x20, x1
        mov     x21, x2
        adrp    x22, current
        add     x22, x22, :lo12:current
        ldp     x23, x24, [x22]         // the case and the end of the batch
        cbz     x23, batch

        mov     x0, x23
        add     x1, x21, #UC_REGS
        mov     x2, #34
        bl      copy
        add     x0, x23, #FP
        add     x1, x21, #UC_FP
        mov     x2, #65
        bl      copy
        add     x0, x23, #MEMORY
        ldr     x1, [x23, #WINDOW]
        mov     x2, #MEMORY_WORDS
        bl      copy
        ldr     w3, [x20]
        ldr     w4, [x20, #8]
        ldr     x5, [x20, #16]
        str     w3, [x23, #SIGNAL]
        str     w4, [x23, #CODE_OF_SIGNAL]
        str     x5, [x23, #ADDRESS]
        add     x23, x23, #CASE
        cmp     x23, x24
        b.ne    start

        adrp    x0, cases
        add     x0, x0, :lo12:cases
        sub     x1, x24, x0
        bl      write_all
        ldr     x0, =DATA
        mov     x1, #DATA_LOW_LENGTH
        bl      write_all
        ldr     x0, =DATA_HIGH
        mov     x1, #DATA_HIGH_LENGTH
        bl      write_all

batch:  add     x0, x22, #16
        mov     x1, #8
        bl      read_all
        ldr     x25, [x22, #16]
        adrp    x23, cases
        add     x23, x23, :lo12:cases
        mov     x0, x23
        lsl     x1, x25, #10
        add     x24, x23, x1
        bl      read_all

        // The words of case n go to slot n.
        mov     x4, x23
        ldr     x5, =CODE
1:      add     x6, x5, #64
        mov     x7, #SLOTS_PER_PAGE
2:      ldr     x8, [x4, #WORDS]
        ldr     x9, [x4, #WORDS + 8]
        stp     x8, x9, [x6]
        dc      cvau, x6
        dsb     ish
        ic      ivau, x6
        add     x6, x6, #16
        add     x4, x4, #CASE
        cmp     x4, x24
        b.eq    3f
        subs    x7, x7, #1
        b.ne    2b
        add     x5, x5, #0x1000
        b       1b
3:      dsb     ish
        isb

start:  stp     x23, x24, [x22]
        add     x0, x21, #UC_REGS
        mov     x1, x23
        mov     x2, #34
        bl      copy
        add     x0, x21, #UC_FP
        add     x1, x23, #FP
        mov     x2, #65
        bl      copy
        ldr     x0, [x23, #WINDOW]
        add     x1, x23, #MEMORY
        mov     x2, #MEMORY_WORDS
        bl      copy
        call    139                     // rt_sigreturn

        .data
        .balign 8
code_areas:
        .quad   NEAR_LOW, 0x4000
        .quad   CODE - 0x80000, 0x1000
        .quad   CODE + 0x80000, 0x1000
        .quad   CODE - 0x4000000, 0x1000
        .quad   CODE + 0x4000000, 0x1000
        .quad   0
signals:
        .quad   4, 5, 7, 8, 11, 0       // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV
action: .quad   handler
        .quad   0x48000004              // SA_NODEFER | SA_ONSTACK | SA_SIGINFO
        .quad   0, 0
stack:  .quad   stack_low
        .quad   0
        .quad   0x20000
        // The case being executed, the end of the batch, and its number of cases as read.
current:
        .quad   0, 0, 0

        .bss
        .balign 16
stack_low:
        .skip   0x20000
cases:  .skip   496 * CASE
