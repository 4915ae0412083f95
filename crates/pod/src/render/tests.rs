use super::*;

fn drawn(text: &str, start: usize, end: usize) -> String {
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let file = SourceFile {
        name: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let place = Place {
        line,
        column,
        start,
        end,
    };
    let problem = Problem {
        file: "a.yaml".to_owned(),
        path: "spec.a".to_owned(),
        message: "is \u{1b}[31mwrong".to_owned(),
        help: Some("mend it".to_owned()),
        place: Some(place),
    };
    problems(&[file], &[problem], Severity::Error, false)
}

#[test]
fn the_line_is_shown_and_the_place_marked() {
    let text = drawn("x: 1\nä: {b: c}\nz: 2\n", 10, 11);
    assert_eq!(
        text.lines().next(),
        Some("error: spec.a: is \u{fffd}[31mwrong")
    );
    assert!(text.contains("--> a.yaml:2:5"), "{text}");
    assert!(text.contains("2 | ä: {b: c}\n  |     ^\n"), "{text}");
    assert!(text.contains("help: mend it"), "{text}");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let long = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
    let text = drawn(&long, 5000, 5004);
    assert!(text.contains("a.yaml:1:5001"), "{text}");
    assert!(text.contains("HERE") && text.contains("^^^^\n"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() < 160),
        "{text}"
    );
}

#[test]
fn a_place_at_the_end_of_the_text_or_beyond_is_drawn() {
    for (start, end) in [(4, 4), (4, 90), (0, 90)] {
        assert!(drawn("a: b", start, end).contains("a.yaml:1:"));
    }
    assert!(drawn("", 0, 0).contains("a.yaml:1:1"));
}
