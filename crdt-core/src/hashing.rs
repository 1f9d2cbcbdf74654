//! Hash tables. Keys come from others, so the native hasher has a random seed. The WebAssembly has
//! no randomness, so there the standard hasher would have the same seed every time, and a much
//! smaller one is as good.

use std::collections::HashMap;

/// A hash table. Each pair of types takes a kilobyte of code: tables of numbers are best `Map<u64, u64>`.
pub(crate) type Map<K, V> = HashMap<K, V, Hashing>;

#[cfg(not(target_arch = "wasm32"))]
type Hashing = std::hash::RandomState;
#[cfg(target_arch = "wasm32")]
type Hashing = std::hash::BuildHasherDefault<Fnv>;

/// FNV-1a, 64 bits.
#[cfg(any(test, target_arch = "wasm32"))]
#[derive(Debug, Clone)]
pub(crate) struct Fnv(u64);

#[cfg(any(test, target_arch = "wasm32"))]
impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

#[cfg(any(test, target_arch = "wasm32"))]
impl std::hash::Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    #[test]
    fn the_small_hash_is_fnv_1a() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            let mut hasher = Fnv::default();
            hasher.write(text.as_bytes());
            assert_eq!(hasher.finish(), hash, "{text}");
        }
    }
}
