export { CollabEditor, type CollabEditorOptions } from "./editor.js";
export { collaboration, fromDocument } from "./codemirror.js";
export { bindTextarea } from "./textarea.js";
export {
  SharedText,
  type ChangeSource,
  type TextDocument,
  type TextView,
} from "./shared_text.js";
