//! Join tokens: signed statements of who may enter which room, and what they may do there.
//!
//! A token is a JWT (RFC 7519), signed with HS256 and a secret that this server shares with whoever hands
//! the tokens out, or with EdDSA (Ed25519), whose public key is all that this server has. Its claims:
//! `room`, `access` (`"read"` or `"write"`), `exp`, and where it is for one client alone `sub`, the agent
//! id.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation, decode};
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use signaling_protocol::{AgentId, RoomId};
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};

use crate::from_file::InFile;
use crate::secret::Secret;

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// See, but not change: no writing to the room's log, and the others know it.
    Read,
    /// Everything.
    Write,
}

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Grant {
    pub(crate) room: RoomId,
    pub(crate) access: Access,
    /// Until when, in seconds since 1970.
    #[serde(deserialize_with = "seconds")]
    pub(crate) exp: u64,
    sub: Option<AgentId>,
}

/// why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("this server asks for a token")]
    Missing,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid: {0}")]
    Invalid(String),
    #[error("the token is for the room {granted:?}, not for {asked:?}")]
    OtherRoom { granted: RoomId, asked: RoomId },
    #[error("the token is for {granted:?}, not for {asked:?}")]
    OtherAgent { granted: AgentId, asked: AgentId },
}

/// What the signature of a token is checked with.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// Shared with the signer.
    Secret(Secret),
    /// That of the signer.
    Public(PublicKey),
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl InFile for PublicKey {
    /// Reads a key in PEM form, as `openssl pkey -pubout` writes it.
    fn read(path: &str) -> Result<Self, String> {
        let key = SubjectPublicKeyInfoDer::from_pem_file(path).map_err(|error| match error {
            pem::Error::Io(error) => error.to_string(),
            error => format!("no public key in PEM form: {error}"),
        })?;
        // All there is before the key says that it is one of Ed25519 (RFC 8410, section 4).
        let key = key
            .strip_prefix(&ED25519_PREFIX)
            .and_then(|key| key.try_into().ok());
        key.map(Self)
            .ok_or_else(|| "a key of another kind than Ed25519".to_owned())
    }
}

const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Checks tokens.
pub(crate) struct Tokens {
    keys: Vec<(DecodingKey, Validation)>,
}

impl Tokens {
    /// A token is good if one of `keys` signed it. One for another audience than `audience` is not.
    pub(crate) fn new(keys: &[Key], audience: Option<&str>) -> Self {
        // Only the first call of the process has an effect, and all install the same.
        let _ = PROVIDER.install_default();
        let keys = keys.iter().map(|key| {
            let (key, algorithm) = match key {
                Key::Secret(secret) => {
                    let key = DecodingKey::from_secret(secret.reveal().as_bytes());
                    (key, Algorithm::HS256)
                }
                Key::Public(PublicKey(key)) => (DecodingKey::from_ed_der(key), Algorithm::EdDSA),
            };
            let mut validation = Validation::new(algorithm);
            validation.leeway = 0;
            validation.validate_nbf = true;
            if let Some(audience) = audience {
                validation.set_audience(&[audience]);
            }
            (key, validation)
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// What `token` grants to `agent` in `room`.
    pub(crate) fn check(
        &self,
        token: Option<&str>,
        room: &RoomId,
        agent: &AgentId,
    ) -> Result<Grant, TokenError> {
        let grant = self.check_room(token, room)?;
        match &grant.sub {
            Some(granted) if granted != agent => Err(TokenError::OtherAgent {
                granted: granted.clone(),
                asked: agent.clone(),
            }),
            _ => Ok(grant),
        }
    }

    /// What `token` grants in `room`, where clients have no agent ids.
    pub(crate) fn check_room(
        &self,
        token: Option<&str>,
        room: &RoomId,
    ) -> Result<Grant, TokenError> {
        let token = token.ok_or(TokenError::Missing)?;
        let grant = self.decode(token)?;
        // The library lets a token through in the second in which it ends.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        if grant.exp <= now.unwrap_or_default().as_secs() {
            return Err(TokenError::Expired);
        }
        if grant.room != *room {
            return Err(TokenError::OtherRoom {
                granted: grant.room,
                asked: room.clone(),
            });
        }
        Ok(grant)
    }
}

impl Tokens {
    fn decode(&self, token: &str) -> Result<Grant, TokenError> {
        let mut refusal = TokenError::Missing;
        for (key, validation) in &self.keys {
            match decode::<Grant>(token, key, validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => match error.kind() {
                    // Its signature is good.
                    ErrorKind::ExpiredSignature => return Err(TokenError::Expired),
                    _ => refusal = TokenError::Invalid(error.to_string()),
                },
            }
        }
        Err(refusal)
    }
}

/// A time as JWTs have it: a number of seconds, perhaps with a fraction, which is left out.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if !(0.0..9e15).contains(&seconds) {
        return Err(D::Error::custom("no time in seconds since 1970"));
    }
    Ok(seconds as u64)
}

/// The library's own providers bring every algorithm of the standard. This one has HS256 and EdDSA alone,
/// from ring, which TLS brings anyway.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn no_signer(_: &Algorithm, _: &EncodingKey) -> jsonwebtoken::errors::Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn verifier(
    algorithm: &Algorithm,
    key: &DecodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    match algorithm {
        Algorithm::HS256 => {
            let secret = key.try_get_as_bytes()?;
            Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret))))
        }
        Algorithm::EdDSA => {
            let key = key.try_get_as_bytes()?.to_vec();
            Ok(Box::new(Ed25519(UnparsedPublicKey::new(&ED25519, key))))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Hs256(hmac::Key);

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct Ed25519(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for Ed25519 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let verified = self.0.verify(message, signature);
        verified.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "a secret of at least thirty-two bytes";

    fn now() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    fn token(header: Value, claims: Value, secret: &str) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn hs256(claims: Value) -> String {
        token(json!({"alg":"HS256","typ":"JWT"}), claims, SECRET)
    }

    fn tokens() -> Tokens {
        Tokens::new(&[Key::Secret(Secret::parse(SECRET).unwrap())], None)
    }

    fn check(token: &str) -> Result<Grant, TokenError> {
        let (room, agent) = (
            RoomId::parse("r").unwrap(),
            AgentId::parse("alice").unwrap(),
        );
        tokens().check(Some(token), &room, &agent)
    }

    #[test]
    fn a_good_token_grants_what_it_says() {
        let exp = now() + 60;
        let grant = check(&hs256(json!({"room":"r","access":"read","exp":exp}))).unwrap();
        assert_eq!((grant.access, grant.exp), (Access::Read, exp));
        let claims = json!({"room":"r","access":"write","exp":exp,"sub":"alice","iat":1});
        assert_eq!(check(&hs256(claims)).unwrap().access, Access::Write);
    }

    #[test]
    fn a_token_as_other_libraries_write_it_is_understood() {
        // Header and claims in another order, and a far future.
        let token = token(
            json!({"typ":"JWT","alg":"HS256"}),
            json!({"exp":4_000_000_000u64,"access":"write","room":"r"}),
            SECRET,
        );
        assert!(check(&token).is_ok());
    }

    #[test]
    fn what_is_not_signed_with_the_secret_is_refused() {
        let claims = json!({"room":"r","access":"write","exp":now() + 60});
        let header = json!({"alg":"HS256"});
        let forged = [
            token(
                header.clone(),
                claims.clone(),
                "another secret of thirty-two bytes",
            ),
            token(json!({"alg":"none"}), claims.clone(), SECRET),
            token(json!({"alg":"HS384"}), claims.clone(), SECRET),
            token(json!({"alg":"RS256"}), claims.clone(), SECRET),
            hs256(claims.clone()).rsplit_once('.').unwrap().0.to_owned() + ".",
            String::new(),
            "..".to_owned(),
        ];
        for token in forged {
            assert!(
                matches!(check(&token), Err(TokenError::Invalid(_))),
                "{token}"
            );
        }
        let good = hs256(claims);
        let parts: Vec<&str> = good.split('.').collect();
        let other = hs256(json!({"room":"r","access":"write","exp":now() + 6000}));
        let swapped = format!(
            "{}.{}.{}",
            parts[0],
            other.split('.').nth(1).unwrap(),
            parts[2]
        );
        assert!(matches!(check(&swapped), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn each_of_several_keys_opens_and_no_other() {
        let claims = json!({"room":"r","access":"write","exp":now() + 60});
        let room = RoomId::parse("r").unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let old = "another secret of thirty-two bytes";
        let keys = [
            Key::Secret(Secret::parse(old).unwrap()),
            Key::Secret(Secret::parse(SECRET).unwrap()),
            Key::Public(PublicKey(public)),
        ];
        let tokens = Tokens::new(&keys, None);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg":"EdDSA"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
        let eddsa = format!("{signed}.{signature}");
        let header = json!({"alg":"HS256"});
        let good = [
            eddsa.clone(),
            token(header.clone(), claims.clone(), old),
            hs256(claims.clone()),
        ];
        for token in good {
            assert!(tokens.check_room(Some(&token), &room).is_ok(), "{token}");
        }
        // The public key is known to all: it must not do as a secret.
        let with_public_key = {
            let key = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
            let signed = format!("{}.{}", part(&header), part(&claims));
            let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
            format!("{signed}.{tag}")
        };
        let bad = [
            with_public_key,
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
            token(header, claims, "a third secret of thirty-two bytes"),
        ];
        for token in bad {
            let refused = tokens.check_room(Some(&token), &room);
            assert!(matches!(refused, Err(TokenError::Invalid(_))), "{token}");
        }
    }

    #[test]
    fn an_audience_is_heeded() {
        let room = RoomId::parse("r").unwrap();
        let key = [Key::Secret(Secret::parse(SECRET).unwrap())];
        let claims = |aud: Value| {
            let mut claims = json!({"room":"r","access":"write","exp":now() + 60});
            claims["aud"] = aud;
            hs256(claims)
        };
        let (one, many, other) = (
            claims(json!("edit")),
            claims(json!(["mail", "edit"])),
            claims(json!("mail")),
        );
        let ours = Tokens::new(&key, Some("edit"));
        assert!(ours.check_room(Some(&one), &room).is_ok());
        assert!(ours.check_room(Some(&many), &room).is_ok());
        assert!(ours.check_room(Some(&other), &room).is_err());
        assert!(tokens().check_room(Some(&one), &room).is_err());
    }

    #[test]
    fn times_may_have_fractions_and_end_with_their_second() {
        let later = now() + 60;
        let claims = json!({"room":"r","access":"write","exp":later as f64 + 0.75});
        assert_eq!(check(&hs256(claims)).unwrap().exp, later);
        let at_its_end = json!({"room":"r","access":"write","exp":now()});
        assert_eq!(check(&hs256(at_its_end)), Err(TokenError::Expired));
    }

    #[test]
    fn a_public_key_is_read_from_a_file() {
        let folder = std::env::temp_dir().join(format!("token-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("key.pem");
        // As `openssl pkey -pubout` writes it.
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        std::fs::write(&file, pem).unwrap();
        let PublicKey(key) = PublicKey::read(file.to_str().unwrap()).unwrap();
        assert_eq!((key[0], key[31]), (0x19, 0xe1));
        std::fs::write(&file, "no key").unwrap();
        assert!(PublicKey::read(file.to_str().unwrap()).is_err());
        assert!(PublicKey::read("/no/such/file").is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_token_holds_for_its_time_room_and_agent_only() {
        let soon = now() + 60;
        let old = hs256(json!({"room":"r","access":"write","exp":now() - 1}));
        assert_eq!(check(&old), Err(TokenError::Expired));
        let early = json!({"room":"r","access":"write","exp":soon,"nbf":soon});
        assert!(matches!(check(&hs256(early)), Err(TokenError::Invalid(_))));
        for claims in [
            json!({"room":"r","access":"write"}),
            json!({"room":"r","access":"write","exp":"tomorrow"}),
            json!({"room":"r","access":"admin","exp":soon}),
            json!({"room":"","access":"write","exp":soon}),
            json!({"access":"write","exp":soon}),
        ] {
            assert!(
                matches!(check(&hs256(claims.clone())), Err(TokenError::Invalid(_))),
                "{claims}"
            );
        }
        let elsewhere = hs256(json!({"room":"s","access":"write","exp":soon}));
        assert!(matches!(
            check(&elsewhere),
            Err(TokenError::OtherRoom { .. })
        ));
        let other = hs256(json!({"room":"r","access":"write","exp":soon,"sub":"bob"}));
        assert!(matches!(check(&other), Err(TokenError::OtherAgent { .. })));
        let (room, agent) = (
            RoomId::parse("r").unwrap(),
            AgentId::parse("alice").unwrap(),
        );
        assert_eq!(
            tokens().check(None, &room, &agent),
            Err(TokenError::Missing)
        );
    }
}
