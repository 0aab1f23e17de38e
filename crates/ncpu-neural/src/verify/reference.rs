//! The operations as the textbook has them, written independently of the compositions: a bit after the
//! other, on any algebra of truth values. On plain truth values they are compared with Rust's operators
//! ([`super::exhaustive`]), and on decision diagrams the compositions are compared with them.

/// An algebra of truth values.
pub(super) trait Logic {
    /// A truth value.
    type Bit: Clone;

    /// A constant.
    fn value(&self, value: bool) -> Self::Bit;
    /// Both.
    fn and(&self, a: &Self::Bit, b: &Self::Bit) -> Self::Bit;
    /// Any.
    fn or(&self, a: &Self::Bit, b: &Self::Bit) -> Self::Bit;
    /// Exactly one.
    fn xor(&self, a: &Self::Bit, b: &Self::Bit) -> Self::Bit;
    /// The complement.
    fn not(&self, a: &Self::Bit) -> Self::Bit;

    /// The second if the first, else the third.
    fn choose(&self, which: &Self::Bit, yes: &Self::Bit, no: &Self::Bit) -> Self::Bit {
        self.or(&self.and(which, yes), &self.and(&self.not(which), no))
    }
}

/// Plain truth values.
pub(super) struct Plain;

impl Logic for Plain {
    type Bit = bool;

    fn value(&self, value: bool) -> bool {
        value
    }
    fn and(&self, a: &bool, b: &bool) -> bool {
        *a && *b
    }
    fn or(&self, a: &bool, b: &bool) -> bool {
        *a || *b
    }
    fn xor(&self, a: &bool, b: &bool) -> bool {
        a != b
    }
    fn not(&self, a: &bool) -> bool {
        !a
    }
}

/// A number: its bits, the lowest first.
type Number<L> = Vec<<L as Logic>::Bit>;

/// The sum of equally long numbers and a carry, and the carry out: long addition.
pub(super) fn add<L: Logic>(
    l: &L,
    a: &[L::Bit],
    b: &[L::Bit],
    carry: &L::Bit,
) -> (Number<L>, L::Bit) {
    let mut carry = carry.clone();
    let mut sum = Vec::new();
    for (a, b) in a.iter().zip(b) {
        let half = l.xor(a, b);
        sum.push(l.xor(&half, &carry));
        carry = l.or(&l.and(a, b), &l.and(&half, &carry));
    }
    (sum, carry)
}

/// The complement of a number.
pub(super) fn complement<L: Logic>(l: &L, a: &[L::Bit]) -> Number<L> {
    a.iter().map(|bit| l.not(bit)).collect()
}

/// The difference of equally long numbers.
pub(super) fn subtract<L: Logic>(l: &L, a: &[L::Bit], b: &[L::Bit]) -> Number<L> {
    add(l, a, &complement(l, b), &l.value(true)).0
}

/// Whether no bit is set.
pub(super) fn is_zero<L: Logic>(l: &L, a: &[L::Bit]) -> L::Bit {
    a.iter().fold(l.value(true), |zero, bit| l.and(&zero, &l.not(bit)))
}

/// V, C, Z and N of a sum (Arm ARM, shared pseudocode `AddWithCarry`): it overflows when both operands
/// have the same sign and the sum has the other.
pub(super) fn flags<L: Logic>(
    l: &L,
    (a, b): (&[L::Bit], &[L::Bit]),
    (sum, carry): (&[L::Bit], &L::Bit),
) -> Number<L> {
    let top = sum.len() - 1;
    let same = l.not(&l.xor(&a[top], &b[top]));
    let overflow = l.and(&same, &l.xor(&a[top], &sum[top]));
    vec![overflow, carry.clone(), is_zero(l, sum), sum[top].clone()]
}

/// Whether `a` is less than `b`, unsigned: the highest bit that differs decides.
pub(super) fn less<L: Logic>(l: &L, a: &[L::Bit], b: &[L::Bit]) -> L::Bit {
    a.iter().zip(b).fold(l.value(false), |less, (a, b)| l.choose(&l.xor(a, b), b, &less))
}

/// Whether `a` is less than `b`, signed: if the signs differ, the negative one is.
pub(super) fn less_signed<L: Logic>(l: &L, a: &[L::Bit], b: &[L::Bit]) -> L::Bit {
    let top = a.len() - 1;
    l.choose(&l.xor(&a[top], &b[top]), &a[top], &less(l, &a[..top], &b[..top]))
}

/// Whether they are equal.
pub(super) fn equal<L: Logic>(l: &L, a: &[L::Bit], b: &[L::Bit]) -> L::Bit {
    let differing: Number<L> = a.iter().zip(b).map(|(a, b)| l.xor(a, b)).collect();
    is_zero(l, &differing)
}

/// Left by a constant.
pub(super) fn left<L: Logic>(l: &L, a: &[L::Bit], by: usize) -> Number<L> {
    (0..a.len()).map(|i| if i >= by { a[i - by].clone() } else { l.value(false) }).collect()
}

/// Right by a constant; `fill` follows.
pub(super) fn right<L: Logic>(a: &[L::Bit], by: usize, fill: &L::Bit) -> Number<L> {
    (0..a.len()).map(|i| a.get(i + by).unwrap_or(fill).clone()).collect()
}

/// Rotated right by a constant.
pub(super) fn rotated<L: Logic>(a: &[L::Bit], by: usize) -> Number<L> {
    (0..a.len()).map(|i| a[(i + by) % a.len()].clone()).collect()
}

/// A number of so many bits by whether it is each of some constants.
fn encoded<L: Logic>(l: &L, bits: usize, cases: &[(usize, L::Bit)]) -> Number<L> {
    let bit = |i: usize| {
        let cases = cases.iter().filter(|(value, _)| value >> i & 1 == 1);
        cases.fold(l.value(false), |any, (_, case)| l.or(&any, case))
    };
    (0..bits).map(bit).collect()
}

/// Leading zeros, as a number of so many bits: the first one from the top decides.
pub(super) fn leading_zeros<L: Logic>(l: &L, a: &[L::Bit], bits: usize) -> Number<L> {
    let mut none = l.value(true);
    let mut cases = Vec::new();
    for (zeros, bit) in a.iter().rev().enumerate() {
        cases.push((zeros, l.and(&none, bit)));
        none = l.and(&none, &l.not(bit));
    }
    cases.push((a.len(), none));
    encoded(l, bits, &cases)
}

/// Number of ones, as a number of so many bits: after each bit, whether it is each possible number.
pub(super) fn ones<L: Logic>(l: &L, a: &[L::Bit], bits: usize) -> Number<L> {
    let mut exactly = vec![l.value(true)];
    for bit in a {
        let before = exactly.clone();
        exactly.push(l.value(false));
        for (count, now) in exactly.iter_mut().enumerate() {
            let same = before.get(count).map_or(l.value(false), |was| l.and(was, &l.not(bit)));
            let more = match count.checked_sub(1) {
                Some(less) => l.and(&before[less], bit),
                None => l.value(false),
            };
            *now = l.or(&same, &more);
        }
    }
    encoded(l, bits, &exactly.into_iter().enumerate().collect::<Vec<_>>())
}

/// The product with a constant, modulo the length of `a`.
pub(super) fn times<L: Logic>(l: &L, a: &[L::Bit], constant: u128) -> Number<L> {
    let zero = vec![l.value(false); a.len()];
    (0..a.len())
        .filter(|bit| constant >> bit & 1 == 1)
        .fold(zero, |sum, bit| add(l, &sum, &left(l, a, bit), &l.value(false)).0)
}

/// The negative if `sign`, else the number.
pub(super) fn negated_if<L: Logic>(l: &L, a: &[L::Bit], sign: &L::Bit) -> Number<L> {
    let negative = subtract(l, &vec![l.value(false); a.len()], a);
    a.iter().zip(&negative).map(|(positive, negative)| l.choose(sign, negative, positive)).collect()
}

/// Bits that are kept if `condition`, else zero.
pub(super) fn only_if<L: Logic>(l: &L, a: &[L::Bit], condition: &L::Bit) -> Number<L> {
    a.iter().map(|bit| l.and(bit, condition)).collect()
}

/// Quotient and remainder by long division; `b` is not zero.
pub(super) fn divided<L: Logic>(l: &L, a: &[L::Bit], b: &[L::Bit]) -> (Number<L>, Number<L>) {
    // One more bit, so that nothing is lost at the top.
    let b: Number<L> = b.iter().cloned().chain([l.value(false)]).collect();
    let mut remainder = vec![l.value(false); b.len()];
    let mut quotient = vec![l.value(false); a.len()];
    for (i, bit) in a.iter().enumerate().rev() {
        remainder = left(l, &remainder, 1);
        remainder[0] = bit.clone();
        quotient[i] = l.not(&less(l, &remainder, &b));
        let subtrahend = only_if(l, &b, &quotient[i]);
        remainder = subtract(l, &remainder, &subtrahend);
    }
    remainder.truncate(a.len());
    (quotient, remainder)
}
