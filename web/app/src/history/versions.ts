// Versions that have a name. They are kept on this device, beside the text of the room.

const KEY = "versions:";

export interface NamedVersion {
  name: string;
  /** The version as `Version.toText` gives it. */
  version: string;
  /** When it was named, in milliseconds since 1970. */
  time: number;
}

/** The versions of a room that have names, the one named last first; `room` is the name it is stored under. */
export function namedVersions(room: string): NamedVersion[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY + room) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isNamed) : [];
  } catch {
    return [];
  }
}

/** @throws {DOMException} where nothing can be stored */
export function keepVersions(room: string, versions: readonly NamedVersion[]): void {
  if (versions.length === 0) localStorage.removeItem(KEY + room);
  else localStorage.setItem(KEY + room, JSON.stringify(versions));
}

function isNamed(value: unknown): value is NamedVersion {
  const { name, version, time } = (value ?? {}) as Record<string, unknown>;
  return typeof name === "string" && typeof version === "string" && typeof time === "number";
}
