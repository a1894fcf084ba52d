//! A line over time as SVG. Only the curve stretches with the width of the page; text and lines keep their
//! size, so that a phone shows labels as legible as a desktop does.

use std::fmt::{self, Write as _};

use recorder::ring::Sample;

use crate::range::Range;
use crate::words::Html;

/// Height of the plot, in pixels.
const HEIGHT: u32 = 120;
/// Pixels above it, where the topmost label lies.
const ABOVE: u32 = 16;
/// Pixels below it, where the time axis lies.
const BELOW: u32 = 22;

/// Points between two samples that are still joined: a second may be skipped when the device is busy.
const JOINED: u32 = 2;

/// Points between two labels of restarts that don't run into each other.
const LABEL_APART: u32 = 36;

/// One curve.
pub(crate) struct Chart<'a> {
    /// Unique in the page; names the colours as well.
    pub(crate) id: &'static str,
    /// What a person who does not see it should know: what it is, and what it shows.
    pub(crate) title: String,
    pub(crate) desc: String,
    pub(crate) samples: &'a [Sample],
    pub(crate) value: fn(&Sample) -> u32,
    /// The value at the upper edge.
    pub(crate) top: u32,
    /// Values with a line and a label.
    pub(crate) marks: Vec<(u32, String)>,
    pub(crate) range: Range,
}

impl Chart<'_> {
    /// Writes it.
    pub(crate) fn svg(&self, out: &mut String) -> fmt::Result {
        let (id, height) = (self.id, ABOVE + HEIGHT + BELOW);
        write!(
            out,
            "<svg class=\"plot {id}\" role=img aria-labelledby=\"{id}-t {id}-d\" width=\"100%\" height={height}>\
             <title id={id}-t>{}</title><desc id={id}-d>{}</desc>",
            Html(&self.title),
            Html(&self.desc)
        )?;
        for y in self.marks.iter().map(|(value, _)| ABOVE + self.y(*value)) {
            write!(out, "<line class=grid x2=\"100%\" y1={y} y2={y} />")?;
        }
        let spots = spots(self.samples, self.range.every_s());
        let (line, area) = self.paths(&spots);
        write!(
            out,
            "<svg y={ABOVE} width=\"100%\" height={HEIGHT} viewBox=\"0 0 {} {HEIGHT}\" preserveAspectRatio=none>\
             <path class=area d=\"{area}\" /><path class=line d=\"{line}\" /></svg>",
            Range::POINTS
        )?;
        self.restarts(out, &spots)?;
        if let Some(sample) = self.samples.last() {
            write!(out, "<circle cx=\"100%\" cy={} r=3 />", ABOVE + self.y((self.value)(sample)))?;
        }
        for (value, label) in &self.marks {
            write!(
                out,
                "<text x=-8 y={} text-anchor=end>{}</text>",
                ABOVE + self.y(*value) + 4,
                Html(label)
            )?;
        }
        for (at, label) in (0_u32..).zip(self.range.ticks()) {
            let anchor = ["start", "middle", "middle", "middle", "end"];
            let anchor = anchor.get(at as usize).unwrap_or(&"middle");
            write!(out, "<text x=\"{}%\" y={} text-anchor={anchor}>{label}</text>", at * 25, height - 6)?;
        }
        out.push_str("</svg>");
        Ok(())
    }

    /// Pixels from the upper edge of the plot.
    fn y(&self, value: u32) -> u32 {
        let share = u64::from(value.min(self.top)) * u64::from(HEIGHT) / u64::from(self.top.max(1));
        HEIGHT - u32::try_from(share).unwrap_or(HEIGHT)
    }

    /// The curve, and what lies under it. In relative steps, which are short: `l1 0 1-3`.
    fn paths(&self, spots: &[Spot]) -> (String, String) {
        let (mut line, mut area) = (String::new(), String::new());
        let mut piece = String::new();
        let mut start = 0;
        let mut last: Option<(u32, u32)> = None;
        let close = |piece: &mut String, start: u32, line: &mut String, area: &mut String| {
            if !piece.is_empty() {
                line.push_str(piece);
                // Writing to a String can't fail.
                let _ = write!(area, "{piece}V{HEIGHT}H{start}z");
                piece.clear();
            }
        };
        for (spot, sample) in
            spots.iter().rev().zip(self.samples.iter().skip(self.samples.len() - spots.len()))
        {
            let (x, y) = (spot.x(), self.y((self.value)(sample)));
            match last {
                Some((before_x, before_y)) if spot.joined => {
                    let (dx, down, up) =
                        (x - before_x, y.saturating_sub(before_y), before_y.saturating_sub(y));
                    let _ = if up > 0 { write!(piece, " {dx}-{up}") } else { write!(piece, " {dx} {down}") };
                }
                _ => {
                    close(&mut piece, start, &mut line, &mut area);
                    start = x;
                    // Half a point long at least: one sample alone is seen, too.
                    let _ = write!(piece, "M{x} {y}h0l0 0");
                }
            }
            last = Some((x, y));
        }
        close(&mut piece, start, &mut line, &mut area);
        (line, area)
    }

    /// A line where the device started anew. How long it was off is not known.
    fn restarts(&self, out: &mut String, spots: &[Spot]) -> fmt::Result {
        let mut labelled: Option<u32> = None;
        for spot in spots.iter().filter(|spot| spot.boot) {
            let x = spot.x();
            let share = x * 1000 / u32::from(Range::POINTS);
            let share = format!("{}.{}%", share / 10, share % 10);
            write!(out, "<line class=boot x1={share} x2={share} y1=2 y2={} />", ABOVE + HEIGHT)?;
            if labelled.is_none_or(|other| other.abs_diff(x) >= LABEL_APART) && x >= LABEL_APART {
                let y = ABOVE - 5;
                write!(out, "<text class=boot x={share} y={y} dx=-4 text-anchor=end>restart</text>")?;
                labelled = Some(x);
            }
        }
        Ok(())
    }
}

/// Where a sample lies on the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    /// Points before the newest.
    ago: u32,
    /// Whether the curve comes here from the sample before.
    joined: bool,
    /// Whether it is the first of a boot, with another boot before.
    boot: bool,
}

impl Spot {
    fn x(self) -> u32 {
        u32::from(Range::POINTS).saturating_sub(self.ago)
    }
}

/// Places of the newest samples, the newest first, as far as the axis reaches.
fn spots(samples: &[Sample], every_s: u32) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::with_capacity(samples.len());
    let mut ago: u32 = 0;
    let mut newer: Option<&Sample> = None;
    for sample in samples.iter().rev() {
        if let (Some(newer), Some(spot)) = (newer, spots.last_mut()) {
            let same_boot = sample.uptime_s <= newer.uptime_s;
            let step = if same_boot { newer.uptime_s / every_s - sample.uptime_s / every_s } else { 1 };
            spot.joined = same_boot && step <= JOINED;
            spot.boot = !same_boot;
            ago = ago.saturating_add(step);
        }
        if ago > u32::from(Range::POINTS) {
            if let Some(spot) = spots.last_mut() {
                spot.joined = false;
            }
            break;
        }
        spots.push(Spot { ago, joined: false, boot: false });
        newer = Some(sample);
    }
    spots
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(uptime_s: u32, cpu_permille: u16) -> Sample {
        Sample { cpu_permille, memory_pages: 0, uptime_s }
    }

    fn chart(samples: &[Sample]) -> Chart<'_> {
        Chart {
            id: "cpu",
            title: "CPU".to_owned(),
            desc: "All <of> it".to_owned(),
            samples,
            value: |sample| u32::from(sample.cpu_permille),
            top: 1000,
            marks: vec![(500, "50 %".to_owned())],
            range: Range::Minutes,
        }
    }

    #[test]
    fn paths_break_at_a_gap_and_at_a_restart() {
        let samples =
            [sample(90, 0), sample(91, 1000), sample(98, 500), sample(99, 500), sample(1, 100), sample(2, 0)];
        let chart = chart(&samples);
        let (line, area) = chart.paths(&spots(&samples, 1));
        assert_eq!(line, "M229 120h0l0 0 1-120M237 60h0l0 0 1 0M239 108h0l0 0 1 12");
        assert_eq!(area.matches("V120H").count(), 3);
        let mut svg = String::new();
        chart.svg(&mut svg).unwrap();
        assert_eq!(svg.matches("class=boot x1").count(), 1);
        assert!(svg.contains("All &lt;of&gt; it") && svg.contains("now</text>"), "{svg}");
    }

    #[test]
    fn spots_end_where_the_axis_ends() {
        let samples: Vec<_> = (0..600).map(|second| sample(second, 1)).collect();
        let spots = spots(&samples, 1);
        assert_eq!((spots.len(), spots.last().map(|spot| spot.x())), (241, Some(0)));
    }

    proptest! {
        #[test]
        fn svg_any_samples_stays_in_its_bounds(
            samples in prop::collection::vec((any::<u32>(), any::<u16>()), 0..300), top in any::<u32>(),
        ) {
            let samples: Vec<_> = samples.into_iter().map(|(uptime, cpu)| sample(uptime, cpu)).collect();
            for range in Range::ALL {
                let mut svg = String::new();
                Chart { top, range, ..chart(&samples) }.svg(&mut svg).unwrap();
                prop_assert!(svg.len() < 40_000);
            }
            for spot in spots(&samples, 1) {
                prop_assert!(spot.x() <= 240);
            }
        }
    }
}
