use super::*;

fn bounding(add: &[&str], drop: &[&str], uid: u32) -> Vec<String> {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let context = core::SecurityContext {
        capabilities: Some(core::Capabilities {
            add: list(add),
            drop: list(drop),
        }),
        ..Default::default()
    };
    let all = ["CAP_CHOWN".to_owned(), "CAP_SYS_ADMIN".to_owned()];
    let caps = capabilities(Some(&context), &all, uid).unwrap();
    assert_eq!(caps.inheritable().as_ref().map(|set| set.len()), Some(0));
    assert_eq!(caps.ambient().as_ref().map(|set| set.len()), Some(0));
    if uid == 0 {
        assert_eq!(caps.effective(), caps.bounding());
    } else {
        assert_eq!(caps.effective().as_ref().map(|set| set.len()), Some(0));
    }
    let mut names: Vec<String> = caps
        .bounding()
        .iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_asked_gives_the_nine() {
    assert_eq!(bounding(&[], &[], 0), DEFAULT);
    assert_eq!(bounding(&[], &[], 1000), DEFAULT);
}

#[test]
fn all_is_dropped_before_one_is_added() {
    assert_eq!(
        bounding(&["NET_BIND_SERVICE"], &["ALL"], 0),
        ["NET_BIND_SERVICE"]
    );
    assert_eq!(bounding(&[], &["all"], 0), Vec::<String>::new());
}

#[test]
fn all_added_is_no_more_than_we_have_ourselves() {
    assert_eq!(bounding(&["ALL"], &[], 0), ["CHOWN", "SYS_ADMIN"]);
    assert_eq!(bounding(&["ALL"], &["CAP_CHOWN"], 0), ["SYS_ADMIN"]);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let context = core::SecurityContext {
        capabilities: Some(core::Capabilities {
            add: Some(vec!["FLY".to_owned()]),
            drop: None,
        }),
        ..Default::default()
    };
    let error = capabilities(Some(&context), &[], 0).unwrap_err();
    assert_eq!(error.to_string(), "unknown capability \"FLY\" to add");
}

#[test]
fn a_privileged_container_has_all_that_we_have() {
    let context = core::SecurityContext {
        privileged: Some(true),
        ..Default::default()
    };
    let caps = capabilities(Some(&context), &["CAP_SYS_ADMIN".to_owned()], 0).unwrap();
    assert_eq!(caps.bounding().as_ref().map(|set| set.len()), Some(1));
}
