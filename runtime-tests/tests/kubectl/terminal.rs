//! exec and attach in a terminal: its size, its changes, and Ctrl-C.

use runtime_tests::{Test, Verdict, World, ensure, needs, tests};

use crate::with_web;

pub(crate) fn all() -> Vec<Test> {
    tests![
        exec_in_a_terminal_has_its_size_and_follows_it,
        ctrl_c_interrupts_the_command_and_not_kubectl,
        attach_in_a_terminal,
    ]
}

fn exec_in_a_terminal_has_its_size_and_follows_it(world: &World) -> Verdict {
    needs!("script");
    with_web(world, |_, kubectl| {
        let script = "trap 'echo now $(stty size)' WINCH; echo first $(stty size) $(tty); \
                      while ! test -e /tmp/enough; do sleep 0.05; done; exit 6";
        let line = format!(
            "exec -it web -c main -- sh -c \"{}\"",
            script.replace('$', "\\$")
        );
        let mut session = kubectl.in_terminal((33, 99), &line)?;
        // A command may be there before the first message about its terminal, and hears of it then.
        session.until("the size", |text| {
            text.contains("/dev/pts/") && text.contains(" 33 99")
        })?;
        kubectl.resize_terminal((44, 111))?;
        session.until("the new size", |text| text.contains("now 44 111"))?;
        kubectl.good("exec web -c main -- touch /tmp/enough")?;
        session.until("the exit code", |text| text.contains("ended with 6"))?;
        session.finish()?.ended(0)?;
        Ok(())
    })
}

fn ctrl_c_interrupts_the_command_and_not_kubectl(world: &World) -> Verdict {
    needs!("script");
    with_web(world, |_, kubectl| {
        let mut session = kubectl.in_terminal((24, 80), "exec -it web -c main -- sh")?;
        session.write("echo be''gun; sleep 1000; echo code $?\n")?;
        session.until("the shell", |text| text.contains("begun"))?;
        session.write("\x03")?;
        // A shell that reads from a terminal goes on with the next line.
        session.write("echo still here $((40+2))\n")?;
        session.until("the shell goes on", |text| text.contains("still here 42"))?;
        session.write("exit 7\n")?;
        session.until("the exit code", |text| text.contains("ended with 7"))?;
        session.finish()?;
        Ok(())
    })
}

const SHELL: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "host:/", stdin: true, tty: true, command: [sh]}
"#;

fn attach_in_a_terminal(world: &World) -> Verdict {
    needs!("script");
    with_web(world, |daemon, kubectl| {
        kubectl.apply(SHELL)?;
        kubectl.good("wait --for=condition=Ready pod/shell --timeout=20s")?;
        let mut session = kubectl.in_terminal((21, 77), "attach -it shell")?;
        session
            .write("until stty size | grep -q 77; do sleep 0.05; done; echo size $(stty size)\n")?;
        session.until("the size", |text| text.contains("size 21 77"))?;
        session.write("exit 3\n")?;
        let pod = daemon.until_pod("shell", "its end", |pod| pod["status"]["phase"] == "Failed")?;
        let code = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
        ensure!(code == 3, "{code}");
        session.until("kubectl ends", |text| text.contains("ended with"))?;
        session.finish()?;
        Ok(())
    })
}
