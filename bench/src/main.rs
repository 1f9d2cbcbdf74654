//! Measures crdt-core beside other text CRDTs, over the same editing traces. See `scripts/bench`.
//!
//! Every figure is taken in a process of its own, which this program starts by calling itself
//! (`bench cell`), and which is cut off when it takes too long.

mod cell;
mod gap_buffer;
mod heap;
mod inputs;
mod measure;
mod subject;
mod subjects;
mod trace;

use std::process::ExitCode;

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
        _ => Err("usage: bench cell SUBJECT MEASURE TRACE TRACES INPUTS".into()),
    }
}
