//! Which variables and arguments does a process get, and where does it begin?

use std::process::ExitCode;

use runtime_tests::told::tells;
use runtime_tests::{Verdict, World, ensure, pod_of, run, tests};

fn main() -> ExitCode {
    run(tests![
        references_are_resolved_once_and_in_order,
        variables_come_from_objects,
        fields_of_the_pod_are_variables,
        resources_are_variables,
        arguments_are_expanded,
        the_folder_is_made_if_it_is_missing,
        a_folder_that_is_a_file_is_named,
        nothing_of_our_own_environment_comes_in,
    ])
}

fn with_env(script: &str, rest: &str) -> String {
    pod_of("", script) + rest
}

const OBJECTS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {one: first, key.dot: dotted}\n---\n\
                       apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: '$(ONE)', one: hidden}\n---\n";

fn references_are_resolved_once_and_in_order(world: &World) -> Verdict {
    let env = "    env:
    - {name: ONE, value: first}
    - {name: BOTH, value: '$(ONE)-$(LATER)-$$(ONE)-$(ONE'}
    - {name: LATER, value: last}
    - {name: TWICE, value: $(BOTH)}
    - {name: SELF, value: one}
    - {name: SELF, value: $(SELF)two}
    - {name: EMPTY, value: ''}
    - {name: PATH, value: '/usr/bin:/bin'}
";
    let wanted = [
        ("main.BOTH", "first-$(LATER)-$(ONE)-$(ONE"),
        ("main.TWICE", "first-$(LATER)-$(ONE)-$(ONE"),
        ("main.SELF", "onetwo"),
        ("main.EMPTY", ""),
        ("main.PATH", "/usr/bin:/bin"),
        ("main.set", "yes"),
    ];
    let script = "env | sed 's/=/ /'; echo set ${EMPTY-no}yes";
    tells(world, &with_env(script, env), &wanted)
}

fn variables_come_from_objects(world: &World) -> Verdict {
    let env = "    envFrom:
    - {configMapRef: {name: settings}, prefix: P_}
    - {configMapRef: {name: settings}}
    - {secretRef: {name: keys}}
    - {secretRef: {name: nowhere, optional: true}}
    env:
    - {name: ONE, value: not this}
    - {name: REFERS, value: $(P_one) $(token)}
    - {name: KEY, valueFrom: {configMapKeyRef: {name: settings, key: one}}}
    - {name: SECRET, valueFrom: {secretKeyRef: {name: keys, key: token}}}
    - {name: NONE, valueFrom: {secretKeyRef: {name: keys, key: absent, optional: true}}}
    - {name: one, valueFrom: {configMapKeyRef: {name: nowhere, key: x, optional: true}}}
";
    let wanted = [
        ("main.P_one", "first"),
        ("main.P_key.dot", "dotted"),
        // The later source wins, and what is optional and missing takes nothing away.
        ("main.one", "hidden"),
        // Values of Secrets are not looked into.
        ("main.token", "$(ONE)"),
        ("main.REFERS", "first $(ONE)"),
        ("main.KEY", "first"),
        ("main.SECRET", "$(ONE)"),
        ("main.none", "unset"),
    ];
    let script = "tr '\\0' '\\n' < /proc/1/environ | sed 's/=/ /'; echo none ${NONE-unset}";
    tells(
        world,
        &(OBJECTS.to_string() + &with_env(script, env)),
        &wanted,
    )
}

fn fields_of_the_pod_are_variables(world: &World) -> Verdict {
    let field = |name: &str, path: &str| {
        format!("    - {{name: {name}, valueFrom: {{fieldRef: {{fieldPath: \"{path}\"}}}}}}\n")
    };
    let env = "    env:\n".to_string()
        + &field("NAME", "metadata.name")
        + &field("SPACE", "metadata.namespace")
        + &field("UID_OF", "metadata.uid")
        + &field("LABEL", "metadata.labels['app']")
        + &field("NOTE", "metadata.annotations['a/note']")
        + &field("NO_LABEL", "metadata.labels['none']")
        + &field("NODE", "spec.nodeName");
    let manifest = with_env("env | sed 's/=/ /'", &env).replace(
        "metadata: {name: try}",
        "metadata: {name: try, namespace: there, uid: 0b5a4c3e-0000-4000-8000-000000000001, labels: {app: web}, annotations: {a/note: two words}}",
    );
    let wanted = [
        ("main.NAME", "try"),
        ("main.SPACE", "there"),
        ("main.UID_OF", "0b5a4c3e-0000-4000-8000-000000000001"),
        ("main.LABEL", "web"),
        ("main.NOTE", "two words"),
        ("main.NO_LABEL", ""),
    ];
    tells(world, &manifest, &wanted)
}

fn resources_are_variables(world: &World) -> Verdict {
    let resource = |name: &str, of: &str, divisor: &str| {
        format!(
            "    - {{name: {name}, valueFrom: {{resourceFieldRef: {{resource: {of}, divisor: {divisor}}}}}}}\n"
        )
    };
    let env =
        "    resources: {limits: {cpu: 1250m, memory: 65Mi}, requests: {cpu: 100m}}\n    env:\n"
            .to_string()
            + &resource("CPU", "limits.cpu", "'1'")
            + &resource("MILLI", "limits.cpu", "1m")
            + &resource("MEBI", "limits.memory", "1Mi")
            + &resource("GIBI", "limits.memory", "1Gi")
            + &resource("ASKED", "requests.cpu", "1m")
            + &resource("BYTES", "requests.memory", "'1'");
    let wanted = [
        ("main.CPU", "2"),
        ("main.MILLI", "1250"),
        ("main.MEBI", "65"),
        ("main.GIBI", "1"),
        ("main.ASKED", "100"),
        ("main.BYTES", "68157440"),
    ];
    tells(world, &with_env("env | sed 's/=/ /'", &env), &wanted)?;
    // Without a limit it is what the machine has.
    let env = "    env:\n".to_string() + &resource("CPU", "limits.cpu", "'1'");
    let script = "test $CPU = $(nproc --all) && echo machine yes || echo machine no: $CPU";
    tells(world, &with_env(script, &env), &[("main.machine", "yes")])
}

fn arguments_are_expanded(world: &World) -> Verdict {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: try}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: main\n    \
                    image: host:/\n    command: [printf, '%s\\n']\n    args: ['a $(ONE)', 'b $$(ONE)', 'c $(NO)', 'd $', 'e $(ONE']\n    \
                    env: [{name: ONE, value: first}]\n";
    let wanted = [
        ("main.a", "first"),
        ("main.b", "$(ONE)"),
        ("main.c", "$(NO)"),
        ("main.d", "$"),
        ("main.e", "$(ONE"),
    ];
    tells(world, manifest, &wanted)
}

fn the_folder_is_made_if_it_is_missing(world: &World) -> Verdict {
    for folder in ["/usr/lib", "/not/there/yet"] {
        let manifest = with_env("echo here $(pwd)", &format!("    workingDir: {folder}\n"));
        tells(world, &manifest, &[("main.here", folder)])?;
    }
    Ok(())
}

fn a_folder_that_is_a_file_is_named(world: &World) -> Verdict {
    let running = world.run_pod(&with_env("echo ran", "    workingDir: /etc/passwd\n"), &[])?;
    running.wait_until("it says why", |lines| {
        lines.iter().any(|line| {
            line.text.contains("working directory") && line.text.contains("/etc/passwd")
        })
    })?;
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let output = running.finish()?;
    ensure!(output.logs.is_empty(), "it ran: {}", output.shown());
    Ok(())
}

fn nothing_of_our_own_environment_comes_in(world: &World) -> Verdict {
    let path = world.file(
        "pod.yaml",
        &pod_of(
            "",
            "env | cut -d= -f1 | sort | tr '\\n' ' ' | sed 's/^/names /'",
        ),
    )?;
    let output = world
        .outrigger(&["run", &path.display().to_string()])
        .env("OF_THE_CALLER", "x")
        .finish()?
        .ended_with(0)?;
    runtime_tests::told::has_told(&output, &[("main.names", "HOME HOSTNAME PATH PWD")])
}
