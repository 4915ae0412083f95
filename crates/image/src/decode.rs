//! How does a blob become the bytes of a layer, counted and checked on both sides of its compression?

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::error::{Beyond, UnpackError};

/// What a blob must be.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// Its digest as it is stored, if somebody promised one.
    pub(crate) blob: Option<Digest>,
    /// Its length as it is stored.
    pub(crate) size_bytes: u64,
    /// The digest of what it decodes to.
    pub(crate) diff_id: Option<Digest>,
}

/// The largest window of a zstd frame: 2^27 bytes, what the command line tool accepts too.
const ZSTD_WINDOW_LOG: u32 = 27;
const BUFFER_BYTES: usize = 128 << 10;

/// The decoded form of a blob.
pub(crate) struct Decoded<R: Read> {
    decoder: Decoder<R>,
    hash: Sha256,
    count_bytes: u64,
    limit_bytes: u64,
}

enum Decoder<R: Read> {
    Plain(BufReader<Tap<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Tap<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Tap<R>>>),
}

/// Counts and hashes what passes.
struct Tap<R> {
    inner: R,
    hash: Sha256,
    count_bytes: u64,
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.count_bytes += count as u64;
        Ok(count)
    }
}

impl<R: Read> Decoded<R> {
    /// Looks at the first bytes to see how `blob` is compressed; media types lie too often to be asked.
    pub(crate) fn new(blob: R, limit_bytes: u64) -> Result<Decoded<R>, UnpackError> {
        let tap = Tap {
            inner: blob,
            hash: Sha256::new(),
            count_bytes: 0,
        };
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, tap);
        let magic = raw.fill_buf().map_err(UnpackError::Stream)?;
        let decoder = if magic.starts_with(&[0x1f, 0x8b]) {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(raw)))
        } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(raw).map_err(UnpackError::Stream)?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG)
                .map_err(UnpackError::Stream)?;
            Decoder::Zstd(decoder)
        } else {
            Decoder::Plain(raw)
        };
        Ok(Decoded {
            decoder,
            hash: Sha256::new(),
            count_bytes: 0,
            limit_bytes,
        })
    }

    /// Reads the rest and checks everything that was promised. Returns the number of decoded bytes.
    pub(crate) fn finish(mut self, promise: &Promise) -> Result<u64, UnpackError> {
        io::copy(&mut self, &mut io::sink()).map_err(UnpackError::from_stream)?;
        let tap = match self.decoder {
            Decoder::Plain(raw) => raw.into_inner(),
            Decoder::Gzip(gzip) => gzip.into_inner().into_inner(),
            Decoder::Zstd(zstd) => zstd.finish().into_inner(),
        };
        if tap.count_bytes != promise.size_bytes {
            return Err(UnpackError::WrongSize {
                promised_bytes: promise.size_bytes,
            });
        }
        agree("blob", promise.blob.as_ref(), Digest::finish(tap.hash))?;
        agree("layer", promise.diff_id.as_ref(), Digest::finish(self.hash))?;
        Ok(self.count_bytes)
    }
}

/// Whether the content is what was promised.
pub(crate) fn agree(
    what: &'static str,
    promised: Option<&Digest>,
    found: Digest,
) -> Result<(), UnpackError> {
    match promised {
        Some(promised) if *promised != found => Err(UnpackError::Mismatch {
            what,
            promised: promised.clone(),
            found,
        }),
        _ => Ok(()),
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.decoder {
            Decoder::Plain(raw) => raw.read(buffer)?,
            Decoder::Gzip(gzip) => gzip.read(buffer)?,
            Decoder::Zstd(zstd) => zstd.read(buffer)?,
        };
        self.count_bytes += count as u64;
        if self.count_bytes > self.limit_bytes {
            return Err(io::Error::other(Beyond::Bytes(self.limit_bytes)));
        }
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

impl UnpackError {
    /// A limit crosses the `Read` trait dressed as an I/O error; here it gets its own shape back.
    pub(crate) fn from_stream(error: io::Error) -> UnpackError {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Beyond>())
        {
            Some(beyond) => UnpackError::Beyond(beyond.clone()),
            None => UnpackError::Stream(error),
        }
    }
}
