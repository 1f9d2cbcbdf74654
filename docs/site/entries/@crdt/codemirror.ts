export * from "@crdt/codemirror";
