//! Exception generation, hints, barriers, cache maintenance and system registers (Arm ARM DDI 0487,
//! C4.1.65, C5). What Linux does not leave to EL0 has no row and traps.

use super::{Lifter, dest, source};
use crate::features;
use ncpu_uop::{Op, Slot, Uop, slot};

/// FPCR's AHP, DN, FZ, RMode, FZ16, and the AArch32 fields Stride and Len, which hold their value;
/// the trap enables read as zero (C5.2.8).
const FPCR_WRITABLE: u64 = 0x07ff_0000;
/// FPSR's QC and cumulative flags, and the AArch32 condition flags (C5.2.10).
const FPSR_WRITABLE: u64 = 0xf800_009f;

impl Lifter<'_> {
    pub(crate) fn svc(&mut self, imm16: u32) -> Option<()> {
        self.emit(Uop { imm: imm16 as u64, ..Uop::new(Op::Svc) })
    }

    pub(crate) fn brk(&mut self, imm16: u32) -> Option<()> {
        self.emit(Uop { imm: imm16 as u64, ..Uop::new(Op::Brk) })
    }

    pub(crate) fn nop(&mut self) -> Option<()> {
        self.emit(Uop::new(Op::Nop))
    }

    pub(crate) fn clrex(&mut self) -> Option<()> {
        self.emit(Uop::new(Op::ClearExclusive))
    }

    pub(crate) fn cfinv(&mut self) -> Option<()> {
        self.emit(Uop::new(Op::Cfinv))
    }

    pub(crate) fn dc_zva(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { ra: source(rt), ..Uop::new(Op::ZeroBlock) })
    }

    /// Memory is always coherent, but an address that cannot be read faults (D7.5.9.10).
    pub(crate) fn dc_clean(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { ra: source(rt), imm: 1, ..Uop::new(Op::Touch) })
    }

    pub(crate) fn ic_ivau(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { ra: source(rt), ..Uop::new(Op::DropCode) })
    }

    fn read_constant(&mut self, rt: u32, value: u64) -> Option<()> {
        self.emit(Uop { rd: dest(rt), imm: value, ..Uop::new(Op::MovI) })
    }

    fn read_slot(&mut self, rt: u32, from: Slot) -> Option<()> {
        self.emit(Uop { rd: dest(rt), ra: from, ..Uop::new(Op::Mov) })
    }

    pub(crate) fn mrs_id(&mut self, crm: u32, op2: u32, rt: u32) -> Option<()> {
        self.read_constant(rt, features::id_register(crm, op2)?)
    }

    pub(crate) fn mrs_ctr(&mut self, rt: u32) -> Option<()> {
        self.read_constant(rt, features::CTR_EL0)
    }

    pub(crate) fn mrs_dczid(&mut self, rt: u32) -> Option<()> {
        self.read_constant(rt, features::DCZID_EL0)
    }

    pub(crate) fn mrs_nzcv(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { rd: dest(rt), ..Uop::new(Op::ReadNzcv) })
    }

    pub(crate) fn msr_nzcv(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { ra: source(rt), ..Uop::new(Op::WriteNzcv) })
    }

    pub(crate) fn mrs_fpcr(&mut self, rt: u32) -> Option<()> {
        self.read_slot(rt, slot::FPCR)
    }

    pub(crate) fn msr_fpcr(&mut self, rt: u32) -> Option<()> {
        self.emit_imm(Op::AndI, slot::FPCR, source(rt), FPCR_WRITABLE)
    }

    pub(crate) fn mrs_fpsr(&mut self, rt: u32) -> Option<()> {
        self.read_slot(rt, slot::FPSR)
    }

    pub(crate) fn msr_fpsr(&mut self, rt: u32) -> Option<()> {
        self.emit_imm(Op::AndI, slot::FPSR, source(rt), FPSR_WRITABLE)
    }

    pub(crate) fn mrs_tpidr(&mut self, rt: u32) -> Option<()> {
        self.read_slot(rt, slot::TPIDR)
    }

    pub(crate) fn msr_tpidr(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { rd: slot::TPIDR, ra: source(rt), ..Uop::new(Op::Mov) })
    }

    /// Linux keeps TPIDRRO_EL0 at zero for 64-bit programs.
    pub(crate) fn mrs_tpidrro(&mut self, rt: u32) -> Option<()> {
        self.read_constant(rt, 0)
    }

    pub(crate) fn mrs_cntfrq(&mut self, rt: u32) -> Option<()> {
        self.read_constant(rt, features::CNTFRQ_EL0)
    }

    pub(crate) fn mrs_cntvct(&mut self, rt: u32) -> Option<()> {
        self.emit(Uop { rd: dest(rt), ..Uop::new(Op::ReadCounter) })
    }
}
