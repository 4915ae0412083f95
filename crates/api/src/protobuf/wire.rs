//! What stands in a message, byte for byte?

/// What a field holds on the wire.
pub(super) enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads fields, one after the other.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next field. `Some(None)` at the end, `None` if the bytes make no sense.
    pub(super) fn next(&mut self) -> Option<Option<(u64, Content<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.number()?;
        let content = match tag & 7 {
            0 => Content::Number(self.number()?),
            1 => Content::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Content::Bytes(self.take(length)?)
            }
            5 => Content::Bytes(self.take(4)?),
            _ => return None,
        };
        Some(Some((tag >> 3, content)))
    }

    /// The next of numbers without tags. `Some(None)` at the end, `None` if the bytes make no sense.
    pub(super) fn packed(&mut self) -> Option<Option<u64>> {
        if self.0.is_empty() {
            return Some(None);
        }
        self.number().map(Some)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The texts of the fields 1 to N of a message; empty where there is none.
pub(super) fn texts<const N: usize>(bytes: &[u8]) -> Option<[&str; N]> {
    let mut found = [""; N];
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.next()? {
        if let Some(place) = place(number, &mut found)
            && let Content::Bytes(bytes) = content
        {
            *place = text(bytes)?;
        }
    }
    Some(found)
}

/// The numbers of the fields 1 to N of a message, where there are any.
pub(super) fn whole_numbers<const N: usize>(bytes: &[u8]) -> Option<[Option<i64>; N]> {
    let mut found = [None; N];
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.next()? {
        if let Some(place) = place(number, &mut found)
            && let Content::Number(value) = content
        {
            *place = Some(value.cast_signed());
        }
    }
    Some(found)
}

/// Where the field of a number goes.
fn place<T>(number: u64, found: &mut [T]) -> Option<&mut T> {
    let at = usize::try_from(number.checked_sub(1)?).ok()?;
    found.get_mut(at)
}

/// A map's key and its value.
pub(super) fn entry(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (mut key, mut value) = ("", &[][..]);
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Content::Bytes(bytes)) => key = text(bytes)?,
            (2, Content::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}
