//! Measures crdt-core and other text CRDTs over the same editing traces. See `scripts/bench`.
//!
//! Every figure is measured in a separate process, which this program starts by calling itself
//! (`bench cell`), and which is cut off when it takes too long.

mod cell;
mod files;
mod gap_buffer;
mod growth;
mod heap;
mod inputs;
mod machine;
mod measure;
mod plan;
mod plot;
mod report;
mod runner;
mod subject;
mod subjects;
mod trace;
mod web;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use trace::Res;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Res<()> {
    match arguments {
        ["cell", subject, measure, trace, traces, inputs] => {
            let cell = cell::Cell {
                subject,
                measure,
                trace,
            };
            let figures = cell.run(traces.as_ref(), inputs.as_ref())?;
            println!("{}", serde_json::to_string(&figures)?);
            Ok(())
        }
        ["run", traces, out, seconds, only @ ..] => runner::Run {
            traces: traces.into(),
            out: out.into(),
            budget: Duration::from_secs(seconds.parse()?),
            only: only.first().map(|only| (*only).to_owned()),
        }
        .run(),
        ["grow", subject, measure, shape, size] => {
            let figures = growth::cell(subject, measure, shape, size)?;
            println!("{}", serde_json::to_string(&figures)?);
            Ok(())
        }
        ["growth", out, only @ ..] => {
            growth::run(out.as_ref(), only.first().copied().unwrap_or_default())
        }
        ["growth-report", out, path, date, commit] => {
            let results = runner::Results::read(&Path::new(out).join("growth.json"))?;
            growth::write(&results, &growth::About { date, commit }, path.as_ref())
        }
        ["report", out, path, date, commit] => {
            let out = Path::new(out);
            let results = runner::Results::read(&out.join("native.json"))?;
            let web = web::WebResults::read(&out.join("web.json"))?;
            let about = report::About { date, commit };
            report::write(&results, web.as_ref(), &about, path.as_ref())
        }
        _ => Err("usage: bench run TRACES OUT SECONDS [CELLS]\n       \
             bench report OUT PATH DATE COMMIT\n       \
             bench cell SUBJECT MEASURE TRACE TRACES INPUTS\n       \
             bench growth OUT [CELLS]\n       \
             bench growth-report OUT PATH DATE COMMIT\n       \
             bench grow SUBJECT MEASURE SHAPE SIZE"
            .into()),
    }
}
