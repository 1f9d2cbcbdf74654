// Finds turns of phrase that a native reader stumbles over, in every comment, name, message and page.
//
// node scripts/prose.mjs [--test]; --test shows first that each of them is found.
import { readFileSync } from "node:fs";
import path from "node:path";
import { execFileSync } from "node:child_process";

const ROOT = path.dirname(import.meta.dirname);

/** What is found, what to write in its place, and an example. */
const PHRASES = [
  [/\b(?:for|by|of|to|from|with|than|lets) who (?!(?:is|are|was|has|have|may|can|will)\b)/i, "for callers that …", "for who only reads"],
  [/\b(?:is|are|was|were) told\b(?! apart)/i, "receives, learns, is reported", "the others are told"],
  [/\b(?:tells?|telling|told) of\b/i, "reports", "an event tells of it"],
  [/\bcom(?:es?|ing) past\b/i, "passes", "what comes past here"],
  [/\bbe it (?:that|one|a|in|by)\b/i, "even if", "be it that they are deleted"],
  [/\bis no news\b/i, "is not reported", "that is no news"],
  [/\bin earnest\b/i, "really", "fails in earnest"],
  [/\bto nobody\b/i, "to no peer", "told to nobody"],
  [/(?:^|[.:] |\/\/ |\* )Whoever [a-z]+/, "A member that …", "Whoever listens hears it"],
  [/\btakes? note (?:of|that)\b/i, "records", "Takes note of a change"],
  [/\bcounts? for nothing\b/i, "is ignored", "unknown ids count for nothing"],
  [/\bnothing is done\b/i, "… and does nothing; leaves it unchanged", "any other, with which nothing is done"],
  [/\bsaid in words\b/i, "an error message", "what is wrong is said in words"],
  [/\btakes? leave\b/i, "says goodbye", "the peer takes leave"],
  [/\bas (?:much|little|few|small|short)(?: [a-z]+)? as can be\b/i, "as little as possible", "as little time as can be"],
  [/\bspeaks? of\b/i, "describes, refers to", "the index that it speaks of"],
  [/\bone behind the other\b/i, "one after the other", "varints, one behind the other"],
  [/\bcomes? to pass\b/i, "happens, succeeds", "only one of them comes to pass"],
  [/\blet(?:s|ting)? go of\b/i, "drops, releases", "lets go of the oldest"],
  [/\btext as it stands\b/i, "the current text", "an edit of the text as it stands"],
  [/\banother content\b/i, "different content", "an id with another content"],
  [/\bstands? beside\b/i, "is next to, is combined with", "the figure that stands beside it"],
  [/\bwhere the checks run\b/i, "in builds with debug assertions", "Small where the checks run"],
  [/\b(?:is|are) handed out\b/i, "is sent, is encoded", "nothing of it is handed out"],
];
const TEXT = /\.(?:rs|md|js|mjs|ts|tsx|css|html|toml|sh)$|^scripts\/[a-z-]+$/;
/** This file has the phrases. */
const EXEMPT = new Set(["scripts/prose.mjs"]);

function* found(file, text) {
  for (const [number, line] of text.split("\n").entries()) {
    for (const [phrase, better] of PHRASES) {
      const match = phrase.exec(line);
      if (match !== null) yield `${file}:${number + 1}: "${match[0].trim()}" (better: ${better})`;
    }
  }
}

if (process.argv.includes("--test")) {
  const missed = PHRASES.filter(([phrase, , example]) => !phrase.test(example));
  const wrong = [...found("page", "who may write; told apart; events from replicas that edit")];
  if (missed.length + wrong.length > 0) {
    console.error(`error: the check of phrases is wrong: ${[...missed.map(String), ...wrong]}`);
    process.exit(1);
  }
}
const files = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" }).split("\0");
const checked = files.filter((file) => TEXT.test(file) && !EXEMPT.has(file));
const problems = checked.flatMap((file) => [...found(file, readFileSync(path.join(ROOT, file), "utf8"))]);
if (problems.length > 0) {
  console.error(`error: plain words are missing here:\n       ${problems.join("\n       ")}`);
  process.exit(1);
}
