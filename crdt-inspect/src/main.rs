//! Shows what is in a document's file or update: its events, their graph, and how two replicas differ.

mod compare;
mod events;
mod graph;
mod input;
mod replay;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use input::InputError;

/// Shows what is in a document's file, an update, or operations as JSON
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints a summary, then a line for each run of events: its ids, what it builds on, and what it does
    Events {
        /// A saved file, an update in bytes, or operations as JSON
        file: PathBuf,
        /// Prints the text at the end, too
        #[arg(long)]
        text: bool,
    },
    /// Draws the event graph
    Graph {
        /// A saved file, an update in bytes, or operations as JSON
        file: PathBuf,
        /// How to draw it
        #[arg(long, value_enum, default_value_t = Format::Dot)]
        format: Format,
    },
    /// Compares two replicas: which events one of them lacks, and the first event that differs.
    /// The exit code is 0 if they are equal, and 1 if not
    Compare {
        /// One replica
        one: PathBuf,
        /// The other one
        other: PathBuf,
    },
    /// Replays the history in several ways, and compares the texts and the times. The exit code is 1 if a text differs
    Replay {
        /// A saved file, an update in bytes, or operations as JSON
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

/// What ends the program.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("the history cannot be read: {0}")]
    History(#[from] crdt_core::HistoryError),
    #[error("the history cannot be replayed: {0}")]
    Replay(#[from] replay::ReplayError),
    #[error("writing failed: {0}")]
    Output(#[from] io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = run(arguments.command, &mut out);
    let flushed = out.flush();
    match result.and_then(|is_equal| Ok(flushed.map(|()| is_equal)?)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // As with `| head`: the reader has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether what was compared is equal.
fn run(command: Command, out: &mut impl Write) -> Result<bool, Failure> {
    match command {
        Command::Events { file, text } => {
            let document = input::read(&file)?;
            events::print(&document, out)?;
            if text {
                writeln!(out, "\n{}", document.text())?;
            }
            Ok(true)
        }
        Command::Graph { file, format } => {
            let document = input::read(&file)?;
            let graph = graph::Graph::of(&document)?;
            match format {
                Format::Dot => graph.dot(out)?,
                Format::Svg => graph.svg(out)?,
            }
            Ok(true)
        }
        Command::Compare { one, other } => {
            let documents = [input::read(&one)?, input::read(&other)?];
            compare::print(&documents, out)
        }
        Command::Replay { file } => {
            let document = input::read(&file)?;
            Ok(replay::print(&document, out)?)
        }
    }
}
