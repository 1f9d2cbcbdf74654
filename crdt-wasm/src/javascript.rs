//! What stands in the folder `js`, for the generated package to hand on.

#[cfg(feature = "network")]
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const DOCUMENT: &'static str = include_str!("js/document.d.ts");

#[wasm_bindgen(typescript_custom_section)]
const VERSION: &'static str = include_str!("js/version.d.ts");

#[wasm_bindgen(typescript_custom_section)]
const UNDO: &'static str = include_str!("js/undo.d.ts");

#[wasm_bindgen(module = "/src/js/memory.js")]
extern "C" {
    #[wasm_bindgen(js_name = takeBlock)]
    fn take_block() -> u32;
}

// What is not called from Rust is named to be exported, and the file to be part of the package.
#[allow(dead_code)]
#[wasm_bindgen(module = "/src/js/feed.js")]
extern "C" {
    /// Calls the listeners of a document for what the network merged. They may call back.
    #[cfg(feature = "network")]
    #[wasm_bindgen(js_name = tellReceived)]
    pub(crate) fn tell_received(handle: u32);

    /// Whether a document is saved on the device, in a word; `null` where nothing stores it.
    #[cfg(feature = "network")]
    #[wasm_bindgen(js_name = savedOf)]
    pub(crate) fn saved_of(handle: u32) -> JsValue;

    #[wasm_bindgen(reexport = "toDelta", js_name = toDelta, skip_typescript)]
    fn to_delta();
}

#[allow(dead_code)]
#[wasm_bindgen(module = "/src/js/pieces.js")]
extern "C" {
    #[wasm_bindgen(js_name = mergeInPieces)]
    fn merge_in_pieces();
}

#[allow(dead_code)]
#[wasm_bindgen(module = "/src/js/flat.js")]
extern "C" {
    #[wasm_bindgen(reexport, skip_typescript)]
    fn create_document();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn open_document();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn free_document();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn get_text();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn insert();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn delete_range();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn get_operations_json();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn get_operations_since_json();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn get_frontier_json();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn merge_operations();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn encode_since();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn merge_bytes();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn save();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn anchor_at();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn anchor_position();
}

// The classes, too, are named as functions: of a type, the declaration would be `unknown`.
#[allow(dead_code)]
#[wasm_bindgen(module = "/src/js/document.js")]
extern "C" {
    #[wasm_bindgen(reexport = "Document", js_name = Document, skip_typescript)]
    fn document();
}

#[allow(dead_code)]
#[wasm_bindgen(module = "/src/js/version.js")]
extern "C" {
    #[wasm_bindgen(reexport = "Version", js_name = Version, skip_typescript)]
    fn version();

    #[wasm_bindgen(reexport = "Anchor", js_name = Anchor, skip_typescript)]
    fn anchor();
}

#[allow(dead_code)]
#[wasm_bindgen(module = "/src/js/undo.js")]
extern "C" {
    #[wasm_bindgen(reexport = "UndoManager", js_name = UndoManager, skip_typescript)]
    fn undo_manager();
}

/// The number of a block of handles that no other copy of the package gives out.
pub(crate) fn next_block() -> u32 {
    if cfg!(target_family = "wasm") {
        take_block()
    } else {
        0
    }
}
