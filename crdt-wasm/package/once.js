// Loading that happens once, however often it is asked for, and again after a failure.

/** The `init` of an entry: `load` gets what it is given first. */
export function once(load) {
  let loading;
  return function init(input) {
    loading ??= load(input).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}
