"""What the Python client does with a Pod. Run by clients.rs; an assertion that fails is its failure."""

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

config.load_kube_config()
api = client.CoreV1Api()

manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "snake", "labels": {"app": "snake"}},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "main",
                "image": "host:/",
                "command": ["sh", "-c", "echo hello; exec sleep 1000"],
            }
        ],
    },
}

version = api.list_namespaced_pod("default").metadata.resource_version
made = api.create_namespaced_pod("default", manifest)
assert made.status.phase == "Pending", made.status.phase
try:
    api.create_namespaced_pod("default", manifest)
    raise AssertionError("a second one was created")
except ApiException as problem:
    assert problem.status == 409, problem

seen = []
watcher = watch.Watch()
for event in watcher.stream(api.list_namespaced_pod, "default", resource_version=version, timeout_seconds=30):
    seen.append((event["type"], event["object"].status.phase))
    if event["object"].status.phase == "Running":
        watcher.stop()
assert seen[0] == ("ADDED", "Pending"), seen
assert seen[-1] == ("MODIFIED", "Running"), seen

said = stream(
    api.connect_get_namespaced_pod_exec, "snake", "default", command=["sh", "-c", "echo out; echo err >&2"],
    stdin=False, stdout=True, stderr=True, tty=False,
)
assert sorted(said.split()) == ["err", "out"], said
session = stream(
    api.connect_get_namespaced_pod_exec, "snake", "default", command=["sh", "-c", "read x; echo got $x; exit 5"],
    stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
)
session.write_stdin("this\n")
session.run_forever(timeout=20)
assert session.read_stdout() == "got this\n"
assert session.returncode == 5, session.returncode

assert api.read_namespaced_pod_log("snake", "default") == "hello\n"
assert [pod.metadata.name for pod in api.list_namespaced_pod("default", label_selector="app=snake").items] == ["snake"]
patched = api.patch_namespaced_pod("snake", "default", {"metadata": {"labels": {"more": "yes"}}})
assert patched.metadata.labels == {"app": "snake", "more": "yes"}, patched.metadata.labels

version = api.list_namespaced_pod("default").metadata.resource_version
api.delete_namespaced_pod("snake", "default")
for event in watch.Watch().stream(api.list_namespaced_pod, "default", resource_version=version, timeout_seconds=30):
    if event["type"] == "DELETED":
        break
else:
    raise AssertionError("nobody said that it is gone")
try:
    api.read_namespaced_pod("snake", "default")
    raise AssertionError("it is still there")
except ApiException as problem:
    assert problem.status == 404, problem
print("all is well")
