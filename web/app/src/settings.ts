// What the browser keeps of this page's settings.

/** A value that was stored; `null` where there is none, or storage is switched off. */
export function storedValue(storage: () => Storage, key: string): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

/** Stores a value, or removes it; where storage is switched off, it is forgotten with the page. */
export function store(storage: () => Storage, key: string, value: string | null): void {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    // Then it has to be given again next time.
  }
}

/** A random whole number below the limit. */
export function random(limit: number): number {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
  return number % limit;
}
