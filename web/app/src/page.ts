// The elements of index.html, by what they are for.

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

export const page = {
  skip: element("skip", HTMLAnchorElement),
  room: element("room", HTMLElement),
  copyLink: element("copy-link", HTMLButtonElement),
  moreLinks: element("more-links", HTMLDetailsElement),
  copyReadLink: element("copy-read-link", HTMLButtonElement),
  newLink: element("new-link", HTMLButtonElement),
  newRoom: element("new-room", HTMLAnchorElement),
  menu: element("menu", HTMLDetailsElement),
  find: element("find", HTMLButtonElement),
  numbers: element("numbers", HTMLButtonElement),
  showHistory: element("show-history", HTMLButtonElement),
  openFile: element("open-file", HTMLButtonElement),
  file: element("file", HTMLInputElement),
  saveText: element("save-text", HTMLButtonElement),
  saveMarkdown: element("save-markdown", HTMLButtonElement),
  saveHistory: element("save-history", HTMLButtonElement),
  print: element("print", HTMLButtonElement),
  showCode: element("show-code", HTMLButtonElement),
  code: element("code", HTMLDialogElement),
  paper: element("paper", HTMLPreElement),
  disconnect: element("disconnect", HTMLButtonElement),
  status: element("status", HTMLElement),
  update: element("update", HTMLElement),
  updateTake: element("update-take", HTMLButtonElement),
  text: element("text", HTMLElement),
  editor: element("editor", HTMLElement),
  history: element("history", HTMLElement),
  count: element("count", HTMLElement),
  coming: element("coming", HTMLElement),
  kept: element("kept", HTMLElement),
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
  tokenForm: element("token-form", HTMLFormElement),
  token: element("token", HTMLInputElement),
  problemClose: element("problem-close", HTMLButtonElement),
  peers: element("peers", HTMLUListElement),
  hint: element("hint", HTMLElement),
  doctor: element("doctor", HTMLDetailsElement),
  /** What does nothing before the document is there. */
  waiting: document.querySelectorAll<HTMLButtonElement>("button:disabled"),
};

export type Page = typeof page;
