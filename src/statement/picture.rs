//! A flow as a picture: columns of nodes and bands between them, each as wide as its amount, as an SVG.
//!
//! The same flow gives the same bytes. Positions are whole hundredths of a pixel, made from running sums, so that bands fill their nodes
//! exactly. Colours are those of Okabe and Ito, which are told apart by whoever sees fewer of them; every band has its words as well.

use std::fmt::Write as _;

use crate::domain::money::Fen;

/// A flow to draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Its title.
    pub title: String,
    /// What is said below.
    pub note: String,
    /// Columns of nodes, from left to right.
    pub columns: Vec<Vec<Node>>,
    /// Between nodes of two columns, from left to right.
    pub bands: Vec<Band>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its label.
    pub label: String,
    /// Which colour.
    pub colour: usize,
}

/// A band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Column and place of where it comes from.
    pub from: (usize, usize),
    /// Column and place of where it goes.
    pub to: (usize, usize),
    /// How much; what is not above nothing is not drawn.
    pub amount: Fen,
    /// Which colour.
    pub colour: usize,
}

/// A node as it is drawn, in hundredths of a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Column and place.
    pub node: (usize, usize),
    /// The larger of what comes and what goes.
    pub amount: Fen,
    /// From the top.
    pub y: i64,
    /// How high.
    pub height: i64,
}

/// A band as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ribbon {
    /// Which of the bands.
    pub band: usize,
    /// From the top, and how wide, where it leaves.
    pub from: (i64, i64),
    /// The same where it arrives.
    pub to: (i64, i64),
}

/// Blue, orange, green, purple, sky, vermilion, yellow, grey.
const COLOURS: [&str; 8] =
    ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#666666"];
/// The last of them: of nodes that are of nothing in particular.
pub const GREY: usize = 7;

const WIDTH: i64 = 1_500;
const TOP: i64 = 7_000;
const BODY: i64 = 80_000;
const GAP: i64 = 1_800;
const NODE_WIDTH: i64 = 16;
const LEFT: i64 = 230;
const RIGHT: i64 = 1_210;

impl Picture {
    /// Where everything is drawn.
    pub fn layout(&self) -> (Vec<Drawn>, Vec<Ribbon>) {
        let drawn: Vec<usize> = (0..self.bands.len())
            .filter(|place| self.bands.get(*place).is_some_and(|band| Fen::ZERO < band.amount))
            .collect();
        let bands = |end: fn(&Band) -> (usize, usize), node| {
            let of = move |place: &&usize| self.bands.get(**place).is_some_and(|b| end(b) == node);
            drawn.iter().filter(of)
        };
        let amount =
            |place: &usize| self.bands.get(*place).map_or(0, |band| i128::from(band.amount.get()));
        let mut sums: Vec<Vec<i128>> = Vec::new();
        for (column, nodes) in self.columns.iter().enumerate() {
            let of = (0..nodes.len()).map(|place| {
                let gone: i128 = bands(|band| band.from, (column, place)).map(amount).sum();
                let come: i128 = bands(|band| band.to, (column, place)).map(amount).sum();
                gone.max(come)
            });
            sums.push(of.collect());
        }
        let most = sums.iter().map(|of| of.iter().sum::<i128>()).max().unwrap_or(0).max(1);
        let crowd = self.columns.iter().map(Vec::len).max().unwrap_or(1).saturating_sub(1);
        let gaps = i64::try_from(crowd).unwrap_or(0).saturating_mul(GAP).min(BODY / 2);
        let body = i128::from(BODY.saturating_sub(gaps));
        let scaled = |sum: i128| {
            let exact = sum.saturating_mul(body).checked_div(most).unwrap_or(0);
            i64::try_from(exact).unwrap_or(i64::MAX)
        };
        let mut nodes = Vec::new();
        let mut ribbons: Vec<Ribbon> =
            drawn.iter().map(|band| Ribbon { band: *band, from: (0, 0), to: (0, 0) }).collect();
        for (column, of) in sums.iter().enumerate() {
            let mut y = TOP;
            for (place, sum) in of.iter().enumerate() {
                let node = (column, place);
                let (height, fen) = (scaled(*sum), i64::try_from(*sum).unwrap_or(i64::MAX));
                nodes.push(Drawn { node, amount: Fen::new(fen), y, height });
                let (mut gone, mut come) = (0_i128, 0_i128);
                for ribbon in &mut ribbons {
                    let Some(band) = self.bands.get(ribbon.band) else { continue };
                    let fen = i128::from(band.amount.get());
                    let put = |sum: &mut i128| {
                        let above = scaled(*sum);
                        *sum = sum.saturating_add(fen);
                        (y.saturating_add(above), scaled(*sum).saturating_sub(above))
                    };
                    if band.from == node {
                        ribbon.from = put(&mut gone);
                    }
                    if band.to == node {
                        ribbon.to = put(&mut come);
                    }
                }
                y = y.saturating_add(height).saturating_add(GAP.min(gap_of(of.len(), gaps)));
            }
        }
        (nodes, ribbons)
    }

    /// As an SVG.
    pub fn svg(&self) -> String {
        let (nodes, ribbons) = self.layout();
        let height = (TOP + BODY) / 100 + 70;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             font-family=\"Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif\" font-size=\"13\" role=\"img\">\n\
             <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#FFFFFF\"/>\n\
             <text x=\"{middle}\" y=\"32\" font-size=\"20\" text-anchor=\"middle\">{title}</text>\n",
            title = escaped(&self.title),
            middle = WIDTH / 2,
        );
        for ribbon in &ribbons {
            self.put_ribbon(&mut svg, ribbon);
        }
        for drawn in &nodes {
            self.put_node(&mut svg, drawn);
        }
        let note = escaped(&self.note);
        put(
            &mut svg,
            format_args!(
                "<text x=\"20\" y=\"{}\" font-size=\"12\">{note}</text>\n</svg>\n",
                height - 20
            ),
        );
        svg
    }

    fn label(&self, node: (usize, usize)) -> &str {
        let found = self.columns.get(node.0).and_then(|nodes| nodes.get(node.1));
        found.map_or("", |node| &node.label)
    }

    fn x(&self, column: usize) -> i64 {
        let last = i64::try_from(self.columns.len().saturating_sub(1)).unwrap_or(1).max(1);
        let column = i64::try_from(column).unwrap_or(0);
        LEFT.saturating_add((RIGHT - LEFT).saturating_mul(column) / last)
    }

    fn put_ribbon(&self, svg: &mut String, ribbon: &Ribbon) {
        let Some(band) = self.bands.get(ribbon.band) else { return };
        let (x0, x1) = (self.x(band.from.0).saturating_add(NODE_WIDTH), self.x(band.to.0));
        let middle = x0.saturating_add(x1) / 2;
        let ends = |(y, width): (i64, i64)| (px(y), px(y.saturating_add(width)));
        let ((top0, low0), (top1, low1)) = (ends(ribbon.from), ends(ribbon.to));
        let (from, to) = (escaped(self.label(band.from)), escaped(self.label(band.to)));
        put(
            svg,
            format_args!(
                "<path class=\"band\" data-fen=\"{fen}\" data-from=\"{}.{}\" data-to=\"{}.{}\" fill=\"{colour}\" fill-opacity=\"0.5\" \
                 d=\"M{x0} {top0} C{middle} {top0} {middle} {top1} {x1} {top1} L{x1} {low1} C{middle} {low1} {middle} {low0} {x0} {low0} Z\">\
                 <title>{from} → {to}：{amount} 元 yuan</title></path>\n",
                band.from.0,
                band.from.1,
                band.to.0,
                band.to.1,
                fen = band.amount.get(),
                colour = colour(band.colour),
                amount = band.amount,
            ),
        );
    }

    fn put_node(&self, svg: &mut String, drawn: &Drawn) {
        let Some(node) = self.columns.get(drawn.node.0).and_then(|of| of.get(drawn.node.1)) else {
            return;
        };
        if drawn.amount == Fen::ZERO {
            return;
        }
        let x = self.x(drawn.node.0);
        let label = escaped(&node.label);
        let (y, height) = (px(drawn.y), px(drawn.height.max(20)));
        let middle = px(drawn.y.saturating_add(drawn.height / 2).saturating_add(400));
        let (at, anchor) = if drawn.node.0 == 0 {
            (x.saturating_sub(8), "end")
        } else {
            (x.saturating_add(NODE_WIDTH + 8), "start")
        };
        let amount = drawn.amount;
        put(
            svg,
            format_args!(
                "<rect class=\"node\" data-node=\"{}.{}\" data-fen=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{NODE_WIDTH}\" height=\"{height}\" \
                 fill=\"{}\"><title>{label}：{amount} 元 yuan</title></rect>\n\
                 <text x=\"{at}\" y=\"{middle}\" text-anchor=\"{anchor}\">{label} {amount}</text>\n",
                drawn.node.0,
                drawn.node.1,
                amount.get(),
                colour(node.colour),
            ),
        );
    }
}

fn gap_of(nodes: usize, gaps: i64) -> i64 {
    let between = i64::try_from(nodes.saturating_sub(1)).unwrap_or(1).max(1);
    gaps.checked_div(between).unwrap_or(GAP)
}

fn colour(place: usize) -> &'static str {
    COLOURS.get(place % COLOURS.len()).copied().unwrap_or("#666666")
}

/// Writing to a text never fails.
fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).ok();
}

/// Hundredths of a pixel.
fn px(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths.unsigned_abs() % 100)
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(amounts: &[(usize, usize, i64)]) -> Picture {
        let column = |name: &str| {
            (0..3).map(|n| Node { label: format!("{name}{n} <&>"), colour: n }).collect::<Vec<_>>()
        };
        let bands = amounts.iter().map(|(from, to, fen)| Band {
            from: (0, *from),
            to: (1, *to),
            amount: Fen::new(*fen),
            colour: *from,
        });
        Picture {
            title: "资金流向 flow".to_owned(),
            note: "note".to_owned(),
            columns: vec![column("拨款 in"), column("医院 out")],
            bands: bands.collect(),
        }
    }

    proptest! {
        /// Bands fill their nodes to the hundredth, and nothing is drawn outside.
        #[test]
        fn widths_add_up(amounts in proptest::collection::vec((0_usize..3, 0_usize..3, -5_i64..1_000_000_000_000), 1..12)) {
            let picture = picture(&amounts);
            let (nodes, ribbons) = picture.layout();
            for drawn in &nodes {
                let of = |end: fn(&Band) -> (usize, usize)| {
                    let of = ribbons.iter().filter(|ribbon| end(&picture.bands[ribbon.band]) == drawn.node);
                    of.map(|ribbon| if drawn.node.0 == 0 { ribbon.from.1 } else { ribbon.to.1 }).sum::<i64>()
                };
                let wide = if drawn.node.0 == 0 { of(|band| band.from) } else { of(|band| band.to) };
                prop_assert_eq!(wide, drawn.height);
                prop_assert!(TOP <= drawn.y && drawn.y + drawn.height <= TOP + BODY);
            }
        }
    }

    #[test]
    fn the_same_flow_gives_the_same_bytes_and_every_band_has_its_words() {
        let drawn = picture(&[(0, 1, 500), (1, 1, 300), (2, 0, 0)]).svg();
        assert_eq!(drawn, picture(&[(0, 1, 500), (1, 1, 300), (2, 0, 0)]).svg());
        assert_eq!(drawn.matches("<path class=\"band\"").count(), 2, "nothing is not drawn");
        assert_eq!(drawn.matches("</title></path>").count(), 2);
        assert!(
            drawn.contains("拨款 in0 &lt;&amp;&gt; → 医院 out1 &lt;&amp;&gt;：5.00 元 yuan"),
            "{drawn}"
        );
        assert!(!drawn.contains("<&>"));
        // Nothing at all is a picture too.
        assert!(picture(&[]).svg().ends_with("</svg>\n"));
    }
}
