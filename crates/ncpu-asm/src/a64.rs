//! Emits A64 code (Arm ARM DDI 0487, C6.2): the few instructions that the translations need.
//!
//! Operands are register numbers, destination first, as in assembly. A name ends in `w` or `x` for the
//! width of the operation.

/// The zero register.
pub(crate) const ZR: u32 = 31;

/// Conditions of conditional branches and selects (C1.2.4).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cond {
    Eq = 0,
    Lt = 11,
}

/// A place in the code, known or not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(usize);

/// The field of a word that a label's distance goes into.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// `B`, `BL`: 26 bits of words.
    Branch26,
    /// `B.cond`, `CBZ`, `CBNZ`: 19 bits of words.
    Branch19,
    /// `TBZ`, `TBNZ`: 14 bits of words.
    Branch14,
    /// `ADR`: 21 bits of bytes.
    Address,
}

/// Code being written.
#[derive(Debug, Default)]
pub(crate) struct Code {
    words: Vec<u32>,
    labels: Vec<Option<usize>>,
    uses: Vec<(usize, Label, Field)>,
}

/// Instructions of three registers.
macro_rules! three_registers {
    ($($name:ident $word:literal)*) => {
        impl Code {
            $(pub(crate) fn $name(&mut self, d: u32, n: u32, m: u32) {
                self.word($word | m << 16 | n << 5 | d);
            })*
        }
    };
}

three_registers! {
    add_w   0x0b00_0000
    add_x   0x8b00_0000
    sub_w   0x4b00_0000
    and_w   0x0a00_0000
    bic_w   0x0a20_0000
    orr_w   0x2a00_0000
    eor_w   0x4a00_0000
    mul_w   0x1b00_7c00
    sdiv_w  0x1ac0_0c00
    lsl_w   0x1ac0_2000
    lsr_w   0x1ac0_2400
    // d = t, n = base, m = index: `[Xn, Wm, UXTW #2]`, `[Xn, Wm, UXTW #1]`, `[Xn, Xm, LSL #3]`, ...
    ldr_w_indexed  0xb860_5800
    str_w_indexed  0xb820_5800
    ldrh_indexed   0x7860_5800
    strh_indexed   0x7820_5800
    ldr_x_indexed  0xf860_7800
    str_x_indexed  0xf820_7800
    strb_indexed   0x3820_4800
    // `ADD Xd, Xn, Wm, UXTW #1`
    add_x_uxtw1    0x8b20_4400
}

/// Instructions of two registers and an unsigned immediate of 12 bits, in units of `$unit`.
macro_rules! with_immediate {
    ($($name:ident $word:literal $unit:literal)*) => {
        impl Code {
            $(pub(crate) fn $name(&mut self, d: u32, n: u32, imm: u32) {
                debug_assert!(imm.is_multiple_of($unit) && imm / $unit < 4096);
                self.word($word | (imm / $unit) << 10 | n << 5 | d);
            })*
        }
    };
}

with_immediate! {
    add_w_imm 0x1100_0000 1
    add_x_imm 0x9100_0000 1
    sub_w_imm 0x5100_0000 1
    sub_x_imm 0xd100_0000 1
    ldrh      0x7940_0000 2
    ldrb      0x3940_0000 1
    str_w     0xb900_0000 4
    str_x     0xf900_0000 8
}

impl Code {
    fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// A label that is not bound yet.
    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label here.
    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.words.len());
    }

    fn refer(&mut self, word: u32, label: Label, field: Field) {
        self.uses.push((self.words.len(), label, field));
        self.word(word);
    }

    pub(crate) fn b(&mut self, to: Label) {
        self.refer(0x1400_0000, to, Field::Branch26);
    }
    pub(crate) fn bl(&mut self, to: Label) {
        self.refer(0x9400_0000, to, Field::Branch26);
    }
    pub(crate) fn b_cond(&mut self, cond: Cond, to: Label) {
        self.refer(0x5400_0000 | cond as u32, to, Field::Branch19);
    }
    pub(crate) fn cbz_w(&mut self, t: u32, to: Label) {
        self.refer(0x3400_0000 | t, to, Field::Branch19);
    }
    pub(crate) fn cbnz_w(&mut self, t: u32, to: Label) {
        self.refer(0x3500_0000 | t, to, Field::Branch19);
    }
    pub(crate) fn cbz_x(&mut self, t: u32, to: Label) {
        self.refer(0xb400_0000 | t, to, Field::Branch19);
    }
    /// Branches if bit `bit` of Wt is clear; `bit` is below 32.
    pub(crate) fn tbz(&mut self, t: u32, bit: u32, to: Label) {
        self.refer(0x3600_0000 | bit << 19 | t, to, Field::Branch14);
    }
    /// Branches if bit `bit` of Wt is set; `bit` is below 32.
    pub(crate) fn tbnz(&mut self, t: u32, bit: u32, to: Label) {
        self.refer(0x3700_0000 | bit << 19 | t, to, Field::Branch14);
    }
    pub(crate) fn adr(&mut self, d: u32, to: Label) {
        self.refer(0x1000_0000 | d, to, Field::Address);
    }
    pub(crate) fn br(&mut self, n: u32) {
        self.word(0xd61f_0000 | n << 5);
    }
    pub(crate) fn ret(&mut self) {
        self.word(0xd65f_03c0);
    }
    pub(crate) fn svc(&mut self) {
        self.word(0xd400_0001);
    }
    pub(crate) fn mov_w(&mut self, d: u32, m: u32) {
        self.orr_w(d, ZR, m);
    }
    pub(crate) fn mov_x(&mut self, d: u32, m: u32) {
        self.word(0xaa00_03e0 | m << 16 | d);
    }
    pub(crate) fn cmp_w(&mut self, n: u32, m: u32) {
        self.word(0x6b00_001f | m << 16 | n << 5);
    }
    pub(crate) fn csel_w(&mut self, d: u32, n: u32, m: u32, cond: Cond) {
        self.word(0x1a80_0000 | m << 16 | (cond as u32) << 12 | n << 5 | d);
    }
    /// `BIC Wd, Wn, Wm, ASR #31`
    pub(crate) fn bic_sign_w(&mut self, d: u32, n: u32, m: u32) {
        self.word(0x0aa0_7c00 | m << 16 | n << 5 | d);
    }
    /// Shifts left by 0 to 31.
    pub(crate) fn lsl_w_imm(&mut self, d: u32, n: u32, amount: u32) {
        let (immr, imms) = (amount.wrapping_neg() & 31, 31 - amount);
        self.word(0x5300_0000 | immr << 16 | imms << 10 | n << 5 | d);
    }
    /// Shifts right by 0 to 31; zeros come in.
    pub(crate) fn lsr_w_imm(&mut self, d: u32, n: u32, amount: u32) {
        self.word(0x5300_7c00 | amount << 16 | n << 5 | d);
    }
    /// Sets a register to a constant.
    pub(crate) fn set_w(&mut self, d: u32, value: i32) {
        let bits = value as u32;
        if bits >> 16 == 0xffff {
            self.word(0x1280_0000 | (!bits & 0xffff) << 5 | d);
            return;
        }
        self.word(0x5280_0000 | (bits & 0xffff) << 5 | d);
        if bits >> 16 != 0 {
            self.word(0x72a0_0000 | (bits >> 16) << 5 | d);
        }
    }
    /// Sets a register to a constant.
    pub(crate) fn set_x(&mut self, d: u32, value: u64) {
        self.word(0xd280_0000 | (value as u32 & 0xffff) << 5 | d);
        for part in 1..4 {
            let bits = (value >> (16 * part)) as u32 & 0xffff;
            if bits != 0 {
                self.word(0xf280_0000 | part << 21 | bits << 5 | d);
            }
        }
    }
    /// A Linux system call; arguments are in X0 on.
    pub(crate) fn system_call(&mut self, number: u32) {
        self.set_w(8, number as i32);
        self.svc();
    }

    /// The code, with all distances filled in.
    ///
    /// # Panics
    /// When a label was not bound or is too far away: a mistake in the translation.
    pub(crate) fn finish(mut self) -> Vec<u32> {
        for &(at, label, field) in &self.uses {
            let to = self.labels[label.0].expect("a label is bound");
            let distance = to as i64 - at as i64;
            let (value, bits, shift) = match field {
                Field::Branch26 => (distance, 26, 0),
                Field::Branch19 => (distance, 19, 5),
                Field::Branch14 => (distance, 14, 5),
                Field::Address => (distance, 19, 5),
            };
            let half = 1 << (bits - 1);
            assert!((-half..half).contains(&value), "a label is out of reach");
            self.words[at] |= (value as u32 & ((1 << bits) - 1)) << shift;
        }
        self.words
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Cond};
    use yaxpeax_arch::{Decoder, U8Reader};
    use yaxpeax_arm::armv8::a64::InstDecoder;

    /// The one instruction that `emit` emits, in text.
    fn text(emit: impl FnOnce(&mut Code)) -> String {
        let mut code = Code::default();
        emit(&mut code);
        let words = code.finish();
        let show = |word: &u32| {
            let word = word.to_le_bytes();
            InstDecoder::default().decode(&mut U8Reader::new(&word)).unwrap().to_string()
        };
        words.iter().map(show).collect::<Vec<_>>().join("; ")
    }

    /// A branch over one instruction, so that it goes 8 bytes on.
    fn branch(emit: impl FnOnce(&mut Code, super::Label)) -> String {
        let text = text(|code| {
            let label = code.label();
            emit(code, label);
            code.ret();
            code.bind(label);
        });
        text.strip_suffix("; ret").unwrap().to_owned()
    }

    /// The names of the methods, and what a disassembler makes of the words.
    #[test]
    fn words_are_what_their_names_say() {
        for (emitted, expected) in [
            (text(|c| c.add_w(1, 2, 3)), "add w1, w2, w3"),
            (text(|c| c.add_x(1, 2, 3)), "add x1, x2, x3"),
            (text(|c| c.sub_w(1, 2, 3)), "sub w1, w2, w3"),
            (text(|c| c.and_w(1, 2, 3)), "and w1, w2, w3"),
            (text(|c| c.bic_w(1, 2, 3)), "bic w1, w2, w3"),
            (text(|c| c.orr_w(1, 2, 3)), "orr w1, w2, w3"),
            (text(|c| c.eor_w(1, 2, 3)), "eor w1, w2, w3"),
            (text(|c| c.mul_w(1, 2, 3)), "mul w1, w2, w3"),
            (text(|c| c.sdiv_w(1, 2, 3)), "sdiv w1, w2, w3"),
            (text(|c| c.lsl_w(1, 2, 3)), "lsl w1, w2, w3"),
            (text(|c| c.lsr_w(1, 2, 3)), "lsr w1, w2, w3"),
            (text(|c| c.ldr_w_indexed(1, 2, 3)), "ldr w1, [x2, w3, uxtw #2]"),
            (text(|c| c.str_w_indexed(1, 2, 3)), "str w1, [x2, w3, uxtw #2]"),
            (text(|c| c.ldrh_indexed(1, 2, 3)), "ldrh w1, [x2, w3, uxtw #1]"),
            (text(|c| c.strh_indexed(1, 2, 3)), "strh w1, [x2, w3, uxtw #1]"),
            (text(|c| c.ldr_x_indexed(1, 2, 3)), "ldr x1, [x2, x3, lsl #3]"),
            (text(|c| c.str_x_indexed(1, 2, 3)), "str x1, [x2, x3, lsl #3]"),
            (text(|c| c.strb_indexed(1, 2, 3)), "strb w1, [x2, w3, uxtw]"),
            // The disassembler has another name for UXTW, with a W register.
            (text(|c| c.add_x_uxtw1(1, 2, 3)), "add x1, x2, w3, lsl #1"),
            (text(|c| c.add_w_imm(1, 2, 3)), "add w1, w2, #0x3"),
            (text(|c| c.add_x_imm(1, 2, 4095)), "add x1, x2, #0xfff"),
            (text(|c| c.sub_w_imm(1, 2, 3)), "sub w1, w2, #0x3"),
            (text(|c| c.sub_x_imm(1, 2, 3)), "sub x1, x2, #0x3"),
            (text(|c| c.ldrh(1, 2, 4)), "ldrh w1, [x2, #0x4]"),
            (text(|c| c.ldrb(1, 2, 3)), "ldrb w1, [x2, #0x3]"),
            (text(|c| c.str_w(1, 2, 60)), "str w1, [x2, #0x3c]"),
            (text(|c| c.str_x(1, 2, 8)), "str x1, [x2, #0x8]"),
            (text(|c| c.br(3)), "br x3"),
            (text(Code::ret), "ret"),
            (text(Code::svc), "svc #0x0"),
            (text(|c| c.mov_w(1, 2)), "mov w1, w2"),
            (text(|c| c.mov_x(1, 2)), "mov x1, x2"),
            (text(|c| c.cmp_w(1, 2)), "cmp w1, w2"),
            (text(|c| c.csel_w(1, 2, 3, Cond::Lt)), "csel w1, w2, w3, lt"),
            (text(|c| c.bic_sign_w(1, 2, 3)), "bic w1, w2, w3, asr #31"),
            (text(|c| c.lsl_w_imm(1, 2, 31)), "lsl w1, w2, #0x1f"),
            (text(|c| c.lsl_w_imm(1, 2, 3)), "lsl w1, w2, #0x3"),
            (text(|c| c.lsr_w_imm(1, 2, 31)), "lsr w1, w2, #0x1f"),
            (text(|c| c.set_w(1, -2)), "mov w1, #0xfffffffe"),
            (text(|c| c.set_w(1, 0x20003)), "mov w1, #0x3; movk w1, #0x2, lsl #16"),
            (
                text(|c| c.set_x(1, 0x1_0000_0002_0000)),
                "mov x1, #0x0; movk x1, #0x2, lsl #16; movk x1, #0x1, lsl #48",
            ),
            (branch(Code::b), "b $+0x8"),
            (branch(Code::bl), "bl $+0x8"),
            (branch(|c, to| c.b_cond(Cond::Eq, to)), "b.eq $+0x8"),
            (branch(|c, to| c.cbz_w(1, to)), "cbz w1, $+0x8"),
            (branch(|c, to| c.cbnz_w(1, to)), "cbnz w1, $+0x8"),
            (branch(|c, to| c.cbz_x(1, to)), "cbz x1, $+0x8"),
            (branch(|c, to| c.tbz(1, 31, to)), "tbz w1, #0x1f, $+0x8"),
            (branch(|c, to| c.tbnz(1, 15, to)), "tbnz w1, #0xf, $+0x8"),
            (branch(|c, to| c.adr(1, to)), "adr x1, $+0x8"),
        ] {
            assert_eq!(emitted, expected);
        }
    }

    #[test]
    fn branches_go_back_too() {
        let emitted = text(|code| {
            let start = code.label();
            code.bind(start);
            code.ret();
            code.b(start);
        });
        assert_eq!(emitted, "ret; b $-0x4");
    }
}
