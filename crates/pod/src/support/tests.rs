use super::Support;
use crate::manifest::{SourceFile, read};

/// What is said about each field of a Pod whose spec is this.
fn said(spec: &str) -> Vec<(String, Support)> {
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{{spec} containers: [{{name: a, image: 'host:/'}}]}}}}"
    );
    let file = SourceFile {
        name: "pod.yaml".to_owned(),
        text,
    };
    let manifest = read(&[file], &mut || "u".to_owned()).expect("a good Pod");
    manifest
        .fields
        .into_iter()
        .map(|field| (field.path, field.support))
        .collect()
}

fn about(spec: &str, path: &str) -> Support {
    let said = said(spec);
    said.iter()
        .find(|(other, _)| other == path)
        .unwrap_or_else(|| panic!("{path} in {said:?}"))
        .1
}

#[test]
fn every_written_field_is_told_and_no_defaulted_one() {
    let paths: Vec<String> = said("hostNetwork: true,")
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    let containers = ["spec.containers[0].name", "spec.containers[0].image"];
    let written = ["apiVersion", "kind", "metadata.name", "spec.hostNetwork"];
    assert_eq!(paths, [&written[..], &containers].concat());
}

#[test]
fn a_value_that_changes_nothing_gives_no_warning() {
    for (spec, path) in [
        ("schedulerName: default-scheduler,", "spec.schedulerName"),
        ("serviceAccountName: default,", "spec.serviceAccountName"),
        ("priority: 0,", "spec.priority"),
        ("imagePullSecrets: [],", "spec.imagePullSecrets"),
        ("hostUsers: true,", "spec.hostUsers"),
        (
            "securityContext: {appArmorProfile: {type: Unconfined}},",
            "spec.securityContext.appArmorProfile",
        ),
    ] {
        assert_eq!(about(spec, path), Support::Bookkeeping, "{spec}");
    }
}

#[test]
fn what_has_no_effect_is_said_to_have_none() {
    for (spec, path) in [
        ("schedulerName: mine,", "spec.schedulerName"),
        ("nodeSelector: {a: b},", "spec.nodeSelector"),
        ("dnsPolicy: ClusterFirstWithHostNet,", "spec.dnsPolicy"),
        (
            "volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}],",
            "spec.volumes[0].emptyDir.sizeLimit",
        ),
        (
            "securityContext: {appArmorProfile: {type: RuntimeDefault}},",
            "spec.securityContext.appArmorProfile",
        ),
    ] {
        assert!(matches!(about(spec, path), Support::Ignored(_)), "{spec}");
    }
    let in_memory = "volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Gi}}],";
    assert_eq!(
        about(in_memory, "spec.volumes[0].emptyDir.sizeLimit"),
        Support::Honoured
    );
}

#[test]
fn what_would_be_another_pod_is_refused() {
    for (path, spec) in [
        ("spec.hostUsers", "hostUsers: false"),
        ("spec.runtimeClassName", "runtimeClassName: gvisor"),
        (
            "spec.volumes[0].nfs",
            "volumes: [{name: a, nfs: {server: b, path: /}}]",
        ),
        (
            "spec.volumes[0].projected",
            "volumes: [{name: a, projected: {sources: []}}]",
        ),
        (
            "spec.volumes[0].emptyDir.medium",
            "volumes: [{name: a, emptyDir: {medium: HugePages}}]",
        ),
        ("spec.schedulingGates", "schedulingGates: [{name: a/b}]"),
    ] {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{{spec}, containers: [{{name: a, image: 'host:/'}}]}}}}"
        );
        let file = SourceFile {
            name: "pod.yaml".to_owned(),
            text,
        };
        let rejected = read(&[file], &mut || "u".to_owned()).expect_err(spec);
        let refusal = rejected
            .problems
            .iter()
            .find(|problem| problem.path == path);
        assert!(
            refusal.is_some_and(|one| one.message.starts_with("not supported")),
            "{rejected:?}"
        );
    }
}
