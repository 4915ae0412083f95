//! Which lives does a daemon that is killed have to bring to the same end as one that is not? Each is a
//! Pod whose containers write what happens to them into a file, what is done to it meanwhile, and what
//! must stand in the file at the end: in this order, each line once.

mod telling;

use serde_json::{Value, json};

pub use telling::{Line, Telling, found_slower};
use telling::{container, pod};

/// A life and how it must go.
pub struct Story {
    /// The Pod's name, and what this is about.
    pub name: &'static str,
    /// Its `spec`, made for this file that its containers write to.
    pub spec: fn(&str) -> Value,
    /// Deletions: after which line of the file, and with which grace period.
    pub deletions: &'static [(&'static str, Option<u64>)],
    /// What stands in the file at the end, without the times.
    pub told: &'static [&'static str],
    /// Whether lines of different containers may come in any order.
    pub apart: bool,
    /// The phase, and each container's exit code and restarts, if it ends without being deleted.
    pub end: Option<&'static str>,
    /// What the times must be.
    pub times: fn(&Telling) -> Result<(), String>,
}

fn any_times(_: &Telling) -> Result<(), String> {
    Ok(())
}

/// A story in which nothing is special but what follows.
const PLAIN: Story = Story {
    name: "",
    spec: |_| Value::Null,
    deletions: &[],
    told: &[],
    apart: false,
    end: None,
    times: any_times,
};

/// All of them.
#[must_use]
pub fn stories() -> Vec<Story> {
    vec![
        by_itself(),
        gated(),
        hooks(),
        sleeps_before_it_stops(),
        crash_loop(),
        on_failure(),
        deleted_in_init(),
        deleted_while_gated(),
        liveness(),
        deaf(),
        init_fails(),
        two_mains(),
        less_patience(),
        bad_hook(),
    ]
}

fn by_itself() -> Story {
    Story {
        name: "by-itself",
        spec: |file| {
            pod(
                "Never",
                file,
                &[
                    container("a", "say up; sleep 0.7; say down"),
                    container("b", "say up; sleep 0.7; say down"),
                ],
                &[container("main", "say up; sleep 1.2; say down")],
            )
        },
        told: &["a up", "a down", "b up", "b down", "main up", "main down"],
        end: Some("Succeeded a=0/0 b=0/0 main=0/0"),
        ..PLAIN
    }
}

fn gated() -> Story {
    Story {
        name: "gated",
        spec: |file| {
            let gate = |mut sidecar: Value| {
                sidecar["restartPolicy"] = json!("Always");
                sidecar["startupProbe"] = json!({"exec": {"command": ["test", "-e", "/ready"]},
                    "periodSeconds": 1, "failureThreshold": 60});
                sidecar
            };
            let proxy = "say up; sleep 0.6; say ready; >/ready; until_asked";
            let after = container("after", "say up; sleep 0.4; say down");
            pod(
                "Never",
                file,
                &[
                    gate(container("one", proxy)),
                    after,
                    gate(container("two", proxy)),
                ],
                &[container("main", "say up; sleep 1.0; say down")],
            )
        },
        told: &[
            "one up",
            "one ready",
            "after up",
            "after down",
            "two up",
            "two ready",
            "main up",
            "main down",
            "two TERM",
            "two down",
            "one TERM",
            "one down",
        ],
        end: Some("Succeeded one=0/0 after=0/0 two=0/0 main=0/0"),
        ..PLAIN
    }
}

fn hooks() -> Story {
    Story {
        name: "hooks",
        spec: |file| {
            let mut main = container("main", "heed; say up; until_asked");
            main["lifecycle"] = json!({
                "postStart": {"exec": {"command": ["sh", "-c", telling::script("post",
                    file, "until grep -q 'main up' $FILE; do sleep 0.05; done; say up; sleep 0.8; say down")]}},
                "preStop": {"exec": {"command": ["sh", "-c", telling::script("pre", file,
                    "say up; sleep 1.2; say down")]}},
            });
            pod("Always", file, &[], &[main])
        },
        deletions: &[("post down", None)],
        told: &[
            "main up",
            "post up",
            "post down",
            "test deletes",
            "pre up",
            "pre down",
            "main TERM",
            "main down",
        ],
        ..PLAIN
    }
}

fn sleeps_before_it_stops() -> Story {
    Story {
        name: "sleeps",
        spec: |file| {
            let mut main = container("main", "heed; say up; until_asked");
            main["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 2}}});
            pod("Always", file, &[], &[main])
        },
        deletions: &[("main up", None)],
        told: &["main up", "test deletes", "main TERM", "main down"],
        times: |told| told.at_least("test deletes", "main TERM", 2.0),
        ..PLAIN
    }
}

fn crash_loop() -> Story {
    Story {
        name: "crash-loop",
        spec: |file| {
            pod(
                "Always",
                file,
                &[],
                &[container(
                    "main",
                    "say up $(($(grep -c 'main up' $FILE) + 1)); exit 3",
                )],
            )
        },
        deletions: &[("main up 3", None)],
        told: &["main up 1", "main up 2", "main up 3", "test deletes"],
        times: |told| told.at_least("main up 2", "main up 3", 10.0),
        ..PLAIN
    }
}

fn on_failure() -> Story {
    Story {
        name: "on-failure",
        spec: |file| {
            let tries = "n=$(($(grep -c 'main up' $FILE) + 1)); say up $n; sleep 0.5; [ $n = 2 ]";
            let init = "n=$(($(grep -c 'init up' $FILE) + 1)); say up $n; [ $n = 2 ]";
            pod(
                "OnFailure",
                file,
                &[container("init", init)],
                &[container("main", tries)],
            )
        },
        told: &["init up 1", "init up 2", "main up 1", "main up 2"],
        end: Some("Succeeded init=0/1 main=0/1"),
        ..PLAIN
    }
}

fn deleted_in_init() -> Story {
    Story {
        name: "deleted-in-init",
        spec: |file| {
            pod(
                "Always",
                file,
                &[container("init", "heed; say up; until_asked")],
                &[container("main", "say up")],
            )
        },
        deletions: &[("init up", Some(20))],
        told: &["init up", "test deletes", "init TERM", "init down"],
        ..PLAIN
    }
}

fn deleted_while_gated() -> Story {
    Story {
        name: "deleted-while-gated",
        spec: |file| {
            let mut proxy = container("proxy", "heed; say up; until_asked");
            proxy["restartPolicy"] = json!("Always");
            proxy["startupProbe"] =
                json!({"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 99});
            pod("Always", file, &[proxy], &[container("main", "say up")])
        },
        deletions: &[("proxy up", Some(20))],
        told: &["proxy up", "test deletes", "proxy TERM", "proxy down"],
        ..PLAIN
    }
}

fn liveness() -> Story {
    Story {
        name: "liveness",
        spec: |file| {
            let sick = "n=$(($(grep -c 'main up' $FILE) + 1)); say up $n; \
                        [ $n = 1 ] && { sleep 1; >/sick; }; until_asked";
            let mut main = container("main", sick);
            main["livenessProbe"] = json!({"exec": {"command": ["test", "!", "-e", "/sick"]},
                "periodSeconds": 1, "failureThreshold": 2});
            pod("Always", file, &[], &[main])
        },
        deletions: &[("main up 2", None)],
        told: &[
            "main up 1",
            "main TERM",
            "main down",
            "main up 2",
            "test deletes",
            "main TERM",
            "main down",
        ],
        // It is sick after a second, and two failures are a period apart; the first one may have been on
        // its way already. A failure that is counted twice would make it half of this.
        times: |told| told.at_least("main up 1", "main TERM", 1.7),
        ..PLAIN
    }
}

fn deaf() -> Story {
    Story {
        name: "deaf",
        spec: |file| {
            let deaf = "trap 'say TERM' TERM; say up; while :; do sleep 0.3 & wait $!; done";
            pod("Always", file, &[], &[container("main", deaf)])
        },
        deletions: &[("main up", Some(3))],
        told: &["main up", "test deletes", "main TERM", "test sees it gone"],
        times: |told| {
            told.at_least("test deletes", "test sees it gone", 3.0)?;
            told.at_most("test deletes", "main TERM", 4.0)
        },
        ..PLAIN
    }
}

fn init_fails() -> Story {
    Story {
        name: "init-fails",
        spec: |file| {
            pod(
                "Never",
                file,
                &[container("init", "say up; sleep 0.5; exit 9")],
                &[container("main", "say up")],
            )
        },
        told: &["init up"],
        end: Some("Failed init=9/0 main=-/0"),
        ..PLAIN
    }
}

fn two_mains() -> Story {
    Story {
        name: "two-mains",
        spec: |file| {
            pod(
                "Never",
                file,
                &[],
                &[
                    container("good", "say up; sleep 1.4; say down"),
                    container("bad", "say up; sleep 0.7; exit 7"),
                ],
            )
        },
        told: &["good up", "bad up", "good down"],
        apart: true,
        end: Some("Failed bad=7/0 good=0/0"),
        ..PLAIN
    }
}

fn less_patience() -> Story {
    Story {
        name: "less-patience",
        spec: |file| {
            let deaf = "trap 'say TERM' TERM; say up; while :; do sleep 0.3 & wait $!; done";
            pod("Always", file, &[], &[container("main", deaf)])
        },
        deletions: &[("main up", Some(100)), ("main TERM", Some(1))],
        told: &[
            "main up",
            "test deletes",
            "main TERM",
            "test deletes",
            "test sees it gone",
        ],
        ..PLAIN
    }
}

fn bad_hook() -> Story {
    Story {
        name: "bad-hook",
        spec: |file| {
            let mut main = container("main", "heed; say up; until_asked");
            let hook = "until grep -q 'main up' $FILE; do sleep 0.05; done; say up; exit 1";
            main["lifecycle"] = json!({"postStart": {"exec": {"command":
                ["sh", "-c", telling::script("post", file, hook)]}}});
            pod("Never", file, &[], &[main])
        },
        told: &["main up", "post up", "main TERM", "main down"],
        end: Some("Succeeded main=0/0"),
        ..PLAIN
    }
}
