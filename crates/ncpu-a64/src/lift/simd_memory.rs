//! Advanced SIMD structure loads and stores (Arm ARM DDI 0487, C4.1, "Advanced SIMD load/store
//! multiple structures" and "single structure"). Post-indexed forms write the base back last: the
//! transfer is the one micro-op that can fault.

use super::{Lifter, or_sp, source, vector};
use ncpu_uop::{Lanes, Op, Uop};

impl Lifter<'_> {
    /// Base write-back by `rm`, or by the number of bytes transferred when that is 31.
    fn advance(&mut self, rn: u32, rm: u32, bytes: u64) -> Option<()> {
        let base = or_sp(rn);
        match rm {
            31 => self.emit_imm(Op::AddI, base, base, bytes),
            _ => self.emit3(Op::Add, base, base, source(rm)),
        }
    }

    pub(crate) fn multiple(
        &mut self,
        op: Op,
        registers: u8,
        interleaved: bool,
        q: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        // Structures of one 64-bit element in 64-bit registers are LD1's and ST1's alone.
        if interleaved && size == 3 && q == 0 {
            return None;
        }
        let rc = Lanes::vector(size as u8, q == 1).0;
        let (rd, ra, rb, imm) = (vector(rt), or_sp(rn), registers, interleaved as u64);
        self.emit(Uop { rd, ra, rb, rc, imm, ..Uop::new(op) })
    }

    pub(crate) fn multiple_post(
        &mut self,
        op: Op,
        registers: u8,
        interleaved: bool,
        q: u32,
        rm: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.multiple(op, registers, interleaved, q, size, rn, rt)?;
        self.advance(rn, rm, (registers as u64) << (3 + q))
    }

    /// One lane of `r` and `o`'s number of registers.
    fn single(
        &mut self,
        op: Op,
        size: u8,
        index: u32,
        [r, o]: [u32; 2],
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        let (rb, rc) = (registers(r, o), Lanes::vector(size, true).0);
        let (rd, ra, imm) = (vector(rt), or_sp(rn), index as u64);
        self.emit(Uop { rd, ra, rb, rc, imm, ..Uop::new(op) })
    }

    pub(crate) fn lane_b(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        o: u32,
        s: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.single(op, 0, q << 3 | s << 2 | size, [r, o], rn, rt)
    }

    pub(crate) fn lane_b_post(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        rm: u32,
        o: u32,
        s: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.lane_b(op, q, r, o, s, size, rn, rt)?;
        self.advance(rn, rm, registers(r, o) as u64)
    }

    pub(crate) fn lane_h(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        o: u32,
        s: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.single(op, 1, q << 2 | s << 1 | size, [r, o], rn, rt)
    }

    pub(crate) fn lane_h_post(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        rm: u32,
        o: u32,
        s: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.lane_h(op, q, r, o, s, size, rn, rt)?;
        self.advance(rn, rm, (registers(r, o) as u64) << 1)
    }

    pub(crate) fn lane_s(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        o: u32,
        s: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.single(op, 2, q << 1 | s, [r, o], rn, rt)
    }

    pub(crate) fn lane_s_post(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        rm: u32,
        o: u32,
        s: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.lane_s(op, q, r, o, s, rn, rt)?;
        self.advance(rn, rm, (registers(r, o) as u64) << 2)
    }

    pub(crate) fn lane_d(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        o: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.single(op, 3, q, [r, o], rn, rt)
    }

    pub(crate) fn lane_d_post(
        &mut self,
        op: Op,
        q: u32,
        r: u32,
        rm: u32,
        o: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.lane_d(op, q, r, o, rn, rt)?;
        self.advance(rn, rm, (registers(r, o) as u64) << 3)
    }

    /// LD1R to LD4R.
    pub(crate) fn replicate(
        &mut self,
        q: u32,
        r: u32,
        o: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        let (rb, rc) = (registers(r, o), Lanes::vector(size as u8, q == 1).0);
        self.emit(Uop { rd: vector(rt), ra: or_sp(rn), rb, rc, ..Uop::new(Op::LdRep) })
    }

    pub(crate) fn replicate_post(
        &mut self,
        q: u32,
        r: u32,
        rm: u32,
        o: u32,
        size: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        self.replicate(q, r, o, size, rn, rt)?;
        self.advance(rn, rm, (registers(r, o) as u64) << size)
    }
}

/// Number of registers of a single structure: bit 21 is the low bit, bit 13 the high bit.
const fn registers(r: u32, o: u32) -> u8 {
    ((o << 1 | r) + 1) as u8
}
