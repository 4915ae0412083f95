//! Names, as docker's own table of cases has them, and what must not pass.

use super::*;

fn canonical(text: &str) -> String {
    Reference::parse_below(text, Path::new("/here"))
        .unwrap_or_else(|error| panic!("{error}"))
        .to_string()
}

#[test]
fn names_get_their_full_form() {
    let digest = "ab".repeat(32);
    for (text, full) in [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("bitnami/redis", "docker.io/bitnami/redis:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        (
            "index.docker.io/library/busybox:x",
            "docker.io/library/busybox:x",
        ),
        ("localhost/app", "localhost/app:latest"),
        ("localhost/host", "host:/"),
        ("localhost/host:v1", "localhost/host:v1"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("ghcr.io/a/b/c__d:V1.x_y-z", "ghcr.io/a/b/c__d:V1.x_y-z"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("REGISTRY/app", "REGISTRY/app:latest"),
        ("oci", "docker.io/library/oci:latest"),
        ("host:9", "docker.io/library/host:9"),
        ("a--b/c", "docker.io/a--b/c:latest"),
    ] {
        assert_eq!(canonical(text), full);
        assert_eq!(canonical(full), full, "the full form must stay as it is");
    }
    assert_eq!(
        canonical(&format!("busybox@sha256:{digest}")),
        format!("docker.io/library/busybox@sha256:{digest}")
    );
    assert_eq!(
        canonical(&format!("a/b:c@sha256:{digest}")),
        format!("docker.io/a/b:c@sha256:{digest}")
    );
    assert_eq!(
        canonical(&format!("sha256:{digest}")),
        format!("sha256:{digest}")
    );
}

#[test]
fn local_sources_get_absolute_paths() {
    for (text, full) in [
        ("host:/", "host:/"),
        ("dir:/srv/root", "dir:/srv/root"),
        ("dir:root:with:colons", "dir:/here/root:with:colons"),
        ("oci:layout", "oci:/here/layout"),
        ("oci:/l:v1", "oci:/l:v1"),
        ("oci-archive:a.tar", "oci-archive:/here/a.tar"),
        (
            "oci-archive:/a.tar:docker.io/x:1",
            "oci-archive:/a.tar:docker.io/x:1",
        ),
        ("docker-archive:/a.tar", "docker-archive:/a.tar"),
        (
            "docker-archive:/a.tar:busybox",
            "docker-archive:/a.tar:docker.io/library/busybox:latest",
        ),
    ] {
        assert_eq!(canonical(text), full);
    }
}

#[test]
fn what_is_no_name_is_refused_with_a_remedy() {
    let uppercase_digest = format!("busybox@sha256:{}", "AB".repeat(32));
    let long = format!("docker.io/{}", "a".repeat(250));
    let hex = "ab".repeat(32);
    for text in [
        "",
        " ",
        "busybox ",
        "Busybox",
        "docker.io/Busybox",
        "busybox:",
        "busybox:-x",
        "busybox:.x",
        "a//b",
        "/a",
        "a/",
        "a_.b",
        "a___b",
        "a..b",
        "-a",
        "a-",
        "busybox@",
        "busybox@sha256:00",
        "busybox@md5:00",
        "localhost:port/a",
        "localhost:0/a",
        "localhost:99999/a",
        "ho_st.x/a",
        "-host.x/a",
        "[::g]/a",
        "../etc",
        "a/../b",
        "host:/etc",
        "dir:",
        "oci:",
        "oci:/x:",
        "oci-archive:",
        "docker-archive:/x:UPPER",
        "a\nb",
        "a\0b",
        "a:b:c",
        "http://x/y",
        uppercase_digest.as_str(),
        long.as_str(),
        hex.as_str(),
    ] {
        match Reference::parse_below(text, Path::new("/here")) {
            Ok(reference) => panic!("{text:?} became {reference}"),
            Err(error) => assert!(!error.remedy.is_empty()),
        }
    }
    let error = Reference::parse("Busybox").unwrap_err().to_string();
    assert_eq!(
        error,
        "image name \"Busybox\" is invalid: its repository has upper-case letters; write the repository in lower case"
    );
    assert!(Reference::parse(&"a".repeat(100_000)).is_err());
}
