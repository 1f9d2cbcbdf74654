export * from "crdt-wasm/storage/node";
