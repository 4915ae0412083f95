use super::*;
use crate::manifest::Path;
use crate::manifest::tree::Value;

fn read(text: &str) -> (Vec<Node>, Vec<Problem>) {
    let mut problems = Vec::new();
    let file = SourceFile {
        name: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let nodes = documents(&file, &mut problems);
    (nodes, problems)
}

fn one(text: &str) -> Node {
    let (mut nodes, problems) = read(text);
    assert_eq!((problems.len(), nodes.len()), (0, 1), "{problems:?}");
    nodes.remove(0)
}

/// What the text holds at the place of a path.
fn pointed<'a>(text: &'a str, path: &str) -> (usize, usize, &'a str) {
    let (nodes, _) = read(text);
    let place = nodes
        .last()
        .expect("a document")
        .place_of(&Path::parse(path));
    (place.line, place.column, &text[place.start..place.end])
}

#[test]
fn every_path_points_at_its_text() {
    let text =
        "# ä\na:\n  - ü: [1, 'x y']\n    b: |\n      text\n  - c: \"ß\"\n---\nd: {e.f/g: {h: 5}}\n";
    let first = text.split("---").next().expect("a part");
    assert_eq!(pointed(first, "a[0].ü[1]"), (3, 12, "'x y'"));
    assert_eq!(pointed(first, "a[0].b"), (4, 5, "b"));
    assert_eq!(pointed(first, "a[1].c"), (6, 8, "\"ß\""));
    assert_eq!(pointed(first, "a[1].missing.deeper"), (6, 5, "c"));
    assert_eq!(pointed(first, "a"), (2, 1, "a"));
    assert_eq!(pointed(text, "d[e.f/g].h"), (8, 16, "5"));
    assert_eq!(pointed(text, "d[e.f/g]"), (8, 5, "e.f/g"));
}

#[test]
fn documents_are_split_at_marks_and_not_within_text() {
    let (nodes, problems) =
        read("%YAML 1.2\n--- # first\na: 1\n---\n# nothing\n---\nb: '--- x'\n...\n--- {c: 1}\n");
    assert_eq!(problems, []);
    let keys: Vec<bool> = ["a", "b", "c"]
        .iter()
        .zip(&nodes)
        .map(|(key, node)| node.get(key).is_some())
        .collect();
    assert_eq!(keys, [true, true, true]);
    assert_eq!(nodes.len(), 3);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_part_of_the_text() {
    let text = "\u{feff}a: x\r\n---\r\nb: v\r\n";
    let (nodes, problems) = read(text);
    assert_eq!((nodes.len(), problems.len()), (2, 0), "{problems:?}");
    assert_eq!(nodes[1].get("b").and_then(Node::text), Some("v"));
    assert_eq!(pointed(text, "b"), (3, 4, "v"));
}

#[test]
fn json_is_read_with_its_tabs_and_escapes() {
    let node = one("{\n\t\"a\": [\"x\\ty\", \"\\u00e4\", \"\\/\", 1.5e0, true, null]\n}\n");
    let Some(Value::List(items)) = node.get("a").map(|node| &node.value) else {
        panic!("{node:?}")
    };
    let texts: Vec<_> = items.iter().filter_map(Node::text).collect();
    assert_eq!(texts, ["x\ty", "ä", "/"]);
}

#[test]
fn merged_keys_give_way_to_the_mappings_own() {
    let node = one("base: &b {x: 1, w: 2}\nother: &o {z: 4}\nc:\n  <<: [*b, *o]\n  w: 3\n");
    let c = node.get("c").expect("c");
    let value = |key: &str| {
        c.get(key)
            .map(|node| format!("{:?}", node.value))
            .unwrap_or_default()
    };
    assert_eq!(
        [value("x"), value("w"), value("z")],
        ["Int(1)", "Int(3)", "Int(4)"]
    );
    assert!(read("a: {<<: 5}").1[0].message.contains("merges a mapping"));
}

#[test]
fn limits_hold() {
    assert!(read(&"[".repeat(65)).1[0].message.contains("64 levels"));
    assert_eq!(read(&format!("{}{}", "[".repeat(64), "]".repeat(64))).1, []);
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\n".to_owned()
        + &(0..40)
            .map(|n| {
                format!(
                    "c{n}: &c{n} [*{0}, *{0}]\n",
                    if n == 0 {
                        "b".to_owned()
                    } else {
                        format!("c{}", n - 1)
                    }
                )
            })
            .collect::<String>();
    assert!(
        read(&bomb).1[0].message.contains("values"),
        "{:?}",
        read(&bomb).1
    );
    assert!(
        read(&" ".repeat((1 << 20) + 1)).1[0]
            .message
            .contains("1 MiB")
    );
}

#[test]
fn the_parsers_complaints_come_with_a_remedy() {
    for (text, remedy) in [
        ("a: b: c", "in quotes"),
        ("a:\n\tb: c", "spaces"),
        ("a: *b", "in quotes"),
        ("{\"a\": \"\\ud83d\\ude00\"}", "as itself"),
    ] {
        let help = read(text).1.remove(0).help;
        assert!(
            help.as_ref().is_some_and(|help| help.contains(remedy)),
            "{text}: {help:?}"
        );
    }
}

#[test]
fn what_json_cannot_hold_is_a_problem() {
    for text in [
        "a: .inf",
        "a: .nan",
        "? [a]\n: b",
        "a: !mine b",
        "? \n: b",
        "a: 1\n...\nb: 2\n",
    ] {
        assert_eq!(read(text).1.len(), 1, "{text}: {:?}", read(text));
    }
    assert_eq!(
        read("a: !!str 5").0[0].get("a").and_then(Node::text),
        Some("5")
    );
}

#[test]
fn what_aliases_make_is_bounded_by_its_bytes_as_well_as_by_its_values() {
    let text = format!(
        "a: &long {}\nb: [{}*long]\n",
        "x".repeat(100_000),
        "*long, ".repeat(100)
    );
    let (nodes, problems) = read(&text);
    assert!(nodes.is_empty());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].message.contains("longer than 2 MiB"),
        "{problems:?}"
    );
}

#[test]
fn keys_that_are_given_twice_thousands_of_times_are_told_a_hundred_times() {
    let (_, problems) = read(&"a: 1\n".repeat(50_000));
    assert_eq!(problems.len(), 100);
}

#[test]
fn a_long_key_is_not_copied_for_all_that_stands_below_it() {
    let text = format!("? {}\n:\n{}", "k".repeat(2_000), "  - a\n".repeat(100));
    let (_, problems) = read(&text);
    assert!(
        problems[0].message.contains("a key in it has more than"),
        "{problems:?}"
    );
}
