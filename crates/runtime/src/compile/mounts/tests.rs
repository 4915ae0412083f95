use super::*;

fn options(list: &[&str]) -> Options {
    parse(
        "mounts[0]",
        &list
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>(),
    )
    .unwrap()
}

#[test]
fn the_later_option_wins() {
    let got = options(&["ro", "nosuid", "rw", "noatime", "relatime"]);
    assert_eq!(got.top.set, attr::NOSUID);
    assert_eq!(got.top.clear, attr::RDONLY | attr::ATIME);
}

#[test]
fn options_with_an_r_reach_below() {
    let got = options(&["rbind", "rro", "rprivate", "ro"]);
    assert_eq!(got.bind, Some(Bind::Tree));
    assert_eq!((got.below.set, got.top.set), (attr::RDONLY, attr::RDONLY));
    assert_eq!(got.propagation, Some((Propagation::Private, true)));
    assert!(got.data.is_empty());
}

#[test]
fn everything_else_is_for_the_file_system() {
    let got = options(&["mode=0755", "size=65536k", "newinstance"]);
    assert_eq!(got.data.len(), 3);
    assert_eq!(got.data[0].0.as_c_str(), c"mode");
    assert_eq!(got.data[2].1, None);
    assert!(parse("mounts[0]", &["idmap".to_owned()]).is_err());
}

#[test]
fn each_controller_gets_its_directory_and_a_machine_without_gets_v2() {
    let trees = [
        "cpu,cpuacct".to_owned(),
        "name=systemd".to_owned(),
        "memory".to_owned(),
        // Our groups are not in these two, and a container would see the machine's.
        "blkio".to_owned(),
        "freezer".to_owned(),
        String::new(),
    ];
    let Source::CgroupsV1(list) = cgroups(&trees).unwrap() else {
        panic!("not v1")
    };
    assert_eq!(list.len(), 2);
    assert_eq!(list[0].directory.as_c_str(), c"cpu,cpuacct");
    assert_eq!((list[0].aliases.len(), list[1].aliases.len()), (2, 0));
    assert!(matches!(
        cgroups(&[String::new()]).unwrap(),
        Source::New { .. }
    ));
}
