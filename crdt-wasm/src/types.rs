//! The TypeScript types that the generated declarations refer to.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r#"
/**
 * One replacement in the text: at `position`, `deleted` UTF-16 code units give way to `inserted`.
 *
 * A list of them is applied one after the other. It goes from the end of the text to its start and
 * nothing in it overlaps, so every `position` is also right in the text before the first of them.
 */
export interface TextChange {
  position: number;
  deleted: number;
  inserted: string;
}

/** An operation's id: who made it, and its number among theirs. */
export type OperationId = [agent: string, seq: number];

/** What a merge did; counts are in operations, one per character inserted or deleted. */
export interface MergeReport {
  /** New here, and now part of the document. */
  applied: number;
  /** Known before. */
  duplicate: number;
  /** Held back until what they build on arrives; all that wait now. */
  pending: number;
  /** Let go: held back too long, or found to be invalid when their turn came. */
  dropped: number;
  /** What is known to be missing: what the held-back ones wait for, and what of the sender's frontier is not here. */
  missing: OperationId[];
  /** What became of the text. */
  changes: TextChange[];
}

/** The stable codes of every error of this package. */
export type CrdtErrorCode =
  // Arguments and handles.
  | "dead_handle"
  | "document_busy"
  | "bad_argument"
  | "bad_position"
  | "out_of_bounds"
  | "too_large"
  | "bad_agent_name"
  // Operations and frontiers.
  | "bad_json"
  | "bad_operations"
  | "bad_bytes"
  | "unknown_format_version"
  | "conflicting_event"
  | "parents_not_reduced"
  | "cyclic_event";

/** Every error that this package throws or reports is an `Error` of this shape. */
export interface CrdtError extends Error {
  name: "CrdtError";
  code: CrdtErrorCode;
}
"#;
