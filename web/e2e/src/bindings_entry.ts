// All that the bindings' package has, as the pages of tests load it.
export * from "@crdt/codemirror";
export { bindMonaco } from "@crdt/codemirror/monaco";
