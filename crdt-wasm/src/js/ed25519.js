// Ed25519 for browsers whose WebCrypto has none. The library is loaded when it is first needed;
// package/build.mjs puts it beside this file.

let loading;

const library = () => (loading ??= import("./ed25519_library.js"));

export const publicKeyOf = async (seed) => (await library()).getPublicKeyAsync(seed);

export const signWith = async (seed, bytes) => (await library()).signAsync(bytes, seed);

/** Whether the signature is right by RFC 8032, as browsers check it. */
export const isSigned = async (signature, bytes, publicKey) =>
  (await library()).verifyAsync(signature, bytes, publicKey, { zip215: false });
