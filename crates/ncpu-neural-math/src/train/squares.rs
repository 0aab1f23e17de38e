//! Damped linear least squares by Householder's reflections.

/// Minimises `sum_i w_i (r_i + J_i x)^2 + damping sum_j (s_j x_j)^2`, where `s_j` is the length of the
/// weighted column `j` of the Jacobian: the step of Levenberg and Marquardt.
///
/// `jacobian` has a row of `size` for each residual. A column of zeros gives a zero of `x`.
pub(super) fn step(
    size: usize,
    jacobian: &[f64],
    residuals: &[f64],
    weights: &[f64],
    damping: f64,
) -> Vec<f64> {
    let rows = residuals.len() + size;
    let roots: Vec<f64> = weights.iter().map(|weight| weight.sqrt()).collect();
    // Columns, each of the length one, with the damping below; then the right side.
    let mut lengths = Vec::with_capacity(size);
    let mut columns: Vec<Vec<f64>> = (0..size)
        .map(|j| {
            let mut column: Vec<f64> =
                jacobian.chunks(size).zip(&roots).map(|(row, root)| row[j] * root).collect();
            let length = dot(&column, &column).sqrt();
            if length > 0.0 {
                column.iter_mut().for_each(|value| *value /= length);
            }
            lengths.push(length);
            column.resize(rows, 0.0);
            column[residuals.len() + j] = if length > 0.0 { damping.sqrt() } else { 1.0 };
            column
        })
        .collect();
    let mut right: Vec<f64> = residuals.iter().zip(&roots).map(|(r, root)| -r * root).collect();
    right.resize(rows, 0.0);
    for j in 0..size {
        let (head, rest) = columns[j..].split_first_mut().expect("j is a column");
        let norm = dot(&head[j..], &head[j..]).sqrt();
        let diagonal = if head[j] > 0.0 { -norm } else { norm };
        head[j] -= diagonal;
        // The reflection is 1 - v v^T / half.
        let half = -diagonal * head[j];
        if half > 0.0 {
            for other in rest.iter_mut().chain([&mut right]) {
                let by = dot(&head[j..], &other[j..]) / half;
                for (value, part) in other[j..].iter_mut().zip(&head[j..]) {
                    *value -= by * part;
                }
            }
        }
        head[j] = diagonal;
    }
    let mut x = vec![0.0; size];
    for i in (0..size).rev() {
        let known: f64 = (i + 1..size).map(|k| columns[k][i] * x[k]).sum();
        x[i] = if columns[i][i] == 0.0 { 0.0 } else { (right[i] - known) / columns[i][i] };
    }
    x.iter().zip(&lengths).map(|(x, length)| if *length > 0.0 { x / length } else { 0.0 }).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums, so that additions need not wait for each other.
    let mut sums = [0.0; 4];
    let (a, a_rest) = a.as_chunks::<4>();
    let (b, b_rest) = b.as_chunks::<4>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..4 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::step;

    /// A line through (0, 1), (1, 3), (2, 5) and a fourth point that does not count, from zero.
    #[test]
    fn without_damping_it_is_least_squares() {
        let jacobian = [0.0, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0, 1.0];
        let residuals = [-1.0, -3.0, -5.0, 100.0];
        let x = step(2, &jacobian, &residuals, &[1.0, 2.0, 1.0, 0.0], 0.0);
        assert!((x[0] - 2.0).abs() < 1e-14 && (x[1] - 1.0).abs() < 1e-14, "{x:?}");
    }

    /// One column of length 2: x = -J r / (4 + damping 4).
    #[test]
    fn damping_shortens_the_step() {
        let x = step(2, &[2.0, 0.0], &[-8.0], &[1.0], 1.0);
        assert!((x[0] - 2.0).abs() < 1e-14, "{x:?}");
        assert_eq!(x[1], 0.0);
    }
}
