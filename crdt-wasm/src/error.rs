//! What can go wrong at the border to JavaScript, and how it looks there: a real `Error` object
//! with a stable `code`.

use crdt_core::{
    AgentNameError, AnchorError, BranchError, DecodeError, EditError, EncodeError, HistoryError,
    LoadError, MergeError,
};
use thiserror::Error;

#[cfg(feature = "network")]
use crate::net::error::NetworkError;

/// Everything that the package throws, or hands to an `error` listener.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum BindingError {
    #[error("there is no document with handle {handle}: it was freed, or never created")]
    DeadHandle { handle: String },
    #[error("{name} has to be {expected}, not {got}")]
    BadArgument {
        name: &'static str,
        expected: &'static str,
        got: String,
    },
    #[error("{name} {value} is past the end of the text, which has {length} UTF-16 units")]
    OutOfBounds {
        name: &'static str,
        value: usize,
        length: usize,
    },
    #[error(
        "document {handle} is in use by the call that led here, or was being changed when the memory \
         ran out: its text can still be read"
    )]
    Busy { handle: u32 },
    #[error("the memory is exhausted: free documents that are not needed, or load the page anew")]
    OutOfMemory,
    #[error(transparent)]
    AgentName(#[from] AgentNameError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error("the undo manager was destroyed")]
    NoUndoManager,
    #[error("the frontier is not valid: {0}")]
    Frontier(#[from] DecodeError),
    #[error("the version is not valid: {0}")]
    Version(DecodeError),
    #[cfg(feature = "network")]
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl BindingError {
    /// The stable name that programs test for; `CrdtErrorCode` in the TypeScript types lists all.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            BindingError::DeadHandle { .. } => "dead_handle",
            BindingError::BadArgument { .. } => "bad_argument",
            BindingError::OutOfBounds { .. } => "out_of_bounds",
            BindingError::Busy { .. } => "document_busy",
            BindingError::OutOfMemory => "out_of_memory",
            BindingError::AgentName(error) => error.code(),
            BindingError::Edit(error) => error.code(),
            BindingError::Merge(error) => error.code(),
            BindingError::Anchor(error) => error.code(),
            BindingError::History(error) => error.code(),
            BindingError::Load(error) => error.code(),
            BindingError::Branch(error) => error.code(),
            BindingError::NoUndoManager => "destroyed",
            BindingError::Frontier(error) | BindingError::Version(error) => error.code(),
            #[cfg(feature = "network")]
            BindingError::Network(error) => error.code(),
        }
    }
}

impl From<EncodeError> for BindingError {
    fn from(error: EncodeError) -> BindingError {
        MergeError::from(error).into()
    }
}

// What goes wrong with documents, `document.js` makes into such an object.
#[cfg(feature = "network")]
impl From<BindingError> for wasm_bindgen::JsValue {
    fn from(error: BindingError) -> wasm_bindgen::JsValue {
        let object = js_sys::Error::new(&error.to_string());
        object.set_name("CrdtError");
        // A plain new object takes any property, so there is no failure to report.
        let _ = js_sys::Reflect::set(&object, &"code".into(), &error.code().into());
        object.into()
    }
}
