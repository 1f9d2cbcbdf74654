// Opens the history, whose code is loaded then.

import type { CollabEditor } from "@crdt/codemirror";
import { page } from "../page.js";
import { withMoment } from "../room.js";

/**
 * Shows the history in the place of the editor, at a moment or at the latest one; `room` gives the name under which
 * the room's text is stored.
 */
export async function openHistory(
  { document: replica, shared, view }: CollabEditor,
  room: () => string,
  moment: string | null = null,
): Promise<void> {
  const { HistoryPanel } = await import("./panel.js");
  if (!page.history.hidden) return;
  page.text.hidden = true;
  new HistoryPanel(
    page.history,
    {
      document: replica,
      room,
      mayWrite: () => !shared.readOnly,
      showMoment: (version) =>
        history.replaceState(null, "", withMoment(new URL(location.href), version)),
      closed: () => {
        page.text.hidden = false;
        view.requestMeasure();
        view.focus();
      },
    },
    moment,
  );
}
