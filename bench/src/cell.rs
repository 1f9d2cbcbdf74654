//! One cell of the table: a subject, a measure, and a trace.

use std::path::Path;

use crate::files;
use crate::inputs::{self, Inputs};
use crate::measure::{self, Figures};
use crate::plan;
use crate::subject::{Form, Subject};
use crate::subjects::{
    Automerge, Cola, Crop, DiamondTypes, GapBufferRope, JumpRopeBuffered, Loro, Ours, Yrs,
};
use crate::trace::{Offline, Res, Trace};

pub(crate) struct Cell<'a> {
    pub(crate) subject: &'a str,
    pub(crate) measure: &'a str,
    pub(crate) trace: &'a str,
}

impl Cell<'_> {
    /// Measures it, in this process.
    pub(crate) fn run(&self, traces: &Path, inputs: &Path) -> Res<Figures> {
        let trace = || Trace::find(traces, self.trace);
        match (self.subject, self.measure) {
            ("gap-buffer", "local") => measure::local::<GapBufferRope>(&trace()?),
            ("jumprope", "local") => measure::local::<JumpRopeBuffered>(&trace()?),
            ("crop", "local") => measure::local::<Crop>(&trace()?),
            ("cola", "local") => measure::local::<Cola>(&trace()?),
            ("ours", _) => self.run_for::<Ours>(traces, inputs),
            ("diamond-types", _) => self.run_for::<DiamondTypes>(traces, inputs),
            ("yrs", _) => self.run_for::<Yrs>(traces, inputs),
            ("loro", _) => self.run_for::<Loro>(traces, inputs),
            ("automerge", _) => self.run_for::<Automerge>(traces, inputs),
            _ => Err(format!("no {} for {}", self.measure, self.subject).into()),
        }
    }

    fn run_for<S: Subject>(&self, traces: &Path, folder: &Path) -> Res<Figures> {
        let trace = || Trace::find(traces, self.trace);
        let path = inputs::path(folder, self.subject, self.trace);
        match self.measure {
            "local" => measure::local::<S>(&trace()?),
            "wire" => measure::wire::<S>(&trace()?),
            "prepare" => {
                let wanted = plan::cells().contains(&(self.subject, "remote", self.trace));
                let (made, figures) = measure::prepare::<S>(&trace()?, wanted)?;
                made.write(&path)?;
                Ok(figures)
            }
            "load" => measure::load::<S>(&Inputs::read(&path)?),
            "open" => measure::open::<S>(&Inputs::read(&path)?),
            "remote" => measure::remote::<S>(&Inputs::read(&path)?),
            "heap" => measure::heap::<S>(Inputs::read(&path)?),
            "file" => files::file::<S>(&trace()?, Form::Default),
            "file-quick" => files::file::<S>(&trace()?, Form::Quick),
            "file-small" => files::file::<S>(&trace()?, Form::Small),
            "offline" => measure::offline::<S>(&Offline::find(self.trace)?),
            _ => Err(format!("nothing is measured as {}", self.measure).into()),
        }
    }
}
