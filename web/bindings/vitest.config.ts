import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "happy-dom",
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/load_package.ts"],
    // The random histories take seconds, and more of them on a busy machine.
    testTimeout: 60_000,
  },
});
