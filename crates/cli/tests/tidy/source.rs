//! What is code in a Rust source, what is a comment or a string, and where do functions end?

/// The source with everything in comments and literals blanked out; lines stay where they are.
pub(crate) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = not_code(rest);
        if skipped > 0 {
            code.extend(
                rest[..skipped]
                    .chars()
                    .map(|c| if c == '\n' { '\n' } else { ' ' }),
            );
            rest = &rest[skipped..];
            continue;
        }
        // A whole word at once, so that the `r` of `for"` is not taken for a raw string's.
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let step = if word == 0 { next.len_utf8() } else { word };
        code.push_str(&rest[..step]);
        rest = &rest[step..];
    }
    code
}

/// How many bytes of a comment or a literal stand at the beginning of this text.
fn not_code(text: &str) -> usize {
    let end = |from: usize, mark: &str| {
        text[from..]
            .find(mark)
            .map_or(text.len(), |at| from + at + mark.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return end(2, "*/");
    }
    let bare = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let prefix = text.len() - bare.len();
    if let Some(raw) = bare.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let closing = format!("\"{}", "#".repeat(hashes));
            return end(prefix + 2 + hashes, &closing);
        }
    }
    if bare.starts_with('"') {
        return prefix + quoted(bare, '"');
    }
    if bare.starts_with('\'') {
        return character(bare).map_or(0, |length| prefix + length);
    }
    0
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut inner = text[1..].chars();
    match inner.next()? {
        '\\' => Some(quoted(text, '\'')),
        c => (inner.next() == Some('\'')).then(|| 2 + c.len_utf8()),
    }
}

/// The words of a piece of code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The functions of a formatted source with more lines of code in their bodies than this: line and length. What
/// [`code_of`] has blanked out does not count.
pub(crate) fn long_functions(code: &str, most: usize) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        // A function has a name; `fn(` is the type of a pointer to one.
        let begins = words(line).any(|word| word == "fn") && line.contains("fn ");
        if !begins || line.trim_end().ends_with(';') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let last = first
            + lines[first..]
                .iter()
                .position(|line| line.trim_end() == closing)
                .unwrap_or(0);
        let opened = lines[first..=last]
            .iter()
            .position(|line| line.trim_end().ends_with('{'));
        let body = opened.map_or(&[][..], |at| &lines[first + at + 1..last]);
        let length = body.iter().filter(|line| !line.trim().is_empty()).count();
        if length > most {
            found.push((first + 1, length));
        }
    }
    found
}

#[test]
fn comments_and_literals_are_not_code() {
    let source = "let a = \"unsafe\"; // unsafe\nlet b = '\"'; /* unsafe */ let c = r#\"unsafe \" \"#; fn d<'a>() {}\n";
    let code = code_of(source);
    assert!(!code.contains("unsafe"), "{code}");
    assert!(code.contains("fn d<'a>() {}"), "{code}");
    assert_eq!(code.lines().count(), 2);
    assert!(code_of("unsafe { x }").contains("unsafe"));
}

#[test]
fn a_long_function_is_found_by_its_closing_brace() {
    let code = "impl A {\n    fn long() {\n        one();\n        two();\n    }\n\n    fn short() {}\n}\n";
    assert_eq!(long_functions(code, 1), [(2, 2)]);
    assert_eq!(long_functions(code, 2), []);
    assert_eq!(
        long_functions("let of = |side: fn(u8) -> u8| {\n    1\n};\n", 0),
        []
    );
}
