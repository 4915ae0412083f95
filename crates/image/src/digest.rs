//! Is this text a content digest, and what is the digest of these bytes?

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 content digest. It can only be made from exactly 64 lower-case hexadecimal digits, so it is always safe as
/// the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    hex: String,
}

/// A text that is no digest we can check content against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest: expected sha256: and 64 lower-case hexadecimal digits")]
pub struct InvalidDigest {
    /// The text as it was found, shortened.
    pub text: String,
}

impl Digest {
    /// Reads `sha256:<64 hex>` and nothing else.
    pub fn parse(text: &str) -> Result<Digest, InvalidDigest> {
        text.strip_prefix("sha256:")
            .filter(|hex| is_sha256_hex(hex))
            .map(|hex| Digest {
                hex: hex.to_owned(),
            })
            .ok_or_else(|| InvalidDigest {
                text: text.chars().take(80).collect(),
            })
    }

    /// Reads the bare 64 digits, as file names carry them.
    pub(crate) fn from_hex(hex: &str) -> Option<Digest> {
        is_sha256_hex(hex).then(|| Digest {
            hex: hex.to_owned(),
        })
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hash = Sha256::new();
        hash.update(bytes);
        Digest::finish(hash)
    }

    /// The digest of everything that `hash` was fed.
    pub(crate) fn finish(hash: Sha256) -> Digest {
        use fmt::Write as _;
        let mut hex = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Digest { hex }
    }

    /// The 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The identity of a layer on top of others, by the OCI image specification: the base layer's chain id is its diff id,
    /// every other hashes the chain below it and its own diff id.
    pub(crate) fn chain(below: Option<&Digest>, diff_id: &Digest) -> Digest {
        match below {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex)
    }
}

fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_strict_grammar_is_a_digest() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(Digest::parse(&good).unwrap().to_string(), good);
        for bad in [
            String::new(),
            "sha256:".into(),
            format!("sha256:{}", "0A".repeat(32)),
            format!("sha256:{}", "0a".repeat(31)),
            format!("sha256:{}/", "0a".repeat(32)),
            format!("sha256:../{}", "0".repeat(61)),
            format!("sha512:{}", "0a".repeat(32)),
            format!("SHA256:{}", "0a".repeat(32)),
            format!(" sha256:{}", "0a".repeat(32)),
            format!("sha256:{}\n", "0a".repeat(32)),
        ] {
            assert!(Digest::parse(&bad).is_err(), "{bad:?} passed");
        }
    }

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(
            Digest::of(b"").hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
