//! Documents as files.
#![allow(unsafe_code)]

use crdt_core::{Document, LoadError, LoadLimits, MergeError, Preset, SaveOptions};

use super::{Input, added, ask};
use crate::error::BindingError;
use crate::memory;

/// Opens the file in the input buffer, behind the name of the agent, without reading its history; or with
/// `verify`, replaying it. Returns the document's handle, or 0.
#[unsafe(no_mangle)]
extern "C" fn crdt_open(agent: usize, file: usize, verify: u32) -> u32 {
    let input = Input::of(agent + file);
    let (agent, file) = input.parts(agent);
    let agent = str::from_utf8(agent).unwrap_or_default();
    added(memory::check_for(file.len()).and_then(|()| {
        Ok(if verify != 0 {
            Document::load_verified(agent, file, &LoadLimits::default())?
        } else {
            Document::load(agent, file)?
        })
    }))
}

/// The document as a file. `preset` is 0 for speed, 1 for balance, 2 for size.
#[unsafe(no_mangle)]
extern "C" fn crdt_save(handle: u32, preset: u32, without_text: u32) -> i32 {
    ask(handle, &mut |document| {
        document
            .save(&options(preset, without_text))
            .map_err(unsaved)
    })
}

/// The document as a file that begins at the version in the input buffer.
#[unsafe(no_mangle)]
extern "C" fn crdt_save_shallow(
    handle: u32,
    version: usize,
    preset: u32,
    without_text: u32,
) -> i32 {
    let input = Input::of(version);
    ask(handle, &mut |document| {
        let since = input.version()?.heads;
        Ok(document.save_shallow(&since, &options(preset, without_text))?)
    })
}

fn options(preset: u32, without_text: u32) -> SaveOptions {
    let preset = match preset {
        0 => Preset::Fast,
        1 => Preset::Balanced,
        _ => Preset::Small,
    };
    SaveOptions::new(preset).without_text(without_text != 0)
}

/// Only a damaged history cannot be saved, whatever its damage is.
fn unsaved(error: LoadError) -> BindingError {
    MergeError::CorruptHistory(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_keeps_a_document_from_being_saved_is_a_corrupt_history() {
        for error in [
            LoadError::Checksum { offset: 0 },
            LoadError::Inconsistent { reason: "" },
        ] {
            assert_eq!(unsaved(error).code(), "corrupt_history");
        }
    }
}
