//! A picture of curves with both axes logarithmic, as SVG.

use std::fmt::Write as _;

/// One curve.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Words on the picture.
pub(super) struct Labels {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 60.0;
/// Told apart by everybody (Okabe and Ito, 2008).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// One axis: the exponents of ten that it goes from and to, and the pixels.
struct Axis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Axis {
        let logarithms: Vec<f64> = values.map(f64::log10).filter(|v| v.is_finite()).collect();
        let low = logarithms.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        Axis { low, high, start, end }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value.log10() - self.low) / (self.high - self.low);
        self.start + part * (self.end - self.start)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|exponent| 10f64.powi(exponent))
    }
}

/// The picture.
pub(super) fn log_log(labels: &Labels, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|one| one.points.iter());
    let x = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let mut text = |at: (f64, f64), anchor: &str, more: &str, words: &str| {
        let (x, y) = at;
        _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{words}</text>"
        );
    };
    text((WIDTH / 2.0, 22.0), "middle", " font-size=\"15\"", labels.title);
    text(((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 15.0), "middle", "", labels.x);
    let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
    let turned = format!(" transform=\"rotate(-90 18 {middle})\"");
    text((18.0, middle), "middle", &turned, labels.y);
    for value in x.decades() {
        text((x.place(value), HEIGHT - BOTTOM + 18.0), "middle", "", &grouped(value));
    }
    for value in y.decades() {
        text((LEFT - 6.0, y.place(value) + 4.0), "end", "", &grouped(value));
    }
    for (index, one) in series.iter().enumerate() {
        let colour = format!(" fill=\"{}\"", COLOURS[index % COLOURS.len()]);
        text((LEFT + 12.0, TOP + 18.0 + 16.0 * index as f64), "start", &colour, one.name);
    }
    let mut line = |from: (f64, f64), to: (f64, f64)| {
        _ = writeln!(
            out,
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#ddd\"/>",
            from.0, from.1, to.0, to.1
        );
    };
    for value in x.decades() {
        line((x.place(value), TOP), (x.place(value), HEIGHT - BOTTOM));
    }
    for value in y.decades() {
        line((LEFT, y.place(value)), (WIDTH - RIGHT, y.place(value)));
    }
    for (index, one) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let places: Vec<String> = one
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1)))
            .collect();
        _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
        for place in &places {
            let (x, y) = place.split_once(',').unwrap_or_default();
            _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A power of ten with its thousands apart.
fn grouped(value: f64) -> String {
    if value < 1.0 {
        return value.to_string();
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_is_as_long_everywhere() {
        let axis = Axis::over([2.0, 900.0].into_iter(), 0.0, 300.0);
        assert_eq!(
            [1.0, 10.0, 100.0, 1000.0].map(|v| axis.place(v).round()),
            [0., 100., 200., 300.]
        );
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0.1, 1.0, 100.0, 1e6].map(grouped), ["0.1", "1", "100", "1,000,000"]);
    }
}
