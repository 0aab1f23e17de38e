//! From real weights to integers.

/// Largest weight that is tried.
const LARGEST: i32 = 1024;

/// Integer weights, and a bias in halves, with which a neuron decides as `targets` says on rows of its
/// sources: the real weights in the smallest of proportions that do, thinned out. The bias is in the middle
/// of the gap. `None` says that there are none.
pub(super) fn round(real: &[f32], rows: &[Vec<bool>], targets: &[bool]) -> Option<(Vec<i16>, i16)> {
    let largest = real.iter().fold(0f32, |most, weight| most.max(weight.abs()));
    let scaled = |size: i32| -> Vec<i32> {
        let factor = if largest > 0.0 { size as f32 / largest } else { 0.0 };
        real.iter().map(|weight| (weight * factor).round() as i32).collect()
    };
    let mut weights =
        (0..=LARGEST).map(scaled).find(|weights| bias(weights, rows, targets).is_some())?;
    thin(&mut weights, rows, targets);
    let bias = bias(&weights, rows, targets)?;
    Some((weights.iter().map(|&weight| weight as i16).collect(), bias))
}

/// The bias, in halves, in the middle between the largest sum that must not fire and the smallest that
/// must; `None` if these are the wrong way round.
fn bias(weights: &[i32], rows: &[Vec<bool>], targets: &[bool]) -> Option<i16> {
    let mut quiet = None;
    let mut firing = None;
    for (row, &target) in rows.iter().zip(targets) {
        let terms = row.iter().zip(weights).filter(|(set, _)| **set);
        let sum: i32 = terms.map(|(_, weight)| weight).sum();
        if target {
            firing = Some(firing.map_or(sum, |least: i32| least.min(sum)));
        } else {
            quiet = Some(quiet.map_or(sum, |most: i32| most.max(sum)));
        }
    }
    let (quiet, firing) = match (quiet, firing) {
        (Some(quiet), Some(firing)) => (quiet, firing),
        (Some(quiet), None) => (quiet, quiet + 1),
        (None, Some(firing)) => (firing - 1, firing),
        (None, None) => return None,
    };
    let sum = quiet + firing;
    (quiet < firing).then_some((if sum % 2 == 0 { 1 - sum } else { -sum }) as i16)
}

/// Makes weights simpler where the decisions stay: none, or with fewer binary digits, which are the
/// additions that an evaluation takes.
fn thin(weights: &mut [i32], rows: &[Vec<bool>], targets: &[bool]) {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| weights[i].abs());
    for i in order {
        let weight = weights[i];
        let digits = |value: i32| value.unsigned_abs().count_ones();
        let reach = weight.abs() / 2;
        let mut simpler: Vec<i32> = (weight - reach..=weight + reach).chain([0]).collect();
        simpler.retain(|&value| digits(value) < digits(weight));
        simpler.sort_by_key(|&value| (digits(value), (value - weight).abs(), value));
        for value in simpler {
            weights[i] = value;
            if bias(weights, rows, targets).is_some() {
                break;
            }
            weights[i] = weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::round;

    fn rows(inputs: usize) -> Vec<Vec<bool>> {
        (0..1 << inputs).map(|row| (0..inputs).map(|i| row >> i & 1 == 1).collect()).collect()
    }

    #[test]
    fn a_conjunction_has_weights_of_one_and_a_bias_of_three_halves() {
        let targets = [false, false, false, true];
        assert_eq!(round(&[0.81, 0.79], &rows(2), &targets), Some((vec![1, 1], -3)));
    }

    #[test]
    fn what_no_neuron_can_decide_has_no_weights() {
        let targets = [false, true, true, false];
        assert_eq!(round(&[0.81, 0.79], &rows(2), &targets), None);
    }
}
