export { CollabEditor, type CollabEditorOptions, type StoredText } from "./editor.js";
export type { BindingOptions } from "./binding_options.js";
export { collaboration } from "./collaboration.js";
export { compositionOver } from "./composition.js";
export { fromDocument, redo, undo } from "./codemirror.js";
export { remoteCursors, remoteSelections, type RemoteSelection } from "./cursors.js";
export {
  Presence,
  type AnchoredSelection,
  type Participant,
  type PresenceSource,
  type User,
} from "./presence.js";
export { bindTextarea } from "./textarea.js";
export {
  SharedText,
  type SharedTextOptions,
  type TextDocument,
  type TextView,
} from "./shared_text.js";
export type { EditContext, UndoManagerClass } from "./undo_steps.js";
