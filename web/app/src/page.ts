// The elements of index.html, by what they are for.

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

export const page = {
  room: element("room", HTMLElement),
  copyLink: element("copy-link", HTMLButtonElement),
  moreLinks: element("more-links", HTMLDetailsElement),
  copyReadLink: element("copy-read-link", HTMLButtonElement),
  newLink: element("new-link", HTMLButtonElement),
  newRoom: element("new-room", HTMLAnchorElement),
  status: element("status", HTMLElement),
  update: element("update", HTMLElement),
  updateTake: element("update-take", HTMLButtonElement),
  editor: element("editor", HTMLElement),
  count: element("count", HTMLElement),
  saving: element("saving", HTMLElement),
  recent: element("recent", HTMLElement),
  form: element("connection", HTMLFormElement),
  name: element("name", HTMLInputElement),
  server: element("server", HTMLInputElement),
  connect: element("connect", HTMLButtonElement),
  problem: element("problem", HTMLElement),
  problemTitle: element("problem-title", HTMLElement),
  problemAdvice: element("problem-advice", HTMLElement),
  problemDetail: element("problem-detail", HTMLElement),
  problemClose: element("problem-close", HTMLButtonElement),
  peers: element("peers", HTMLUListElement),
  hint: element("hint", HTMLElement),
  doctor: element("doctor", HTMLDetailsElement),
};

export type Page = typeof page;
