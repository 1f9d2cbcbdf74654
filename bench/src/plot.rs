//! The picture: each peer's figure as a multiple of ours, on a logarithmic scale.

use std::fmt::Write as _;

pub(crate) struct Line {
    pub(crate) what: String,
    /// Names with multiples.
    pub(crate) times: Vec<(String, f64)>,
}

const LABELS: f64 = 470.0;
const PLOT: f64 = 560.0;
const LINE: f64 = 26.0;
const TOP: f64 = 64.0;
/// The scale reaches from 10^LEAST to 10^MOST.
const LEAST: f64 = -1.0;
const MOST: f64 = 4.0;

const COLORS: [(&str, &str); 10] = [
    ("diamond-types", "#0072b2"),
    ("yrs", "#e69f00"),
    ("loro", "#009e73"),
    ("automerge", "#cc79a7"),
    ("cola", "#8c6d31"),
    ("diamond-types-web", "#0072b2"),
    ("ywasm", "#e69f00"),
    ("loro-crdt", "#009e73"),
    ("@automerge/automerge", "#cc79a7"),
    ("yjs", "#d55e00"),
];

fn color(name: &str) -> &'static str {
    COLORS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("#777777", |(_, color)| color)
}

fn x(times: f64) -> f64 {
    let scale = (times.max(1e-9).log10().clamp(LEAST, MOST) - LEAST) / (MOST - LEAST);
    LABELS + scale * PLOT
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

pub(crate) fn svg(lines: &[Line]) -> String {
    let (width, height) = (LABELS + PLOT + 40.0, TOP + LINE * lines.len() as f64 + 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\">Each figure as a multiple of ours \
         (right of 1: we are ahead)</text>\n"
    );
    // Writing to a string cannot fail.
    let _ = legend(&mut out);
    let _ = scale(&mut out, height);
    for (i, line) in lines.iter().enumerate() {
        let y = TOP + LINE * (i as f64 + 0.5);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"11\">{}</text>",
            LABELS - 10.0,
            y + 4.0,
            escaped(&line.what)
        );
        for (name, times) in &line.times {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"5.5\" fill=\"{}\" fill-opacity=\"0.85\">\
                 <title>{}: {times:.2} times ours</title></circle>",
                x(*times),
                color(name),
                escaped(name)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

fn legend(out: &mut String) -> std::fmt::Result {
    let names = ["diamond-types", "yrs", "loro", "automerge", "cola", "yjs"];
    for (i, name) in names.iter().enumerate() {
        let left = LABELS + i as f64 * 100.0;
        writeln!(
            out,
            "<circle cx=\"{left}\" cy=\"16\" r=\"5.5\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"20\">{name}</text>",
            color(name),
            left + 10.0
        )?;
    }
    Ok(())
}

fn scale(out: &mut String, height: f64) -> std::fmt::Result {
    for power in LEAST as i32..=MOST as i32 {
        let at = x(10f64.powi(power));
        let (color, width) = if power == 0 {
            ("#000000", 1.5)
        } else {
            ("#dddddd", 1.0)
        };
        writeln!(
            out,
            "<line x1=\"{at}\" y1=\"{}\" x2=\"{at}\" y2=\"{}\" stroke=\"{color}\" \
             stroke-width=\"{width}\"/><text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            TOP - 6.0,
            height - 12.0,
            TOP - 12.0,
            10f64.powi(power)
        )?;
    }
    Ok(())
}
