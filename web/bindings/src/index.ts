export { CollabEditor, type CollabEditorOptions, type StoredText } from "./editor.js";
export { collaboration, fromDocument } from "./codemirror.js";
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
  type ChangeSource,
  type TextDocument,
  type TextView,
} from "./shared_text.js";
