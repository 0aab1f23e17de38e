//! Text form of micro-ops, for people and traces on the host.

use crate::{Role, Slot, Uop, slot};
use core::fmt;

struct SlotName(Slot);

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n @ 0..=30 => write!(f, "x{n}"),
            slot::SP => f.write_str("sp"),
            slot::ZERO => f.write_str("zero"),
            slot::SINK => f.write_str("sink"),
            slot::NZCV => f.write_str("nzcv"),
            slot::FPCR => f.write_str("fpcr"),
            slot::FPSR => f.write_str("fpsr"),
            slot::TPIDR => f.write_str("tpidr"),
            n @ 38..=41 => write!(f, "t{}", n - slot::TEMP[0]),
            n @ 64.. if n % 2 == 1 => write!(f, "v{}.d1", (n - 64) / 2),
            n @ 64.. => write!(f, "v{}", (n - 64) / 2),
            n => write!(f, "s{n}"),
        }
    }
}

impl fmt::Display for Uop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.name())?;
        let mut separator = " ";
        for role in self.op.roles() {
            match role.field(self) {
                Some(field) => write!(f, "{separator}{}", SlotName(field))?,
                None => match role {
                    Role::Imm => write!(f, "{separator}#{:#x}", self.imm)?,
                    Role::SmallB => write!(f, "{separator}{}", self.rb)?,
                    Role::SmallC => write!(f, "{separator}{}", self.rc)?,
                    _ => continue,
                },
            }
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use crate::{Op, Uop, slot};
    use std::string::ToString;

    #[test]
    fn prints_operands_in_table_order() {
        let add = Uop { rd: 0, ra: slot::SP, imm: 16, ..Uop::new(Op::AddI) };
        assert_eq!(add.to_string(), "addi x0, sp, #0x10");
        let orr = Uop { rd: slot::v(3), ra: slot::v(0), rb: slot::v(31), ..Uop::new(Op::VOr) };
        assert_eq!(orr.to_string(), "vor v3, v0, v31, 0");
    }
}
