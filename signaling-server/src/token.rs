//! Join tokens: signed statements of who may enter which room, and what they may do there.
//!
//! A token is a JWT signed with HS256 and a secret that this server shares with whoever hands the
//! tokens out. Its claims: `room`, `access` (`"read"` or `"write"`), `exp`, and where it is for one
//! client alone `sub`, the agent id.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation, decode};
use ring::hmac;
use serde::Deserialize;
use signaling_protocol::{AgentId, RoomId};

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// See, but not change: no writing to the room's log, and the others are told.
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
    pub(crate) exp: u64,
    sub: Option<AgentId>,
}

/// Why a token does not open the door.
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

/// Checks tokens.
pub(crate) struct Tokens {
    key: DecodingKey,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(secret: &str) -> Self {
        // Only the first call of the process has an effect, and all install the same.
        let _ = PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        Self {
            key: DecodingKey::from_secret(secret.as_bytes()),
            validation,
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
        let grant = decode::<Grant>(token, &self.key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid(error.to_string()),
            })?
            .claims;
        if grant.room != *room {
            return Err(TokenError::OtherRoom {
                granted: grant.room,
                asked: room.clone(),
            });
        }
        Ok(grant)
    }
}

/// The library's own providers bring every algorithm of the standard. This one has HS256 alone, from
/// ring, which TLS brings anyway.
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

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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

    fn check(token: &str) -> Result<Grant, TokenError> {
        let (room, agent) = (
            RoomId::parse("r").unwrap(),
            AgentId::parse("alice").unwrap(),
        );
        Tokens::new(SECRET).check(Some(token), &room, &agent)
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
            Tokens::new(SECRET).check(None, &room, &agent),
            Err(TokenError::Missing)
        );
    }
}
