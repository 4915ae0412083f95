//! How are a SPDY stream's headers packed? Counted names and values, compressed by zlib with a
//! dictionary that both sides know, in one stream for the whole connection.

use flate2::{Compress, Compression, Decompress, FlushDecompress, Status};

use super::SpdyError;

/// A header block that unpacks to more is refused.
const UNPACKED_MAX: usize = 16 * 1024;

/// The words that begin the dictionary, each after its length as four bytes.
const COUNTED: &str = "options head post put delete trace accept accept-charset accept-encoding \
accept-language accept-ranges age allow authorization cache-control connection content-base \
content-encoding content-language content-length content-location content-md5 content-range \
content-type date etag expect expires from host if-match if-modified-since if-none-match if-range \
if-unmodified-since last-modified location max-forwards pragma proxy-authenticate \
proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
user-agent vary via warning www-authenticate method get status 200|OK version HTTP/1.1 url public \
set-cookie keep-alive origin";

/// The text that ends it.
const PLAIN: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415\
416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request\
401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service \
UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, \
Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,\
text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,\
utf-,*,enq=0.";

/// The dictionary of SPDY/3 (section 2.6.10.1 of its draft).
pub(super) fn dictionary() -> Vec<u8> {
    let mut dictionary = Vec::with_capacity(1_423);
    for word in COUNTED.split(' ') {
        let word = word.replace('|', " ");
        let length = u32::try_from(word.len()).unwrap_or(0);
        dictionary.extend_from_slice(&length.to_be_bytes());
        dictionary.extend_from_slice(word.as_bytes());
    }
    dictionary.extend_from_slice(PLAIN.as_bytes());
    dictionary
}

/// Unpacks the header blocks of one connection, one after the other.
pub(super) struct Inflater {
    zlib: Decompress,
}

impl Inflater {
    pub(super) fn new() -> Inflater {
        Inflater {
            zlib: Decompress::new(true),
        }
    }

    /// The names and values of the next block.
    pub(super) fn headers(&mut self, block: &[u8]) -> Result<Vec<(String, String)>, SpdyError> {
        take_apart(&self.unpack(block)?).ok_or(SpdyError::Headers)
    }

    fn unpack(&mut self, block: &[u8]) -> Result<Vec<u8>, SpdyError> {
        let mut unpacked = vec![0; UNPACKED_MAX];
        let (from_in, from_out) = (self.zlib.total_in(), self.zlib.total_out());
        loop {
            let used = usize::try_from(self.zlib.total_in() - from_in).unwrap_or(usize::MAX);
            let made = usize::try_from(self.zlib.total_out() - from_out).unwrap_or(usize::MAX);
            let (Some(rest), Some(room)) = (block.get(used..), unpacked.get_mut(made..)) else {
                return Err(SpdyError::Headers);
            };
            if rest.is_empty() {
                unpacked.truncate(made);
                return Ok(unpacked);
            }
            match self.zlib.decompress(rest, room, FlushDecompress::Sync) {
                Ok(Status::StreamEnd) => return Err(SpdyError::Headers),
                Ok(_) => {
                    // Without progress it is either too much or no end is in sight.
                    let progress = self.zlib.total_in() - from_in > used as u64;
                    if !progress {
                        return Err(SpdyError::Headers);
                    }
                }
                Err(problem) if problem.needs_dictionary().is_some() => {
                    self.zlib
                        .set_dictionary(&dictionary())
                        .map_err(|_| SpdyError::Headers)?;
                }
                Err(_) => return Err(SpdyError::Headers),
            }
        }
    }
}

fn take_apart(unpacked: &[u8]) -> Option<Vec<(String, String)>> {
    fn number(rest: &mut &[u8]) -> Option<usize> {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        *rest = tail;
        usize::try_from(u32::from_be_bytes(*head)).ok()
    }
    fn text(rest: &mut &[u8]) -> Option<String> {
        let length = number(rest)?;
        let (head, tail) = rest.split_at_checked(length)?;
        *rest = tail;
        String::from_utf8(head.to_vec()).ok()
    }
    let mut rest = unpacked;
    let count = number(&mut rest)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        headers.push((text(&mut rest)?.to_ascii_lowercase(), text(&mut rest)?));
    }
    Some(headers)
}

/// A block without headers, the first of the connection or a later one. It is packed without
/// compression (a stored block of deflate), so that no state need be kept for it.
pub(super) fn empty_block(first: bool) -> Vec<u8> {
    let mut block = Vec::new();
    if first {
        block.extend_from_slice(&zlib_head());
    }
    // Not the last block, stored, four bytes: the count of headers, 0.
    block.extend_from_slice(&[0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0]);
    // A block of nothing, as a flush leaves it: without it some readers wait for more, and fail.
    block.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
    block
}

/// The head of a zlib stream that asks for the dictionary.
fn zlib_head() -> [u8; 6] {
    let mut probe = Compress::new(Compression::fast(), true);
    let id = probe
        .set_dictionary(&dictionary())
        .unwrap_or(DICTIONARY_ID)
        .to_be_bytes();
    [0x78, 0xbb, id[0], id[1], id[2], id[3]]
}

/// The dictionary's Adler-32, by which a zlib stream names it.
pub(super) const DICTIONARY_ID: u32 = 0xe3c6_a7c2;
