//! Every example and every golden Pod goes the way that a client's goes, and hostile bodies end soon.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use outrigger_pod::Pod;
use outrigger_pod::admission::{
    Decodable, FieldValidation, Object, create, decode, resize, stored, update, update_ephemeral,
};
use outrigger_pod::manifest::{SourceFile, read};

fn pods_of(folder: &str) -> Result<Vec<Pod>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(folder);
    let mut pods = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let file = SourceFile {
            name: path.display().to_string(),
            text: std::fs::read_to_string(&path)?,
        };
        let manifest = read(&[file], &mut || "0a1b".to_owned());
        pods.extend(manifest?.pods);
    }
    Ok(pods)
}

#[test]
fn what_is_kept_may_be_sent_back_and_is_the_same_pod() {
    let mut pods = pods_of("examples").expect("good examples");
    pods.extend(pods_of("runtime-tests/golden").expect("good golden Pods"));
    assert!(pods.len() > 30, "{}", pods.len());
    for pod in pods {
        let name = pod.name.clone();
        let body = serde_json::to_string(&pod.manifest).expect("JSON");
        let read = decode(Decodable::Pod, &body, FieldValidation::Strict).expect(&name);
        let Object::Pod(sent) = read.object else {
            panic!("{name} is a Pod")
        };
        let admitted = create(*sent).expect(&name);
        assert_eq!(admitted.pod, pod, "{name}");
        let kept = admitted.object;
        assert_eq!(stored(kept.clone()).expect(&name), pod, "{name}");
        for replace in [update, update_ephemeral] {
            let again = replace(&kept, kept.clone()).expect(&name);
            assert_eq!(again.object, kept, "{name}");
            assert!(again.warnings.is_empty(), "{name}: {:?}", again.warnings);
        }
        let has_own_resources = kept
            .spec
            .as_ref()
            .is_some_and(|spec| spec.resources.is_some());
        assert_eq!(
            resize(&kept, kept.clone()).is_ok(),
            !has_own_resources,
            "{name}"
        );
    }
}

/// What this thread has had of a processor, whatever else the machine does.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let running_ns = stat.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(running_ns))
}

#[test]
fn large_and_hostile_bodies_end_soon() {
    const MIB: usize = 1 << 20;
    let unit = |text: &str| text.repeat(MIB / text.len());
    let keys: String = (0..40_000)
        .map(|number| format!("\"k{number}\":1,"))
        .collect();
    for (text, is_read) in [
        (unit("["), false),
        (unit("{\"a\":"), false),
        (unit("{a: "), false),
        (format!("{{{}", unit("\"a\":[],")), false),
        (format!("{{{keys}\"k0\":2}}"), true),
        (format!("{{\"spec\":{{{keys}\"containers\":[]}}}}"), true),
        (format!("{{{}\"kind\":\"Pod\"}}", unit("\"a\":1,")), false),
        (
            format!("{{{}\"kind\":\"Pod\"}}", "\"a\":1,".repeat(40_000)),
            true,
        ),
        (format!("{{\"data\":{}}}", unit(" ")), false),
        (format!("{{{}}}", unit(" ").repeat(3)), true),
        (unit("- ").repeat(3), false),
    ] {
        let start = processor_time().expect("a Linux with schedstat");
        let read = decode(Decodable::Pod, &text, FieldValidation::Warn);
        let took = processor_time().expect("a Linux with schedstat") - start;
        let shown: String = text.chars().take(20).collect();
        assert_eq!(read.is_ok(), is_read, "{shown:?}");
        assert!(took < Duration::from_secs(5), "{shown:?} took {took:?}");
        if let Ok(read) = read {
            assert!(read.warnings.len() <= 101, "{shown:?}");
        }
    }
}
