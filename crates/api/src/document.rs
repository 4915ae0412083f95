//! What is a document that is made beforehand and carries its own media type: discovery, OpenAPI?

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// A document that is the same for every reader until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// For `Content-Type`: aggregated discovery is known by it.
    pub content_type: &'static str,
    /// For `ETag`, with its quotation marks; it changes whenever the document does.
    pub etag: Option<String>,
    body: Body,
}

/// Big documents lie compressed in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Plain(Vec<u8>),
    Gzipped(Arc<[u8]>),
}

impl Document {
    /// A small document.
    #[must_use]
    pub fn plain(content_type: &'static str, body: Vec<u8>) -> Document {
        Document {
            content_type,
            etag: None,
            body: Body::Plain(body),
        }
    }

    /// A document that lies compressed in memory.
    #[must_use]
    pub fn gzipped(content_type: &'static str, etag: String, body: Arc<[u8]>) -> Document {
        Document {
            content_type,
            etag: Some(etag),
            body: Body::Gzipped(body),
        }
    }

    /// The body, and whether it is compressed, in which case `Content-Encoding: gzip` belongs to it. A
    /// reader that did not send `Accept-Encoding: gzip` gets it plain.
    ///
    /// # Errors
    /// If what lies in memory cannot be decompressed, which would be a mistake of ours.
    pub fn body(&self, takes_gzip: bool) -> std::io::Result<(Vec<u8>, bool)> {
        match &self.body {
            Body::Plain(body) => Ok((body.clone(), false)),
            Body::Gzipped(body) if takes_gzip => Ok((body.to_vec(), true)),
            Body::Gzipped(body) => {
                let mut plain = Vec::new();
                GzDecoder::new(&body[..]).read_to_end(&mut plain)?;
                Ok((plain, false))
            }
        }
    }
}

/// Compresses a document for keeping.
pub(crate) fn gzip(plain: &[u8]) -> std::io::Result<Arc<[u8]>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_document_is_the_same_for_those_who_take_it_plain() {
        let text = "all the same ".repeat(100);
        let document = Document::gzipped(
            "text/plain",
            "\"1\"".to_owned(),
            gzip(text.as_bytes()).unwrap(),
        );
        let (plain, is_gzip) = document.body(false).unwrap();
        assert_eq!((plain, is_gzip), (text.clone().into_bytes(), false));
        let (packed, is_gzip) = document.body(true).unwrap();
        assert!(is_gzip && packed.len() < text.len() / 4);
    }
}
