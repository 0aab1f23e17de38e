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
                debug_assert!(imm % $unit == 0 && imm / $unit < 4096);
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
