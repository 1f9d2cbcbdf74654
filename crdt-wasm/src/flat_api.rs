//! The flat API: documents by integer handle, one function per action.

use wasm_bindgen::prelude::*;

use crate::argument;
use crate::error::BindingError;
use crate::object::{plain, text_change};
use crate::{edit, merge, registry};
use crdt_core::{Document, Frontier};

/// Creates an empty document and returns its handle.
///
/// `agentId` names the replica in every operation it makes: 1 to 128 bytes of UTF-8. Two replicas
/// that are edited at the same time must not have the same.
///
/// @throws {CrdtError} when the name is empty or too long.
#[wasm_bindgen]
pub fn create_document(
    #[wasm_bindgen(js_name = agentId, unchecked_param_type = "string")] agent_id: &JsValue,
) -> Result<u32, JsValue> {
    Ok(create(agent_id)?)
}

/// Frees a document and ends the network sync attached to it. The handle is dead from then on, and
/// never given out again.
///
/// @throws {CrdtError} `dead_handle`
#[wasm_bindgen]
pub fn free_document(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
) -> Result<(), JsValue> {
    Ok(registry::remove(argument::handle(handle)?)?)
}

/// The whole text.
///
/// @throws {CrdtError} `dead_handle`
#[wasm_bindgen(unchecked_return_type = "string")]
pub fn get_text(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(text(argument::handle(handle)?)?.into())
}

/// Inserts `text` at `position`, counted in UTF-16 code units as JavaScript counts.
///
/// A position inside a surrogate pair is rounded down to before the pair. A lone surrogate in
/// `text` becomes U+FFFD. What was really inserted, and where, is returned.
///
/// @throws {CrdtError} `dead_handle`, `bad_position`, `out_of_bounds`; the text is as before.
#[wasm_bindgen(unchecked_return_type = "TextChange")]
pub fn insert(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "number")] position: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "string")] text: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(insert_text(argument::handle(handle)?, position, text)?)
}

/// Deletes `length` UTF-16 code units from `position` on.
///
/// Where the range starts or ends inside a surrogate pair it is widened to the whole pair. What was
/// really deleted is returned.
///
/// @throws {CrdtError} `dead_handle`, `bad_position`, `out_of_bounds`; the text is as before.
#[wasm_bindgen(unchecked_return_type = "TextChange")]
pub fn delete_range(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "number")] position: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "number")] length: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(delete_text(argument::handle(handle)?, position, length)?)
}

/// All operations, as canonical JSON: the same text on every replica that holds the same ones.
///
/// @throws {CrdtError} `dead_handle`
#[wasm_bindgen(unchecked_return_type = "string")]
pub fn get_operations_json(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(operations(argument::handle(handle)?)?.into())
}

/// The operations that are not at or before `frontier`, as JSON. With another replica's frontier
/// that is what it lacks; ids that are unknown here are left out of account.
///
/// @throws {CrdtError} `dead_handle`, or that the frontier is broken.
#[wasm_bindgen(unchecked_return_type = "string")]
pub fn get_operations_since_json(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "string")] frontier: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(operations_since(argument::handle(handle)?, frontier)?.into())
}

/// The document's version as JSON: the ids of its last operations.
///
/// @throws {CrdtError} `dead_handle`
#[wasm_bindgen(unchecked_return_type = "string")]
pub fn get_frontier_json(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(frontier(argument::handle(handle)?)?.into())
}

/// Merges operations that another replica gave out with `get_operations_json` or
/// `get_operations_since_json`. In any order, any number of times, the text comes out the same.
///
/// `frontier` is the sender's, or empty, or left out. With it, the report names what of the
/// sender's version is still missing here.
///
/// @throws {CrdtError} when the JSON is broken, or an id comes back with other content; the
/// document is then as before.
#[wasm_bindgen(unchecked_return_type = "MergeReport")]
pub fn merge_operations(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "string")] ops: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "string | null")] frontier: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(merge_text(argument::handle(handle)?, ops, frontier)?)
}

// The same actions for both this API and the class.

pub(crate) fn create(agent_id: &JsValue) -> Result<u32, BindingError> {
    let agent = argument::string("agentId", agent_id)?;
    Ok(registry::add(Document::new(&agent)?))
}

pub(crate) fn text(handle: u32) -> Result<String, BindingError> {
    registry::get(handle)?.read(|document| Ok(document.text()))
}

pub(crate) fn insert_text(
    handle: u32,
    position: &JsValue,
    text: &JsValue,
) -> Result<JsValue, BindingError> {
    let entry = registry::get(handle)?;
    let position = argument::utf16_count("position", position)?;
    let given = argument::string("text", text)?;
    let change = entry.write(|document| edit::insert(document, position, given))?;
    entry.each_watcher(|watcher| watcher.edited());
    // The string that came is the one that went in, unless it was mended.
    let mended = change.inserted.contains('\u{fffd}');
    let mended = mended.then(|| JsValue::from_str(&change.inserted));
    let inserted = mended.as_ref().unwrap_or(text);
    Ok(text_change(change.position, 0, Some(inserted)))
}

pub(crate) fn delete_text(
    handle: u32,
    position: &JsValue,
    length: &JsValue,
) -> Result<JsValue, BindingError> {
    let entry = registry::get(handle)?;
    let position = argument::utf16_count("position", position)?;
    let length = argument::utf16_count("length", length)?;
    let change = entry.write(|document| edit::delete(document, position, length))?;
    entry.each_watcher(|watcher| watcher.edited());
    Ok(text_change(change.position, change.deleted, None))
}

pub(crate) fn operations(handle: u32) -> Result<String, BindingError> {
    registry::get(handle)?.read(|document| Ok(document.operations_json()))
}

pub(crate) fn operations_since(handle: u32, frontier: &JsValue) -> Result<String, BindingError> {
    let entry = registry::get(handle)?;
    let frontier = argument::string("frontier", frontier)?;
    entry.read(|document| {
        let known = document.summary_of(&Frontier::from_json(&frontier)?);
        Ok(document.operations_since_json(&known))
    })
}

pub(crate) fn frontier(handle: u32) -> Result<String, BindingError> {
    registry::get(handle)?.read(|document| Ok(document.frontier().to_json()))
}

pub(crate) fn merge_text(
    handle: u32,
    ops: &JsValue,
    frontier: &JsValue,
) -> Result<JsValue, BindingError> {
    let entry = registry::get(handle)?;
    let ops = argument::string("ops", ops)?;
    let frontier = argument::optional_string("frontier", frontier)?;
    let report = entry.write(|document| merge::merge(document, &ops, frontier.as_deref()))?;
    // Made before the watchers are told, whose listeners may do anything.
    let returned = plain(&report);
    entry.each_watcher(|watcher| watcher.merged(&report.changes));
    Ok(returned)
}
