import { expect } from "vitest";
import { test } from "../src/stage.js";

test("the app comes compressed in what the browser takes, and its parts stay for good", async ({
  stage,
}) => {
  const page = await fetch(stage.server.url);
  expect(page.headers.get("cache-control")).toBe("no-cache");
  const script = /assets\/index-[^"]+\.js/.exec(await page.text())?.[0];
  const address = `${stage.server.url}/${script}`;
  const get = (accepted: string) => fetch(address, { headers: { "accept-encoding": accepted } });

  const plain = await get("identity");
  const text = await plain.text();
  expect(plain.headers.get("content-encoding")).toBe(null);
  const tags = new Set([plain.headers.get("etag")]);
  for (const [accepted, encoding] of [
    ["gzip, deflate, br, zstd", "br"],
    ["gzip", "gzip"],
  ] as const) {
    const answer = await get(accepted);
    expect(answer.headers.get("content-encoding")).toBe(encoding);
    expect(answer.headers.get("vary")).toBe("accept-encoding");
    expect(answer.headers.get("cache-control")).toContain("immutable");
    expect(Number(answer.headers.get("content-length"))).toBeLessThan(text.length / 2);
    expect(await answer.text()).toBe(text);
    tags.add(answer.headers.get("etag"));
  }
  // Each form has a tag of its own.
  expect(tags.size).toBe(3);
});
