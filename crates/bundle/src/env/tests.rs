use super::*;
use crate::fixture;

const OBJECTS: &str = "
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {COLOUR: blue, SIZE: '3'}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {TOKEN: s3cret, COLOUR: red}
";

fn running() -> Running {
    Running {
        pod_ips: vec!["10.0.0.2".to_owned(), "fd00::2".to_owned()],
        host_ips: vec!["192.0.2.1".to_owned()],
        node_name: "node-1".to_owned(),
        allocatable: NodeAmounts {
            cpu_milli: 2000,
            memory_bytes: 4 << 30,
            storage_bytes: 1 << 30,
        },
    }
}

fn assembled(container: &str) -> Result<Environment, EnvError> {
    let text = format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: p, labels: {{app: web}}}}
spec:
  containers:
  - name: c
    image: i
{container}
{OBJECTS}"
    );
    let (pod, mut objects) = fixture::pod(&text);
    let data = objects
        .config_maps
        .values_mut()
        .find_map(|map| map.data.as_mut())
        .unwrap();
    // Validation lets no such key in; the assembly must not rely on it.
    data.insert("bad=key".to_owned(), "x".to_owned());
    assemble(&pod, Slot(0), &objects, &running())
}

fn vars(container: &str) -> Vec<(String, String)> {
    assembled(container).unwrap().vars
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn whole_objects_come_first_and_the_later_wins() {
    let container = "
    envFrom:
    - configMapRef: {name: settings}
    - prefix: P_
      secretRef: {name: keys}
    - secretRef: {name: keys}
    - configMapRef: {name: missing, optional: true}
    env:
    - {name: SIZE, value: '4'}";
    let environment = assembled(container).unwrap();
    assert_eq!(
        environment.vars,
        pairs(&[
            ("COLOUR", "red"),
            ("P_COLOUR", "red"),
            ("P_TOKEN", "s3cret"),
            ("SIZE", "4"),
            ("TOKEN", "s3cret")
        ])
    );
    assert_eq!(environment.left_out, ["bad=key"]);
}

#[test]
fn a_value_sees_what_stands_before_it_and_itself_as_it_was() {
    let container = "
    envFrom: [{configMapRef: {name: settings}}]
    env:
    - {name: COLOUR, value: 'dark $(COLOUR)'}
    - {name: EARLY, value: '$(LATE)-$(COLOUR)-$$(COLOUR)'}
    - {name: LATE, value: x}
    - {name: RAW, valueFrom: {fieldRef: {fieldPath: metadata.name}}}";
    assert_eq!(
        vars(container),
        pairs(&[
            ("COLOUR", "dark blue"),
            ("EARLY", "$(LATE)-dark blue-$(COLOUR)"),
            ("LATE", "x"),
            ("RAW", "p"),
            ("SIZE", "3"),
        ])
    );
}

#[test]
fn an_optional_key_that_is_missing_leaves_what_was_there() {
    let container = "
    envFrom: [{configMapRef: {name: settings}}]
    env:
    - {name: COLOUR, valueFrom: {secretKeyRef: {name: keys, key: NONE, optional: true}}}
    - {name: NEW, valueFrom: {configMapKeyRef: {name: gone, key: NONE, optional: true}}}
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: TOKEN}}}";
    assert_eq!(
        vars(container),
        pairs(&[("COLOUR", "blue"), ("SIZE", "3"), ("TOKEN", "s3cret")])
    );
}

#[test]
fn what_is_missing_is_said_in_the_kubelets_words() {
    for (container, text) in [
        (
            "    envFrom: [{configMapRef: {name: gone}}]",
            "configmap \"gone\" not found",
        ),
        (
            "    envFrom: [{secretRef: {name: gone}}]",
            "secret \"gone\" not found",
        ),
        (
            "    env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: none}}}]",
            "couldn't find key none in ConfigMap default/settings",
        ),
        (
            "    env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: none}}}]",
            "couldn't find key none in Secret default/keys",
        ),
        (
            "    env: [{name: A, valueFrom: {secretKeyRef: {name: gone, key: none}}}]",
            "secret \"gone\" not found",
        ),
    ] {
        assert_eq!(
            assembled(container).unwrap_err().to_string(),
            text,
            "{container}"
        );
    }
}

#[test]
fn fields_and_amounts_of_the_pod_are_found() {
    let container = "
    resources: {requests: {cpu: 250m, memory: 64Mi}}
    env:
    - {name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}
    - {name: B, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
    - {name: C, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: D, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
    - {name: E, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}}
    - {name: F, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: G, valueFrom: {fieldRef: {fieldPath: \"metadata.annotations['none']\"}}}
    - {name: H, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}";
    assert_eq!(
        vars(container),
        pairs(&[
            ("A", "web"),
            ("B", "10.0.0.2,fd00::2"),
            ("C", "node-1"),
            ("D", "1"),
            ("E", "64"),
            ("F", "2"),
            ("G", ""),
            ("H", "192.0.2.1"),
        ])
    );
}

#[test]
fn all_labels_are_lines_with_quoted_values() {
    let (pod, _) = fixture::pod(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: x, b: z}, annotations: {q: \"1\\n\\\"2\"}}\nspec: {containers: [{name: c, image: i}]}\n",
    );
    assert_eq!(
        field(&pod, &running(), "metadata.labels").unwrap(),
        "a=\"x\"\nb=\"z\""
    );
    assert_eq!(
        field(&pod, &running(), "metadata.annotations").unwrap(),
        "q=\"1\\n\\\"2\""
    );
    assert!(field(&pod, &running(), "spec.nothing").is_err());
    assert!(field(&pod, &running(), "metadata.labels[app]").is_err());
}

/// Thirty variables, each twice the one before: 2^30 times the first one's 8 bytes.
fn doubling() -> String {
    let mut env = String::from("    env:\n    - {name: E0, value: xxxxxxxx}\n");
    for n in 1..=30 {
        let before = n - 1;
        env.push_str(&format!(
            "    - {{name: E{n}, value: '$(E{before})$(E{before})'}}\n"
        ));
    }
    env
}

#[test]
fn a_value_that_grows_is_refused_before_it_is_built() {
    let text = assembled(&doubling()).unwrap_err().to_string();
    assert_eq!(
        text,
        "env \"E14\" would have more than 131071 bytes, which is the most that the kernel takes in one text"
    );
}

#[test]
fn many_values_just_below_the_limit_are_refused_as_soon_as_they_are_too_many() {
    let mut env = format!("    env:\n    - {{name: A, value: {}}}\n", "x".repeat(1000));
    env.push_str(&format!(
        "    - {{name: L, value: {}}}\n",
        "$(A)".repeat(130)
    ));
    let all = |count: usize, name: &dyn Fn(usize) -> String| {
        let mut env = env.clone();
        for n in 0..count {
            env.push_str(&format!("    - {{name: {}, value: $(L)}}\n", name(n)));
        }
        assembled(&env)
    };
    assert!(all(14, &|n| format!("V{n}")).is_ok());
    let text = all(3000, &|n| format!("V{n}")).unwrap_err().to_string();
    assert!(
        text.contains("with env \"V15\"") && text.contains("2097152 bytes"),
        "{text}"
    );
    // One that is set again and again does not count twice, but took its time.
    assert!(all(100, &|_| "V".to_owned()).is_ok());
    let text = all(3000, &|_| "V".to_owned()).unwrap_err().to_string();
    assert!(text.contains("env \"V\" is not put together"), "{text}");
}
