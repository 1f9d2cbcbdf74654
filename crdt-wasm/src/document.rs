//! The class over the same registry as the flat API.

use std::cell::Cell;

use wasm_bindgen::prelude::*;

use crate::{flat_api, registry};

/// A collaborative text document.
///
/// It stands in the same registry as the documents of the flat API: `handle` is good for every
/// function there, and for `NetworkSync`. `free()` it when done; used after that, every method
/// throws a `CrdtError` with the code `dead_handle`. A document that is garbage-collected without
/// `free()` is freed too, unless its `handle` was ever read.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Document {
    handle: u32,
    handle_was_read: Cell<bool>,
}

#[wasm_bindgen]
impl Document {
    /// Creates an empty document; `agentId` names the replica, see `create_document`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(js_name = agentId, unchecked_param_type = "string")] agent_id: &JsValue,
    ) -> Result<Document, JsValue> {
        Ok(Document {
            handle: flat_api::create(agent_id)?,
            handle_was_read: Cell::new(false),
        })
    }

    /// The document's handle in the flat API.
    #[wasm_bindgen(getter)]
    pub fn handle(&self) -> u32 {
        self.handle_was_read.set(true);
        self.handle
    }

    /// Frees the document. A second call does nothing.
    // The bindings generate a `free` of their own, before this one, which is the one that counts:
    // theirs makes every later call fail without a code.
    #[wasm_bindgen(skip_typescript)]
    pub fn free(&self) {
        // The one failure is that it is freed already.
        let _ = registry::remove(self.handle);
    }

    /// The whole text.
    #[wasm_bindgen(js_name = getText, unchecked_return_type = "string")]
    pub fn get_text(&self) -> Result<JsValue, JsValue> {
        Ok(flat_api::text(self.handle)?.into())
    }

    /// Inserts text at a position in UTF-16 code units, see `insert`.
    #[wasm_bindgen(unchecked_return_type = "TextChange")]
    pub fn insert(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number")] position: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "string")] text: &JsValue,
    ) -> Result<JsValue, JsValue> {
        Ok(flat_api::insert_text(self.handle, position, text)?)
    }

    /// Deletes UTF-16 code units from a position on, see `delete_range`.
    #[wasm_bindgen(js_name = deleteRange, unchecked_return_type = "TextChange")]
    pub fn delete_range(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number")] position: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] length: &JsValue,
    ) -> Result<JsValue, JsValue> {
        Ok(flat_api::delete_text(self.handle, position, length)?)
    }

    /// All operations as canonical JSON, see `get_operations_json`.
    #[wasm_bindgen(js_name = getOperationsJson, unchecked_return_type = "string")]
    pub fn get_operations_json(&self) -> Result<JsValue, JsValue> {
        Ok(flat_api::operations(self.handle)?.into())
    }

    /// The operations not at or before `frontier`, see `get_operations_since_json`.
    #[wasm_bindgen(js_name = getOperationsSinceJson, unchecked_return_type = "string")]
    pub fn get_operations_since_json(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] frontier: &JsValue,
    ) -> Result<JsValue, JsValue> {
        Ok(flat_api::operations_since(self.handle, frontier)?.into())
    }

    /// The document's version as JSON, see `get_frontier_json`.
    #[wasm_bindgen(js_name = getFrontierJson, unchecked_return_type = "string")]
    pub fn get_frontier_json(&self) -> Result<JsValue, JsValue> {
        Ok(flat_api::frontier(self.handle)?.into())
    }

    /// Merges another replica's operations, see `merge_operations`.
    #[wasm_bindgen(js_name = mergeOperations, unchecked_return_type = "MergeReport")]
    pub fn merge_operations(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] ops: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "string | null")] frontier: &JsValue,
    ) -> Result<JsValue, JsValue> {
        Ok(flat_api::merge_text(self.handle, ops, frontier)?)
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        // Only garbage collection comes here: `free()` above stands in place of the generated one.
        if !self.handle_was_read.get() {
            let _ = registry::remove(self.handle);
        }
    }
}
