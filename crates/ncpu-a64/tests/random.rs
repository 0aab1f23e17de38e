//! Lifting any word at all: no panic, and micro-ops that keep the rules of the register file.

use ncpu_a64::{Lifted, ROWS, Row, lift};
use ncpu_uop::{Op, Role, Uop, slot};

/// xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
struct Random(u64);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

/// Uniform words, then words of each row in turn, with a lean to registers 30 and 31.
fn words(count: usize) -> impl Iterator<Item = u32> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..count).map(move |n| {
        let mut word = random.word();
        if n % 2 == 0 {
            return word;
        }
        let row = &ROWS[n / 2 % ROWS.len()];
        let lean = random.word();
        for field in row.fields.iter().filter(|field| field.width == 5) {
            if lean >> field.shift & 3 == 0 {
                word |= 30 << field.shift;
            }
        }
        word & !row.mask | row.value
    })
}

/// Neighbouring slots: the first one and how many.
type Span = Option<(u8, u8)>;

/// The slots that a role makes the micro-op read and write.
fn slots(role: Role, uop: &Uop) -> (Span, Span) {
    use Role::*;
    let field = role.field(uop);
    let (one, two) = (field.map(|slot| (slot, 1)), field.map(|slot| (slot, 2)));
    match role {
        D | BWrite | CWrite => (None, one),
        DRead | A | B | C => (one, None),
        DBoth | ABoth | CBoth => (one, one),
        VD | VCWrite => (None, two),
        VDRead | VA | VB | VC => (two, None),
        VDBoth => (two, two),
        _ => (None, None),
    }
}

fn is_temporary(slot: u8) -> bool {
    slot::TEMP.contains(&slot)
}

fn check(word: u32, uops: &[Uop]) {
    let place = || format!("{word:08x} ({}): {}", Row::of(word).map_or("-", |r| r.name), uops[0]);
    assert!((1..=8).contains(&uops.len()), "{}", place());
    assert_eq!(uops[0].at, Uop::FIRST, "{}", place());
    assert!(uops[1..].iter().all(|uop| uop.at == 0), "{}", place());

    let mut written: Vec<u8> = Vec::new();
    let mut changed = false;
    for uop in uops {
        let roles = uop.op.roles();
        let accesses = roles.iter().any(|r| matches!(r, Role::Load | Role::Store));
        assert!(!(accesses && changed), "effects before a possible fault: {}", place());
        for &role in roles {
            let (reads, writes) = slots(role, uop);
            if let Some((first, count)) = reads {
                assert!(first != slot::SINK, "reads the sink: {}", place());
                for slot in first..first + count {
                    assert!((slot as usize) < slot::COUNT, "{}", place());
                    let known = !is_temporary(slot) || written.contains(&slot);
                    assert!(known, "reads a temporary before writing it: {}", place());
                }
            }
            if let Some((first, count)) = writes {
                assert!(first != slot::ZERO, "writes the zero register: {}", place());
                assert!(((first + count - 1) as usize) < slot::COUNT, "{}", place());
                changed |= !is_temporary(first) && first != slot::SINK;
            }
            let vector = matches!(
                role,
                Role::VD
                    | Role::VDRead
                    | Role::VDBoth
                    | Role::VA
                    | Role::VB
                    | Role::VC
                    | Role::VCWrite
            );
            if vector && let Some(slot) = role.field(uop) {
                // A comparison of scalars with zero names the zero register; the low half counts.
                let zero = slot == slot::ZERO && uop.op == Op::FCompare;
                let whole = slot % 2 == 0 && (slot >= 64 || is_temporary(slot));
                assert!(whole || zero, "{}", place());
            }
            changed |= role == Role::FlagsWrite;
        }
        for &role in roles {
            if let (_, Some((first, count))) = slots(role, uop) {
                written.extend(first..first + count);
            }
        }
    }
}

#[test]
fn four_million_words_keep_the_rules() {
    let mut lifted = Lifted::new();
    for word in words(4_000_000) {
        lift(word, 0xffff_ffff_ffff_f000, &mut lifted);
        check(word, lifted.uops());
    }
}

#[test]
fn every_row_is_reachable() {
    let mut lifted = Lifted::new();
    let mut random = Random(0x1234_5678_9abc_def1);
    for row in ROWS {
        let reached = (0..10_000).any(|_| {
            let word = random.word() & !row.mask | row.value;
            lift(word, 0, &mut lifted);
            lifted.uops()[0].op != Op::Undefined && Row::of(word).map(|r| r.name) == Some(row.name)
        });
        assert!(reached, "no word of row {} is allocated", row.name);
    }
}

#[test]
fn row_names_are_unique() {
    let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    names.sort_unstable();
    assert_eq!(names.windows(2).find(|pair| pair[0] == pair[1]), None);
}
