//! The table of micro-operations.
//!
//! A row is `Name "text" (roles) meaning`. Names ending in `W` are 32-bit forms: they use the low
//! halves of their sources and zero the high half of the destination. `I` marks an immediate second
//! operand, `S` the setting of NZCV. Families whose members differ only in the arithmetic (`VBin`,
//! `FBin`, `Amo`, ...) are one operation; the member is in the immediate.

use crate::{Slot, Uop};

/// What an operation does with one of its operands. Derived analyses (taint, liveness, printing)
/// read these instead of knowing the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `rd` is written.
    D,
    /// `rd` is read (a value to store or compare).
    DRead,
    /// `rd` is read, then written.
    DBoth,
    /// `ra` is read.
    A,
    /// `ra` is read, then written.
    ABoth,
    /// `rb` is read.
    B,
    /// `rb` is written (second result).
    BWrite,
    /// `rc` is read.
    C,
    /// `rc` is written (second result).
    CWrite,
    /// `rc` is read and written.
    CBoth,
    /// `rd` and the slot after it are written (a vector register).
    VD,
    /// Vector `rd` is read.
    VDRead,
    /// Vector `rd` is read, then written.
    VDBoth,
    /// Vector `ra` is read.
    VA,
    /// Vector `rb` is read.
    VB,
    /// Vector `rc` is read.
    VC,
    /// Vector `rc` is written.
    VCWrite,
    /// `rb` is a small number.
    SmallB,
    /// `rc` is a small number.
    SmallC,
    /// The immediate is an operand.
    Imm,
    /// NZCV is read.
    FlagsRead,
    /// NZCV is written.
    FlagsWrite,
    /// FPCR is read; FPSR is read and written.
    FpState,
    /// Memory is read.
    Load,
    /// Memory is written.
    Store,
    /// Control may go elsewhere than to the next guest instruction.
    Branch,
    /// Execution stops for a service (system call, trap).
    Exit,
}

impl Role {
    /// The slot that this role names in `uop`, if it names one.
    pub const fn field(self, uop: &Uop) -> Option<Slot> {
        match self {
            Role::D | Role::DRead | Role::DBoth | Role::VD | Role::VDRead | Role::VDBoth => {
                Some(uop.rd)
            }
            Role::A | Role::ABoth | Role::VA => Some(uop.ra),
            Role::B | Role::BWrite | Role::VB => Some(uop.rb),
            Role::C | Role::CWrite | Role::CBoth | Role::VC | Role::VCWrite => Some(uop.rc),
            _ => None,
        }
    }
}

macro_rules! micro_ops {
    ($($name:ident $text:literal ($($role:ident)*) $doc:literal;)*) => {
        /// A micro-operation. In its description, `[ra]` is memory at the address in `ra`.
        #[allow(rustdoc::broken_intra_doc_links)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Op { $(#[doc = $doc] $name,)* }

        impl Op {
            /// Every operation, in numbering order.
            pub const ALL: &'static [Op] = &[$(Op::$name),*];

            /// The name used in text.
            pub const fn name(self) -> &'static str {
                match self { $(Op::$name => $text,)* }
            }

            /// What the operation reads and writes.
            pub const fn roles(self) -> &'static [Role] {
                match self { $(Op::$name => &[$(Role::$role),*],)* }
            }
        }
    };
}

micro_ops! {
    // Page structure.
    PageEnd "page-end" (Branch) "The page is over: continue at the next one";
    Nop "nop" () "Nothing";
    Enter "enter" (Branch) "Engines of many lanes: go on in a page that has to be looked up";
    Undefined "undefined" (Imm Exit) "An unallocated word (`imm`): trap";
    Svc "svc" (Imm Exit) "System call";
    Brk "brk" (Imm Exit) "Breakpoint instruction with comment `imm`";

    // Moves and integer arithmetic.
    Mov "mov" (D A) "rd = ra";
    MovI "movi" (D Imm) "rd = imm";
    MovK "movk" (DBoth SmallC Imm) "rd with its 16 bits from bit rc on replaced by those of imm";
    MovKW "movkw" (DBoth SmallC Imm) "MovK, then the high half of rd is zeroed";
    Add "add" (D A B) "rd = ra + rb";
    AddW "addw" (D A B) "32-bit add";
    AddI "addi" (D A Imm) "rd = ra + imm";
    AddIW "addiw" (D A Imm) "32-bit add of an immediate";
    Sub "sub" (D A B) "rd = ra - rb";
    SubW "subw" (D A B) "32-bit subtract";
    AddLsl "add.lsl" (D A B SmallC) "rd = ra + (rb << rc)";
    AddLslW "add.lslw" (D A B SmallC) "32-bit add of a shifted register";
    SubLsl "sub.lsl" (D A B SmallC) "rd = ra - (rb << rc)";
    SubLslW "sub.lslw" (D A B SmallC) "32-bit subtract of a shifted register";
    AddUxtw "add.uxtw" (D A B SmallC) "rd = ra + (low half of rb, zero-extended << rc)";
    AddSxtw "add.sxtw" (D A B SmallC) "rd = ra + (low half of rb, sign-extended << rc)";
    AddS "adds" (D A B FlagsWrite) "rd = ra + rb, setting flags";
    AddSW "addsw" (D A B FlagsWrite) "32-bit add, setting flags";
    AddSI "addsi" (D A Imm FlagsWrite) "rd = ra + imm, setting flags";
    AddSIW "addsiw" (D A Imm FlagsWrite) "32-bit add of an immediate, setting flags";
    SubS "subs" (D A B FlagsWrite) "rd = ra - rb, setting flags";
    SubSW "subsw" (D A B FlagsWrite) "32-bit subtract, setting flags";
    SubSI "subsi" (D A Imm FlagsWrite) "rd = ra - imm, setting flags";
    SubSIW "subsiw" (D A Imm FlagsWrite) "32-bit subtract of an immediate, setting flags";
    Adc "adc" (D A B FlagsRead) "rd = ra + rb + C";
    AdcW "adcw" (D A B FlagsRead) "32-bit add with carry";
    AdcS "adcs" (D A B FlagsRead FlagsWrite) "rd = ra + rb + C, setting flags";
    AdcSW "adcsw" (D A B FlagsRead FlagsWrite) "32-bit add with carry, setting flags";
    Sbc "sbc" (D A B FlagsRead) "rd = ra - rb - !C";
    SbcW "sbcw" (D A B FlagsRead) "32-bit subtract with carry";
    SbcS "sbcs" (D A B FlagsRead FlagsWrite) "rd = ra - rb - !C, setting flags";
    SbcSW "sbcsw" (D A B FlagsRead FlagsWrite) "32-bit subtract with carry, setting flags";
    And "and" (D A B) "rd = ra & rb";
    Or "or" (D A B) "rd = ra | rb";
    Xor "xor" (D A B) "rd = ra ^ rb";
    Bic "bic" (D A B) "rd = ra & !rb";
    Orn "orn" (D A B) "rd = ra | !rb";
    OrnW "ornw" (D A B) "32-bit or-not";
    Eon "eon" (D A B) "rd = ra ^ !rb";
    EonW "eonw" (D A B) "32-bit exclusive-or-not";
    AndW "andw" (D A B) "32-bit and";
    OrW "orw" (D A B) "32-bit or";
    XorW "xorw" (D A B) "32-bit exclusive or";
    BicW "bicw" (D A B) "32-bit and-not";
    XorRorW "xor.rorw" (D A B SmallC) "32-bit exclusive or with rb rotated right by rc";
    XorRor "xor.ror" (D A B SmallC) "rd = ra ^ (rb rotated right by rc)";
    OrLsl "or.lsl" (D A B SmallC) "rd = ra | (rb << rc)";
    OrLslW "or.lslw" (D A B SmallC) "32-bit or of a shifted register";
    AndI "andi" (D A Imm) "rd = ra & imm";
    AndIW "andiw" (D A Imm) "rd = ra & imm, imm below 2^32";
    OrI "ori" (D A Imm) "rd = ra | imm";
    OrIW "oriw" (D A Imm) "32-bit or of an immediate";
    XorI "xori" (D A Imm) "rd = ra ^ imm";
    XorIW "xoriw" (D A Imm) "32-bit exclusive or of an immediate";
    AndS "ands" (D A B FlagsWrite) "rd = ra & rb, N and Z set, C and V cleared";
    AndSW "andsw" (D A B FlagsWrite) "32-bit and, setting flags";
    AndSI "andsi" (D A Imm FlagsWrite) "rd = ra & imm, setting flags";
    AndSIW "andsiw" (D A Imm FlagsWrite) "32-bit and of an immediate, setting flags";
    Lsl "lsl" (D A B) "rd = ra << rb % 64";
    LslW "lslw" (D A B) "32-bit shift left by rb % 32";
    Lsr "lsr" (D A B) "rd = ra >> rb % 64";
    LsrW "lsrw" (D A B) "32-bit shift right by rb % 32";
    Asr "asr" (D A B) "rd = ra >> rb % 64, signed";
    AsrW "asrw" (D A B) "32-bit signed shift right by rb % 32";
    Ror "ror" (D A B) "rd = ra rotated right by rb % 64";
    RorW "rorw" (D A B) "32-bit rotate right by rb % 32";
    RorI "rori" (D A SmallC) "rd = ra rotated right by rc";
    RorIW "roriw" (D A SmallC) "32-bit rotate right by rc";
    LslAnd "lsl.and" (D A SmallC Imm) "rd = (ra << rc) & imm";
    LsrAnd "lsr.and" (D A SmallC Imm) "rd = (ra >> rc) & imm";
    LslAsr "lsl.asr" (D A SmallB SmallC) "rd = (ra << rb) >> rc, signed";
    LslAsrW "lsl.asrw" (D A SmallB SmallC) "rd = low half of ((ra << rb) >> rc, signed)";
    BitInsert "bfi" (DBoth A SmallC Imm) "rd = rd & !imm | (ra rotated right by rc) & imm";
    BitInsertW "bfiw" (DBoth A SmallC Imm) "BitInsert, then the high half of rd is zeroed";
    Extr "extr" (D A B SmallC) "rd = low 64 bits of (ra:rb >> rc), rc below 64";
    ExtrW "extrw" (D A B SmallC) "rd = low 32 bits of (ra:rb >> rc), 32-bit sources, rc below 32";
    Mul "mul" (D A B) "rd = ra * rb";
    MulW "mulw" (D A B) "32-bit multiply";
    Madd "madd" (D A B C) "rd = rc + ra * rb";
    MaddW "maddw" (D A B C) "32-bit multiply-add";
    Msub "msub" (D A B C) "rd = rc - ra * rb";
    MsubW "msubw" (D A B C) "32-bit multiply-subtract";
    Smaddl "smaddl" (D A B C) "rd = rc + low halves of ra and rb multiplied, signed";
    Smsubl "smsubl" (D A B C) "rd = rc - low halves of ra and rb multiplied, signed";
    Umaddl "umaddl" (D A B C) "rd = rc + low halves of ra and rb multiplied, unsigned";
    Umsubl "umsubl" (D A B C) "rd = rc - low halves of ra and rb multiplied, unsigned";
    Smulh "smulh" (D A B) "rd = high half of the signed 128-bit product";
    Umulh "umulh" (D A B) "rd = high half of the unsigned 128-bit product";
    Udiv "udiv" (D A B) "rd = ra / rb, unsigned; 0 if rb is 0";
    UdivW "udivw" (D A B) "32-bit unsigned divide";
    Sdiv "sdiv" (D A B) "rd = ra / rb, signed; 0 if rb is 0";
    SdivW "sdivw" (D A B) "32-bit signed divide";
    Clz "clz" (D A) "rd = leading zeros of ra";
    ClzW "clzw" (D A) "32-bit leading zeros";
    Cls "cls" (D A) "rd = leading bits of ra equal to its sign, less one";
    ClsW "clsw" (D A) "32-bit leading sign bits";
    Rbit "rbit" (D A) "rd = bits of ra reversed";
    RbitW "rbitw" (D A) "32-bit bit reversal";
    Rev "rev" (D A) "rd = bytes of ra reversed";
    RevW "revw" (D A) "32-bit byte reversal";
    Rev16 "rev16" (D A) "rd = bytes reversed in each 16 bits of ra";
    Rev16W "rev16w" (D A) "32-bit Rev16";
    Rev32 "rev32" (D A) "rd = bytes reversed in each 32 bits of ra";
    Crc32 "crc32" (D A B SmallC) "CRC of 1 << (rc & 3) bytes of rb into ra; rc & 4 picks CRC-32C";
    // Conditions: imm is a truth table over NZCV (see `condition_mask`).
    Csel "csel" (D A B Imm FlagsRead) "rd = cond ? ra : rb";
    CselW "cselw" (D A B Imm FlagsRead) "32-bit select";
    Csinc "csinc" (D A B Imm FlagsRead) "rd = cond ? ra : rb + 1";
    CsincW "csincw" (D A B Imm FlagsRead) "32-bit select or increment";
    Csinv "csinv" (D A B Imm FlagsRead) "rd = cond ? ra : !rb";
    CsinvW "csinvw" (D A B Imm FlagsRead) "32-bit select or invert";
    Csneg "csneg" (D A B Imm FlagsRead) "rd = cond ? ra : -rb";
    CsnegW "csnegw" (D A B Imm FlagsRead) "32-bit select or negate";
    Ccmp "ccmp" (A B SmallC Imm FlagsRead FlagsWrite) "flags = cond ? flags of ra - rb : rc";
    CcmpW "ccmpw" (A B SmallC Imm FlagsRead FlagsWrite) "32-bit Ccmp";
    Ccmn "ccmn" (A B SmallC Imm FlagsRead FlagsWrite) "flags = cond ? flags of ra + rb : rc";
    CcmnW "ccmnw" (A B SmallC Imm FlagsRead FlagsWrite) "32-bit Ccmn";
    Cfinv "cfinv" (FlagsRead FlagsWrite) "C is inverted";
    Rmif "rmif" (A SmallC Imm FlagsRead FlagsWrite) "flags in imm are taken from ra rotated by rc";
    Setf8 "setf8" (A FlagsRead FlagsWrite) "N, Z, V from the low byte of ra";
    Setf16 "setf16" (A FlagsRead FlagsWrite) "N, Z, V from the low half-word of ra";
    ReadNzcv "read.nzcv" (D FlagsRead) "rd = flags at their system-register position";
    WriteNzcv "write.nzcv" (A FlagsWrite) "flags = bits 31 to 28 of ra";
    ReadCounter "read.counter" (D) "rd = virtual counter";

    // Branches. `In` forms stay within the page: imm is the micro-op's index in the page's code in
    // the low half and the guest instruction's index in the high half. `Out` forms hold a virtual
    // address. Conditional branches keep the condition's truth table in rb and rc.
    JumpIn "jump.in" (Imm Branch) "Branch within the page";
    JumpOut "jump.out" (Imm Branch) "Branch to another page";
    LinkIn "link.in" (D Imm Branch) "rd = address of the next instruction; branch within the page";
    LinkOut "link.out" (D Imm Branch) "rd = address of the next instruction; branch";
    JumpReg "jump.reg" (A Branch) "Branch to ra";
    LinkReg "link.reg" (D A Branch) "Branch to ra, rd = address of the next instruction";
    CondIn "cond.in" (Imm FlagsRead Branch) "Branch within the page if the condition holds";
    CondOut "cond.out" (Imm FlagsRead Branch) "Branch to another page if the condition holds";
    ZeroIn "cbz.in" (A Imm Branch) "Branch within the page if ra is zero";
    ZeroInW "cbzw.in" (A Imm Branch) "32-bit ZeroIn";
    NonZeroIn "cbnz.in" (A Imm Branch) "Branch within the page if ra is not zero";
    NonZeroInW "cbnzw.in" (A Imm Branch) "32-bit NonZeroIn";
    BitClearIn "tbz.in" (A SmallB Imm Branch) "Branch within the page if bit rb of ra is clear";
    BitSetIn "tbnz.in" (A SmallB Imm Branch) "Branch within the page if bit rb of ra is set";
    ZeroOut "cbz.out" (A Imm Branch) "Branch to another page if ra is zero";
    ZeroOutW "cbzw.out" (A Imm Branch) "32-bit ZeroOut";
    NonZeroOut "cbnz.out" (A Imm Branch) "Branch to another page if ra is not zero";
    NonZeroOutW "cbnzw.out" (A Imm Branch) "32-bit NonZeroOut";
    BitClearOut "tbz.out" (A SmallB Imm Branch) "Branch to another page if bit rb of ra is clear";
    BitSetOut "tbnz.out" (A SmallB Imm Branch) "Branch to another page if bit rb of ra is set";

    // Loads and stores at [ra + imm]; `R` forms at [ra + (rb << rc)]; `X` forms at [ra + (low half of
    // rb << rc)], zero-extended or, if imm is 1, sign-extended; `Wb` forms at [ra + the low half of
    // imm], after which the high half is added to ra. Halves of imm are signed.
    Ld8 "ld8" (D A Imm Load) "rd = byte";
    Ld16 "ld16" (D A Imm Load) "rd = 16 bits";
    Ld32 "ld32" (D A Imm Load) "rd = 32 bits";
    Ld64 "ld64" (D A Imm Load) "rd = 64 bits";
    LdS8 "lds8" (D A Imm Load) "rd = byte, sign-extended to 64 bits";
    LdS8W "lds8w" (D A Imm Load) "rd = byte, sign-extended to 32 bits";
    LdS16 "lds16" (D A Imm Load) "rd = 16 bits, sign-extended to 64 bits";
    LdS16W "lds16w" (D A Imm Load) "rd = 16 bits, sign-extended to 32 bits";
    LdS32 "lds32" (D A Imm Load) "rd = 32 bits, sign-extended";
    St8 "st8" (DRead A Imm Store) "Store the low byte of rd";
    St16 "st16" (DRead A Imm Store) "Store the low 16 bits of rd";
    St32 "st32" (DRead A Imm Store) "Store the low 32 bits of rd";
    St64 "st64" (DRead A Imm Store) "Store rd";
    Ld8R "ld8.r" (D A B SmallC Load) "rd = byte at [ra + (rb << rc)]";
    Ld16R "ld16.r" (D A B SmallC Load) "rd = 16 bits at [ra + (rb << rc)]";
    Ld32R "ld32.r" (D A B SmallC Load) "rd = 32 bits at [ra + (rb << rc)]";
    Ld64R "ld64.r" (D A B SmallC Load) "rd = 64 bits at [ra + (rb << rc)]";
    St8R "st8.r" (DRead A B SmallC Store) "Store the low byte of rd at [ra + (rb << rc)]";
    St16R "st16.r" (DRead A B SmallC Store) "Store 16 bits of rd at [ra + (rb << rc)]";
    St32R "st32.r" (DRead A B SmallC Store) "Store 32 bits of rd at [ra + (rb << rc)]";
    St64R "st64.r" (DRead A B SmallC Store) "Store rd at [ra + (rb << rc)]";
    Ld8X "ld8.x" (D A B SmallC Imm Load) "rd = byte";
    Ld16X "ld16.x" (D A B SmallC Imm Load) "rd = 16 bits";
    Ld32X "ld32.x" (D A B SmallC Imm Load) "rd = 32 bits";
    Ld64X "ld64.x" (D A B SmallC Imm Load) "rd = 64 bits";
    St8X "st8.x" (DRead A B SmallC Imm Store) "Store the low byte of rd";
    St16X "st16.x" (DRead A B SmallC Imm Store) "Store the low 16 bits of rd";
    St32X "st32.x" (DRead A B SmallC Imm Store) "Store the low 32 bits of rd";
    St64X "st64.x" (DRead A B SmallC Imm Store) "Store rd";
    Ld8Wb "ld8.wb" (D ABoth Imm Load) "rd = byte";
    Ld32Wb "ld32.wb" (D ABoth Imm Load) "rd = 32 bits";
    Ld64Wb "ld64.wb" (D ABoth Imm Load) "rd = 64 bits";
    St8Wb "st8.wb" (DRead ABoth Imm Store) "Store the low byte of rd";
    St32Wb "st32.wb" (DRead ABoth Imm Store) "Store the low 32 bits of rd";
    St64Wb "st64.wb" (DRead ABoth Imm Store) "Store rd";
    Ldp64Wb "ldp64.wb" (D CWrite ABoth Imm Load) "rd, rc = two 64-bit words";
    Stp64Wb "stp64.wb" (DRead C ABoth Imm Store) "Store rd and rc";
    Ldp32 "ldp32" (D CWrite A Imm Load) "rd, rc = two 32-bit words";
    Ldp64 "ldp64" (D CWrite A Imm Load) "rd, rc = two 64-bit words";
    LdpS32 "ldps32" (D CWrite A Imm Load) "rd, rc = two 32-bit words, sign-extended";
    Stp32 "stp32" (DRead C A Imm Store) "Store the low halves of rd and rc";
    Stp64 "stp64" (DRead C A Imm Store) "Store rd and rc";
    // Vector registers: the bytes loaded fill the low end, the rest becomes zero.
    LdV8 "ldv8" (VD A Imm Load) "Vector rd = byte";
    LdV16 "ldv16" (VD A Imm Load) "Vector rd = 16 bits";
    LdV32 "ldv32" (VD A Imm Load) "Vector rd = 32 bits";
    LdV64 "ldv64" (VD A Imm Load) "Vector rd = 64 bits";
    LdV128 "ldv128" (VD A Imm Load) "Vector rd = 128 bits";
    StV128 "stv128" (VDRead A Imm Store) "Store vector rd (shorter stores are the integer ones)";
    LdpV32 "ldpv32" (VD VCWrite A Imm Load) "Vectors rd, rc = 32 bits each";
    LdpV64 "ldpv64" (VD VCWrite A Imm Load) "Vectors rd, rc = 64 bits each";
    LdpV128 "ldpv128" (VD VCWrite A Imm Load) "Vectors rd, rc = 128 bits each";
    StpV128 "stpv128" (VDRead VC A Imm Store) "Store vectors rd and rc";
    LdMulti "ldmulti" (VD A SmallB SmallC Imm Load) "LD1 to LD4 (multiple structures): rb registers from rd on, each Lanes(rc); imm is 1 when elements are interleaved; at [ra]";
    StMulti "stmulti" (VDRead A SmallB SmallC Imm Store) "ST1 to ST4 (multiple structures)";
    LdLane "ldlane" (VDBoth A SmallB SmallC Imm Load) "LD1 to LD4 (single structure): lane imm of rb registers from rd on";
    StLane "stlane" (VDRead A SmallB SmallC Imm Store) "ST1 to ST4 (single structure)";
    LdRep "ldrep" (VD A SmallB SmallC Load) "LD1R to LD4R: one element to every lane of rb registers from rd on";
    // Atomics. rc is the size as a logarithm of bytes.
    LdExclusive "ldx" (D A SmallC Load) "rd = 1 << rc bytes at [ra]; the monitor marks them";
    LdpExclusive "ldxp" (D BWrite A SmallC Load) "rd, rb = a pair of 1 << rc bytes each; marked";
    StExclusive "stx" (D A B SmallC Store) "If the mark holds, store rb at [ra] and rd = 0, else rd = 1";
    StpExclusive "stxp" (D A B SmallC Imm Store) "As StExclusive, storing rb and slot imm";
    ClearExclusive "clrex" () "The monitor's mark is dropped";
    Amo "amo" (D A B SmallC Imm Load Store) "rd = memory at [ra]; memory = memory (imm: an AmoOp) rb";
    Cas "cas" (DBoth A B SmallC Load Store) "If memory at [ra] is rd, store rb; rd = the old value";
    Casp "casp" (DBoth A B SmallC Imm Load Store) "Cas on the pairs rd, rd+1 and rb, rb+1";
    ZeroBlock "dczva" (A Store) "Zero the aligned 64-byte block that holds [ra]";
    DropCode "icivau" (A) "Code at [ra] may have changed";
    CheckAlign "check.align" (A SmallC Imm) "Alignment fault unless ra + imm is a multiple of 1 << rc";
    Touch "touch" (A SmallC Imm Load) "Fault unless imm bytes at [ra] can be accessed; rc is 1 for writing";

    // Vector integer arithmetic; rc is a Lanes unless said otherwise, imm the family's member.
    VMov "vmov" (VD VA) "128-bit copy";
    VMovLow "vmov.low" (VD A) "Low half from ra, high half zero";
    VMovI "vmovi" (VD SmallC Imm) "imm in the low half, and in the high half if rc is 1, else zero";
    VAnd "vand" (VD VA VB SmallC) "128-bit and; the high half becomes zero if rc is 1 (also below)";
    VOr "vor" (VD VA VB SmallC) "Bitwise or";
    VXor "vxor" (VD VA VB SmallC) "Bitwise exclusive or";
    VAdd "vadd" (VD VA VB SmallC) "Lanewise add";
    VSub "vsub" (VD VA VB SmallC) "Lanewise subtract";
    VCmEq "vcmeq" (VD VA VB SmallC) "Lanewise equality, all ones or zero";
    VBin "vbin" (VDBoth VA VB SmallC Imm FpState) "simd::Bin";
    VPair "vpair" (VD VA VB SmallC Imm) "simd::Pair";
    VUn "vun" (VDBoth VA SmallC Imm FpState) "simd::Un";
    VShift "vshift" (VDBoth VA SmallB SmallC Imm FpState) "simd::Shift by rb bits";
    VShiftNarrow "vshrn" (VDBoth VA SmallB SmallC Imm FpState) "simd::ShiftNarrow by rb; lanes are those of the result, q picks the high half";
    VShiftLong "vshll" (VD VA SmallB SmallC Imm) "simd::ShiftLong by rb; lanes are those of the source, q picks the high half";
    VLong "vlong" (VDBoth VA VB SmallC Imm FpState) "simd::Long; lanes are those of the sources, q picks their high halves";
    VWide "vwide" (VD VA VB SmallC Imm) "simd::Wide; lanes are those of rb, q picks its high half";
    VNarrowHigh "vnarrow.high" (VDBoth VA VB SmallC Imm) "simd::NarrowHigh; lanes are those of the result";
    VNarrow "vnarrow" (VDBoth VA SmallC Imm FpState) "simd::Narrow; lanes are those of the result";
    VAcross "vacross" (VD VA SmallC Imm) "simd::Across";
    VPermute "vpermute" (VD VA VB SmallC Imm) "simd::Permute";
    VExt "vext" (VD VA VB SmallC Imm) "Bytes from position imm on of rb:ra; rc is Lanes of bytes";
    VTable "vtable" (VDBoth VA VB SmallC Imm) "TBL (TBX if imm is 1): rc & 7 table registers from ra on, rc & 8 for 128 bits; indices in rb";
    VDup "vdup" (VD VA SmallB SmallC) "Lane rb of ra to all lanes";
    VDupX "vdup.x" (VD A SmallC) "Low bits of ra to all lanes";
    VInsert "vins" (VDBoth VA SmallB SmallC Imm) "Lane imm = lane rb of ra";
    VInsertX "vins.x" (VDBoth A SmallC Imm) "Lane imm = low bits of ra";
    VLaneU "vumov" (D VA SmallB SmallC) "rd = lane rb, zero-extended";
    VLaneS "vsmov" (D VA SmallB SmallC) "rd = lane rb, sign-extended";
    VLaneSW "vsmovw" (D VA SmallB SmallC) "rd = lane rb, sign-extended to 32 bits";
    VAes "vaes" (VD VA VB Imm) "Aes";
    VSha "vsha" (VDBoth VA VB Imm) "Sha";
    VPmull64 "vpmull" (VD VA VB SmallC) "64 by 64 bit polynomial multiply of the low (rc = 0) or high (1) halves";

    // Floating point. Single results go to the low lane and clear the rest of the register.
    FAddS "fadds" (VD VA VB FpState) "Single add";
    FAddD "faddd" (VD VA VB FpState) "Double add";
    FSubS "fsubs" (VD VA VB FpState) "Single subtract";
    FSubD "fsubd" (VD VA VB FpState) "Double subtract";
    FMulS "fmuls" (VD VA VB FpState) "Single multiply";
    FMulD "fmuld" (VD VA VB FpState) "Double multiply";
    FDivS "fdivs" (VD VA VB FpState) "Single divide";
    FDivD "fdivd" (VD VA VB FpState) "Double divide";
    FBin "fbin" (VDBoth VA VB SmallC Imm FpState) "FpBin over the lanes rc";
    FUn "fun" (VD VA SmallC Imm FpState) "FpUn over the lanes rc";
    FPair "fpair" (VD VA VB SmallC Imm FpState) "FpBin on neighbouring lanes of ra then rb; on the two lowest of ra if scalar";
    FAcross "facross" (VD VA SmallC Imm FpState) "FpBin folded over all lanes, pairwise";
    FMulAdd "fmuladd" (VD VA VB VC Imm FpState) "rd = (±ra) * rb + (±rc): imm has the format, 4 negates ra, 8 negates rc";
    FCompare "fcmp" (VA VB SmallC Imm FpState FlagsWrite) "Flags of comparing low halves, rc is the format; imm is 1 when quiet NaNs signal too";
    FCompareCond "fccmp" (VA VB SmallC Imm FpState FlagsRead FlagsWrite) "FCompare if the condition (low half of imm) holds, else flags = bits 16 to 19; bit 20: signalling";
    FConvert "fcvt" (VD VA SmallB SmallC FpState) "From format rb to format rc";
    FConvertLong "fcvtl" (VD VA SmallC FpState) "Each lane of half of ra to the next wider format; rc Lanes of the source, q picks the high half";
    FConvertNarrow "fcvtn" (VDBoth VA SmallC Imm FpState) "Each lane to the next narrower format; rc Lanes of the result, q writes the high half; imm is 1 to round to odd";
    FToInt "ftoint" (VD VA SmallB SmallC Imm FpState) "Lanes to integers of the same size: rb is the FpRounding, imm bit 0 unsigned, the rest fraction bits";
    IntToF "inttof" (VD VA SmallC Imm FpState) "Integer lanes to floats of the same size: imm bit 0 unsigned, the rest fraction bits";
    FToX "ftox" (D VA SmallB SmallC Imm FpState) "Scalar of format rc to an integer: rb is the FpRounding; imm bit 0 unsigned, bit 1 for 32 bits, the rest fraction bits";
    XToF "xtof" (VD A SmallC Imm FpState) "Integer to a scalar of format rc; imm as in FToX";

    // Fused pairs (see `Uop::FUSED`): a comparison and the conditional branch after it.
    SubSCondIn "subs+cond.in" (D A B Imm FlagsWrite Branch) "Flags of ra - rb, then CondIn; its truth table is in the top 16 bits of imm";
    SubSWCondIn "subsw+cond.in" (D A B Imm FlagsWrite Branch) "32-bit SubSCondIn";
    SubSICondIn "subsi+cond.in" (D A SmallB Imm FlagsWrite Branch) "rd = ra - the small number rb, then CondIn";
    SubSIWCondIn "subsiw+cond.in" (D A SmallB Imm FlagsWrite Branch) "32-bit SubSICondIn";
}

/// Read-modify-write operations of [`Op::Amo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AmoOp {
    /// Sum.
    Add,
    /// `memory & !operand`.
    Clear,
    /// Exclusive or.
    Xor,
    /// Or.
    Set,
    /// Signed maximum.
    Smax,
    /// Signed minimum.
    Smin,
    /// Unsigned maximum.
    Umax,
    /// Unsigned minimum.
    Umin,
    /// The operand.
    Swap,
}

impl AmoOp {
    /// The operation with this number, as the `opc` field of LSE instructions counts them.
    pub const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            0 => AmoOp::Add,
            1 => AmoOp::Clear,
            2 => AmoOp::Xor,
            3 => AmoOp::Set,
            4 => AmoOp::Smax,
            5 => AmoOp::Smin,
            6 => AmoOp::Umax,
            7 => AmoOp::Umin,
            8 => AmoOp::Swap,
            _ => return None,
        })
    }
}
