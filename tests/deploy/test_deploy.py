"""What stands in `deploy/`: Kubernetes takes the manifests, and nginx routes by path to services that run apart.

Needs `VIGIA_BIN`, `KUBECTL` and an `nginx`; `tests/run` sees to them.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import grpc
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(ROOT / "tests" / "clients" / "python"))
import client  # noqa: E402

VIGIA = os.environ.get("VIGIA_BIN", str(ROOT / "target" / "debug" / "vigia"))
KUBECTL = os.environ.get("KUBECTL", "kubectl")
AREAS = ("identity", "plans", "assignments", "reporting", "compliance")
# Resources of operators: their schemas are not Kubernetes' own.
FOREIGN = {"Cluster", "GRPCRoute"}


class Manifests(unittest.TestCase):
    """The overlays, as `kubectl apply -k` would send them."""

    def manifests(self, overlay: str) -> list[dict]:
        built = subprocess.run(
            [KUBECTL, "kustomize", str(DEPLOY / "kubernetes" / "overlays" / overlay)], check=True, stdout=subprocess.PIPE
        )
        return [manifest for manifest in yaml.safe_load_all(built.stdout) if manifest]

    def test_kubernetes_knows_every_field(self):
        for overlay, foreign in (("one", set()), ("split", FOREIGN)):
            unknown = set()
            for manifest in self.manifests(overlay):
                try:
                    kubernetes_validate.validate(manifest, "1.37", strict=True)
                except kubernetes_validate.SchemaNotFoundError:
                    unknown.add(manifest["kind"])
            self.assertEqual(unknown, foreign, overlay)

    def test_no_container_can_do_more_than_it_must(self):
        seen = 0
        for overlay in ("one", "split"):
            for manifest in self.manifests(overlay):
                template = manifest.get("spec", {}).get("template")
                if not template:
                    continue
                pod = template["spec"]
                self.assertTrue(pod["securityContext"]["runAsNonRoot"], manifest["metadata"])
                self.assertFalse(pod["automountServiceAccountToken"], manifest["metadata"])
                for container in pod["containers"] + pod.get("initContainers", []):
                    context = container["securityContext"]
                    self.assertTrue(context["readOnlyRootFilesystem"], container["name"])
                    self.assertFalse(context["allowPrivilegeEscalation"], container["name"])
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]}, container["name"])
                    seen += 1
        self.assertEqual(seen, 8)

    def test_each_service_has_its_pods_its_key_and_its_route(self):
        manifests = self.manifests("split")
        route = next(manifest for manifest in manifests if manifest["kind"] == "GRPCRoute")
        routed = {rule["backendRefs"][0]["name"] for rule in route["spec"]["rules"]}
        for area in AREAS:
            named = {manifest["kind"]: manifest for manifest in manifests if manifest["metadata"]["name"] == f"{area}-service"}
            self.assertEqual(
                set(named), {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}, area
            )
            self.assertIn(f"{area}-service", routed)
            pod = named["Deployment"]["spec"]["template"]
            self.assertEqual(pod["spec"]["containers"][0]["args"], ["serve", area])
            self.assertEqual(named["Service"]["spec"]["selector"].items() - pod["metadata"]["labels"].items(), set())
            keys = pod["spec"]["volumes"][0]["secret"].get("items")
            # Identity knows all services; every other one has its own key only.
            expected = None if area == "identity" else [{"key": f"vigia-{area}.pem", "path": f"vigia-{area}.pem"}]
            self.assertEqual(keys, expected, area)
            # Who keeps evidence has a store for all replicas, and a place for uploads that can be written.
            writes = [mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"] if not mount.get("readOnly")]
            self.assertEqual(writes, ["/data/evidence"] if area == "reporting" else [], area)
            self.assertEqual("envFrom" in pod["spec"]["containers"][0], area == "reporting", area)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Proxy(unittest.TestCase):
    """nginx with the configuration of `deploy/nginx`, in front of five processes."""

    def setUp(self):
        client.load_contract()
        scratch = tempfile.TemporaryDirectory(prefix="vigia-proxy-")
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)
        # Nginx's workers may be another user.
        self.directory.chmod(0o755)
        self.ours = {name: value for name, value in os.environ.items() if not name.startswith("VIGIA_")}
        data = self.directory / "data"
        made = subprocess.run([VIGIA, "init", "--data", str(data), "-o", "json"], check=True, stdout=subprocess.PIPE, env=self.ours)
        self.password = json.loads(made.stdout)["password"]
        ports = {area: free_port() for area in AREAS}
        peers = {f"VIGIA_PEERS_{area.upper()}": f"127.0.0.1:{port}" for area, port in ports.items()}
        self.services = {
            area: self.start([VIGIA, "serve", area, "--data", str(data), "--listen", f"127.0.0.1:{port}"], self.ours | peers)
            for area, port in ports.items()
        }
        address = f"127.0.0.1:{free_port()}"
        configuration = (DEPLOY / "nginx" / "vigia.conf").read_text().replace("listen 127.0.0.1:7300", f"listen {address}")
        for port, area in enumerate(AREAS, 7301):
            configuration = configuration.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ports[area]}")
        (self.directory / "vigia.conf").write_text(configuration)
        main = [
            "daemon off; worker_processes 1; pid nginx.pid; error_log stderr error; events {}",
            "http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;",
            "uwsgi_temp_path uwsgi; scgi_temp_path scgi; include vigia.conf; }",
        ]
        (self.directory / "nginx.conf").write_text("\n".join(main))
        self.start(["nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")], os.environ)
        self.channel = grpc.insecure_channel(address)
        self.addCleanup(self.channel.close)
        for port in [*ports.values(), int(address.rsplit(":", 1)[1])]:
            self.wait_for(port)

    def start(self, command, environment) -> subprocess.Popen:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return process

    def wait_for(self, port: int):
        """Not a wait for an effect to have happened, but for a process to open its port."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        self.fail(f"nobody listens on {port}")

    def test_a_call_goes_to_the_service_that_its_path_names(self):
        admin = client.Vigia.of_person(self.channel, "accounts/admin", self.password)
        self.assertEqual(admin.who_am_i().principal, "accounts/admin")
        identity, stubs = client.area("identity", "principal_service")
        grant = identity.RoleGrant(role=identity.ROLE_AUDITOR)
        admin.call(
            stubs.PrincipalServiceStub(self.channel).GrantRole,
            identity.GrantRoleRequest(principal="accounts/admin", grant=grant, request_id=str(uuid.uuid4())),
        )
        # Each service answers by its own name: a plan, an assignment, an obligation, a verdict that nobody knows.
        plans, stubs = client.area("plans", "plan_service")
        listed = admin.call(stubs.PlanServiceStub(self.channel).ListPlans, plans.ListPlansRequest())
        self.assertEqual(list(listed.plans), [])
        assignments, stubs = client.area("assignments", "assignment_service")
        listed = admin.call(
            stubs.AssignmentServiceStub(self.channel).ListAssignments, assignments.ListAssignmentsRequest(parent="plans/-")
        )
        self.assertEqual(list(listed.assignments), [])
        self.assertEqual(list(admin.obligations()), [])
        with self.assertRaises(client.Refused) as refused:
            admin.verdict("plans/x/actions/y")
        self.assertEqual(refused.exception.reason, "NOT_FOUND")

        # A stream goes through as it comes.
        _, stubs = client.area("identity", "journal_service")
        journal, _ = client.area("journal", "journal")
        request = journal.SubscribeRequest()
        stub = stubs.IdentityJournalServiceStub(self.channel)
        stream = stub.Subscribe(request, metadata=[("authorization", f"Bearer {admin.token()}")], timeout=30)
        self.assertEqual(next(iter(stream)).entries[0].position, 1)
        stream.cancel()

        # What nobody serves is told as gRPC tells it, and so is a service that is away.
        unknown = self.channel.unary_unary("/vigia.nobody.v1.Service/Method")
        with self.assertRaises(grpc.RpcError) as told:
            unknown(b"", timeout=30)
        self.assertEqual(told.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.services["plans"].kill()
        self.services["plans"].wait()
        with self.assertRaises(grpc.RpcError) as told:
            stubs = client.area("plans", "plan_service")[1]
            stubs.PlanServiceStub(self.channel).ListPlans(plans.ListPlansRequest(), timeout=30)
        self.assertEqual(told.exception.code(), grpc.StatusCode.UNAVAILABLE)


if __name__ == "__main__":
    unittest.main()
