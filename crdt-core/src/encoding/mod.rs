//! The encodings of events and documents. None of them depends on the walker.

mod anchor;
pub(crate) mod decoder;
mod entropy;
pub(crate) mod file;
pub(crate) mod json;
mod json_fields;
mod json_value;
mod json_version;
pub(crate) mod patch;
mod patch_names;
mod reader;
mod summary;
mod varint;
