export * from "crdt-wasm";
export { default } from "crdt-wasm";
