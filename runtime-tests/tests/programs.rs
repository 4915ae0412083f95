//! Do the programs that people run in containers do their work under the default seccomp profile?

use std::process::ExitCode;

use runtime_tests::told::tells;
use runtime_tests::{Failure, Verdict, World, needs, run, tests};
use serde_json::json;

fn main() -> ExitCode {
    run(tests![
        a_shell,
        python,
        perl,
        a_program_in_go,
        node,
        a_java_virtual_machine,
        postgres,
    ])
}

/// Runs a script as a user in a container that asks for nothing; it must say `works yes`.
fn works(world: &World, user: u32, script: &str) -> Verdict {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  restartPolicy: Never\n  \
         volumes: [{{name: tmp, emptyDir: {{}}}}]\n  containers:\n  - name: main\n    image: host:/\n    \
         command: {}\n    securityContext: {{runAsUser: {user}, runAsGroup: {user}}}\n    \
         volumeMounts: [{{name: tmp, mountPath: /tmp}}]\n    env: [{{name: HOME, value: /tmp}}]\n",
        json!([
            "sh",
            "-ec",
            format!("grep '^Seccomp:' /proc/self/status; {script}")
        ])
    );
    tells(
        world,
        &manifest,
        &[("main.Seccomp", "2"), ("main.works", "yes")],
    )
}

fn a_shell(world: &World) -> Verdict {
    // Pipes, jobs, redirections, and the tools of every script.
    let script = "mkdir -p /tmp/a/b; echo text > /tmp/a/b/c; ln -s b /tmp/a/d; cp -r /tmp/a /tmp/e; mv /tmp/e /tmp/f; \
                  (sleep 0.1; echo late) & wait; find /tmp -type f | sort | xargs cat | wc -l; tar -C /tmp -cf - a | tar -C /tmp/f -xf -; \
                  chmod 600 /tmp/a/b/c; touch -d yesterday /tmp/a/b/c; dd if=/dev/zero of=/tmp/z bs=1k count=4 2>/dev/null; sync; \
                  df /tmp >/dev/null; id; date >/dev/null; uname -a >/dev/null; nice -n 1 true; setsid true; echo works $(cat /tmp/f/a/b/c | sed s/text/yes/)";
    works(world, 0, script)?;
    works(world, 1234, script)
}

fn python(world: &World) -> Verdict {
    needs!("python3");
    let text = r#"
import asyncio, concurrent.futures, json, mmap, multiprocessing, os, socket, sqlite3, subprocess, tempfile, threading, time
def square(number): return number * number
async def served():
    async def answer(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line\n")
    assert await reader.readline() == b"line\n"
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0
if __name__ == "__main__":
    asyncio.run(served())
    with concurrent.futures.ThreadPoolExecutor(4) as pool: assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
    with multiprocessing.Pool(2) as pool: assert pool.map(square, range(4)) == [0, 1, 4, 9]
    assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
    base = sqlite3.connect(tempfile.mktemp()); base.execute("create table t (n)"); base.commit()
    shared = mmap.mmap(-1, 4096); shared.write(b"x")
    os.getrandom(8); os.sched_getaffinity(0); os.memfd_create("m"); os.pidfd_open(os.getpid())
    a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
    print("works yes")
"#;
    let script = format!("cat > /tmp/p.py <<'END'\n{text}\nEND\n/usr/bin/python3 /tmp/p.py");
    works(world, 0, &script)
}

fn perl(world: &World) -> Verdict {
    needs!("perl");
    let text = r#"my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; die unless $? >> 8 == 7;
        open my $pipe, "-|", "echo yes" or die; my $line = <$pipe>; alarm 5; sleep 0; print "works $line""#;
    works(world, 0, &format!("perl -we '{text}'"))
}

/// runc is the program in Go that the tests have anyway: its threads, its poller and its signals are those of
/// each.
fn a_program_in_go(world: &World) -> Verdict {
    needs!("runc");
    works(
        world,
        0,
        "cd /tmp; GOMAXPROCS=4 runc --version | grep '^go:'; runc spec; grep -q ociVersion config.json; echo works yes",
    )
}

fn node(world: &World) -> Verdict {
    needs!("node");
    let text = r#"
const { Worker, isMainThread, parentPort } = require("worker_threads");
const http = require("http"), fs = require("fs"), crypto = require("crypto"), { execFileSync } = require("child_process");
if (!isMainThread) { parentPort.postMessage(7); } else {
  new Worker(__filename).once("message", number => {
    fs.writeFileSync("/tmp/file", "text"); fs.watch("/tmp").close();
    crypto.scryptSync("a", "b", 32); execFileSync("true");
    const server = http.createServer((_, answer) => answer.end("yes")).listen(0, "127.0.0.1", () =>
      http.get({ host: "127.0.0.1", port: server.address().port, agent: false }, answer => {
        answer.on("data", data => console.log("works " + data)); answer.on("end", () => server.close()); }));
  });
}
"#;
    works(
        world,
        0,
        &format!("cat > /tmp/p.js <<'END'\n{text}\nEND\nnode /tmp/p.js"),
    )
}

fn a_java_virtual_machine(world: &World) -> Verdict {
    needs!("java");
    // One that compiles and collects, reads and shares classes, and ends its threads. A JRE has no compiler for source
    // files; every one can list what it is made of.
    works(
        world,
        0,
        "java -XX:+UseG1GC -Xmx64m --list-modules | grep -q '^java.base'; \
         java -XX:+UseSerialGC -Xlog:gc --version >/dev/null; java -Xshare:auto -XshowSettings:all -version >/dev/null 2>&1; echo works yes",
    )
}

fn postgres(world: &World) -> Verdict {
    needs!("psql");
    let folder = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .and_then(|all| all.flatten().map(|one| one.path().join("bin")).max())
        .filter(|folder| folder.join("initdb").exists());
    let Some(folder) = folder else {
        return Err(Failure::Skipped(
            "PostgreSQL's server is not installed".to_owned(),
        ));
    };
    let script = format!(
        "PATH={}:$PATH; initdb -D /tmp/data -A trust --no-sync >/dev/null; \
         pg_ctl -D /tmp/data -o '-k /tmp -c listen_addresses=127.0.0.1' -w -l /tmp/log start >/dev/null || {{ cat /tmp/log; exit 1; }}; \
         psql -h 127.0.0.1 -d postgres -Atc 'create table t as select generate_series(1, 1000) as n; create index on t (n);' -c 'vacuum analyze t' \
         -c \"select 'works ' || case count(*) when 1000 then 'yes' else 'no' end from t\" | grep works; pg_ctl -D /tmp/data -m fast stop >/dev/null",
        folder.display()
    );
    // It refuses to be root, and wants to be somebody.
    works(world, 65534, &script)
}
