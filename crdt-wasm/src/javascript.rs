//! What stands in `document.js`, for the generated package to hand on.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = include_str!("document.d.ts");

// Nothing here is called from Rust but `attach`: the rest is named to be exported.
#[allow(dead_code)]
#[wasm_bindgen(module = "/src/document.js")]
extern "C" {
    fn attach(exports: &JsValue);

    #[wasm_bindgen(reexport, skip_typescript)]
    fn create_document();
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

    // The class, too: of a type, the declaration would be `unknown`.
    #[wasm_bindgen(reexport = "Document", js_name = Document, skip_typescript)]
    fn document();
}

/// Runs when the module is loaded.
#[wasm_bindgen(start, private)]
fn start() {
    attach(&wasm_bindgen::exports());
}
