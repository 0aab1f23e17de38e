//! Loss and margin over the steps.

use std::fmt::Write;

/// A step, the loss, and the margin.
type Point = (u32, f32, f32);

/// A chart's panel: its title, what it shows, and between which values.
type Panel = (&'static str, fn(&Point) -> f32, f32, f32);

/// The way of one cell.
pub struct Curve {
    cell: &'static str,
    points: Vec<Point>,
}

impl Curve {
    pub(super) fn new(cell: &'static str) -> Curve {
        Curve { cell, points: Vec::new() }
    }

    pub(super) fn push(&mut self, step: u32, loss: f32, margin: f32) {
        self.points.push((step, loss, margin));
    }

    /// The last step.
    pub(super) fn steps(&self) -> u32 {
        self.points.last().map_or(0, |&(step, ..)| step)
    }
}

/// All curves as comma-separated values: cell, step, loss, and the smallest of all outputs' sums, each
/// by the sign that it should have.
pub fn table(curves: &[Curve]) -> String {
    let mut text = "cell,step,loss,margin\n".to_owned();
    for Curve { cell, points } in curves {
        for (step, loss, margin) in points {
            _ = writeln!(text, "{cell},{step},{loss:.6},{margin:.6}");
        }
    }
    text
}

/// Width and height of a chart's panel.
const PANEL: (f32, f32) = (360.0, 220.0);
/// Space around panels.
const SPACE: f32 = 40.0;

/// Loss and margin over the steps as an SVG: a panel for each, a line for each cell, the largest cell in
/// another colour.
pub fn chart(curves: &[Curve]) -> String {
    let steps = curves.iter().map(Curve::steps).max().unwrap_or(0).max(1) as f32;
    let (width, height) = (2.0 * PANEL.0 + 3.0 * SPACE, PANEL.1 + 2.0 * SPACE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    // Steps grow by their square root, so that the short ones can be seen.
    let across = |step: u32| (step as f32 / steps).sqrt() * PANEL.0;
    let panels: [Panel; 2] = [
        ("loss", |point| point.1, 0.0, 3.0),
        ("margin (smallest sum, by its right sign)", |point| point.2, -3.0, 1.5),
    ];
    for (panel, (title, value, low, high)) in panels.into_iter().enumerate() {
        let left = SPACE + panel as f32 * (PANEL.0 + SPACE);
        let down = |value: f32| (1.0 - (value.clamp(low, high) - low) / (high - low)) * PANEL.1;
        _ = writeln!(
            svg,
            "<g transform=\"translate({left} {SPACE})\"><text y=\"-10\">{title}</text>\n\
             <path d=\"M0 0V{} H{}\" fill=\"none\" stroke=\"black\"/>\n\
             <path d=\"M0 {:.1}H{}\" stroke=\"silver\"/>",
            PANEL.1,
            PANEL.0,
            down(0.0),
            PANEL.0
        );
        for tick in [low, 0.0, high] {
            _ = writeln!(
                svg,
                "<text x=\"-4\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                down(tick) + 4.0
            );
        }
        for step in [0, 100, 600, 2000, 6000] {
            if step as f32 <= steps {
                _ = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>",
                    across(step),
                    PANEL.1 + 15.0
                );
            }
        }
        for Curve { cell, points } in curves {
            let (colour, stroke) =
                if *cell == "multiply" { ("#c03020", 1.5) } else { ("#3060a0", 0.7) };
            let mut path = String::new();
            for (i, point) in points.iter().enumerate() {
                let letter = if i == 0 { 'M' } else { 'L' };
                _ = write!(path, "{letter}{:.1} {:.1}", across(point.0), down(value(point)));
            }
            _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{stroke}\">\
                 <title>{cell}</title></path>"
            );
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}
