export * from "crdt-wasm/storage";
