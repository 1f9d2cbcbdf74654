//! The results of the WebAssembly part (`web/bench.js`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::plan::OURS;
use crate::trace::Res;

#[derive(Debug, Deserialize)]
pub(crate) struct WebResults {
    pub(crate) trace: String,
    /// The versions of Node and Chromium.
    pub(crate) engines: BTreeMap<String, String>,
    pub(crate) subjects: Vec<WebSubject>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WebSubject {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What is to be downloaded, compressed by brotli: the WebAssembly, or all of a library in
    /// JavaScript.
    pub(crate) wasm_brotli: Option<f64>,
    pub(crate) js_brotli: Option<f64>,
    /// Local replay in milliseconds, by engine.
    pub(crate) replay: BTreeMap<String, Replay>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Replay {
    Ms(f64),
    CutOff(f64),
    Failed(String),
}

impl WebSubject {
    /// Whether it is a build of ours: `ours` is the document alone, the others have more.
    pub(crate) fn is_ours(&self) -> bool {
        self.name.starts_with(OURS)
    }
}

impl WebResults {
    /// `None` if that part has not been run.
    pub(crate) fn read(path: &Path) -> Res<Option<WebResults>> {
        match std::fs::read(path) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
