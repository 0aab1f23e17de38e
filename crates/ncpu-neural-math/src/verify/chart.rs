//! Errors over the range, as an SVG.
//!
//! A panel for each function; in each, the largest error of a thousand numbers a column, spread evenly
//! over the bit patterns from one end of the axis to the other, so that the axis is nearly logarithmic.
//! It is a picture: what is claimed is checked on every input.

use super::reference::{exact, units};
use crate::{Function, Networks};
use std::fmt::Write;

/// Columns of a panel.
const COLUMNS: u32 = 360;
/// Numbers evaluated for a column.
const NUMBERS: u32 = 1000;
/// Height of a panel, for errors up to [`TOP`].
const HEIGHT: f64 = 140.0;
/// Units of the last place.
const TOP: f64 = 0.8;
/// Space around panels.
const SPACE: f64 = 44.0;

/// An axis: from one positive number to another, with labels at some.
struct Axis {
    function: Function,
    title: &'static str,
    ends: [f32; 2],
    labels: &'static [(f32, &'static str)],
    /// The argument for a number of the axis: (y, x) for `atan2`.
    at: fn(f32) -> (f32, f32),
}

const TURNS: &[(f32, &str)] =
    &[(1e-4, "1e-4"), (1.0, "1"), (1e8, "1e8"), (1e16, "1e16"), (1e24, "1e24"), (1e32, "1e32")];

const AXES: [Axis; 6] = [
    Axis {
        function: Function::Sin,
        title: "sin x",
        ends: [1e-5, f32::MAX],
        labels: TURNS,
        at: |x| (x, 0.0),
    },
    Axis {
        function: Function::Cos,
        title: "cos x",
        ends: [1e-5, f32::MAX],
        labels: TURNS,
        at: |x| (x, 0.0),
    },
    Axis {
        function: Function::Sqrt,
        title: "sqrt x",
        ends: [0.25, 16.0],
        labels: &[(0.25, "1/4"), (1.0, "1"), (4.0, "4"), (16.0, "16")],
        at: |x| (x, 0.0),
    },
    Axis {
        function: Function::Exp,
        title: "exp x",
        ends: [1e-4, 88.7],
        labels: &[(1e-4, "1e-4"), (0.01, "0.01"), (1.0, "1"), (88.7, "88.7")],
        at: |x| (x, 0.0),
    },
    Axis {
        function: Function::Log,
        title: "log x",
        ends: [0.125, 8.0],
        labels: &[(0.125, "1/8"), (0.5, "1/2"), (1.0, "1"), (2.0, "2"), (8.0, "8")],
        at: |x| (x, 0.0),
    },
    Axis {
        function: Function::Atan2,
        title: "atan2(y, 1)",
        ends: [1e-3, 1e3],
        labels: &[(1e-3, "1e-3"), (0.1, "0.1"), (1.0, "1"), (10.0, "10"), (1e3, "1e3")],
        at: |y| (y, 1.0),
    },
];

/// The largest error of some numbers of a column.
fn largest(networks: &Networks, axis: &Axis, column: u32) -> f64 {
    let [low, high] = axis.ends.map(|end| u64::from(end.to_bits()));
    let count = u64::from(COLUMNS * NUMBERS);
    let numbers = u64::from(column * NUMBERS)..u64::from((column + 1) * NUMBERS);
    numbers.fold(0.0, |most, number| {
        let bits = low + (high - low) * number / (count - 1);
        let (y, x) = (axis.at)(f32::from_bits(bits as u32));
        units(networks.evaluate(axis.function, y, x), exact(axis.function, y.into(), x.into()))
            .max(most)
    })
}

/// Draws all functions.
pub fn chart(networks: &Networks) -> String {
    let width = f64::from(COLUMNS);
    let size = (2.0 * width + 3.0 * SPACE, 3.0 * HEIGHT + 4.0 * SPACE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
        size.0, size.1
    );
    let down = |error: f64| (1.0 - error.min(TOP) / TOP) * HEIGHT;
    for (panel, axis) in AXES.iter().enumerate() {
        let left = SPACE + (panel % 2) as f64 * (width + SPACE);
        let top = SPACE + (panel / 2) as f64 * (HEIGHT + SPACE);
        let bound = axis.function.bound();
        _ = writeln!(
            svg,
            "<g transform=\"translate({left} {top})\"><text y=\"-10\">{}: error in units of the last \
             place, bound {bound}</text>\n\
             <path d=\"M0 0V{HEIGHT}H{width}\" fill=\"none\" stroke=\"black\"/>\n\
             <path d=\"M0 {:.1}H{width}\" stroke=\"#c03020\"/>\n\
             <path d=\"M0 {:.1}H{width}\" stroke=\"silver\"/>",
            axis.title,
            down(bound),
            down(0.5)
        );
        for tick in [0.0, 0.5] {
            _ = writeln!(
                svg,
                "<text x=\"-4\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                down(tick) + 4.0
            );
        }
        let [low, high] = axis.ends.map(|end| f64::from(end.to_bits()));
        for (at, label) in axis.labels {
            _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                (f64::from(at.to_bits()) - low) / (high - low) * width,
                HEIGHT + 15.0
            );
        }
        let mut path = String::new();
        for column in 0..COLUMNS {
            let letter = if column == 0 { 'M' } else { 'L' };
            _ = write!(path, "{letter}{column} {:.1}", down(largest(networks, axis, column)));
        }
        _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#3060a0\" stroke-width=\"0.8\"/></g>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}
