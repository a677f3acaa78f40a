package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// helm is Helm 4's own command.
func newHelm(t *testing.T, p *process) *kubectl {
	t.Helper()
	h := newKubectl(t, p)
	h.path = module(t, "helm", "helm.sh/helm/v4/cmd/helm")
	return h
}

// TestHelm takes a chart with hooks, tests, a CRD and a dozen kinds through its
// life, with server-side and with client-side apply.
func TestHelm(t *testing.T) {
	for name, flag := range map[string]string{"server-side": "--server-side=true", "client-side": "--server-side=false"} {
		t.Run(name, func(t *testing.T) { lifeOfAChart(t, flag) })
	}
}

func lifeOfAChart(t *testing.T, flag string) {
	p := start(t, t.TempDir())
	playCluster(t, p)
	k, h := newKubectl(t, p).as("--namespace=store"), newHelm(t, p).as("--namespace=store")
	serverSide := strings.HasSuffix(flag, "true")

	h.run("install shop helm/shop --create-namespace --wait --wait-for-jobs --timeout=150s "+flag, "STATUS: deployed", "REVISION: 1", "The shop is at http://shop.example.org/.")
	k.run("get deploy,sts,svc,ing,hpa,pdb,netpol,cronjob,sa,role,rolebinding,secret,cm,cpn -l app.kubernetes.io/instance=shop -o name",
		"deployment.apps/shop-web", "statefulset.apps/shop-db", "service/shop-web", "service/shop-db", "ingress.networking.k8s.io/shop-web",
		"horizontalpodautoscaler.autoscaling/shop-web", "poddisruptionbudget.policy/shop-web", "networkpolicy.networking.k8s.io/shop-web", "cronjob.batch/shop-backup",
		"serviceaccount/shop-web", "role.rbac.authorization.k8s.io/shop-web", "rolebinding.rbac.authorization.k8s.io/shop-web", "secret/shop-web", "configmap/shop-web", "coupon.shop.example.org/shop-welcome")
	k.run("get cpn", "NAME PERCENT", "shop-welcome 10")
	k.run("get job shop-migrate -o jsonpath={.status.succeeded}", "1")
	k.run("get secret -l owner=helm,name=shop,status=deployed -o name", "secret/sh.helm.release.v1.shop.v1")
	manager := "helm Update"
	if serverSide {
		manager = "helm Apply"
	}
	k.run("get deploy shop-web --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager} {.operation},{end}'", manager)
	password := k.run("get secret shop-web -o jsonpath={.data.password}")

	h.run("template other helm/shop --dry-run=server", "kind: Coupon", "COUPONS: \"yes\"")
	h.run("install other helm/shop --dry-run=server "+flag, "STATUS: pending-install", "kind: StatefulSet")
	k.run("get deploy -o name", "deployment.apps/shop-web")
	k.fails(1, "get deploy other-web", "not found")

	h.run("test shop --timeout=150s", "TEST SUITE: shop-ready", "Phase: Succeeded")
	h.run("list", "shop store 1", "deployed shop-1.2.0 1.27")
	h.run("status shop", "==> v1/Deployment", "shop-web")

	h.run("upgrade shop helm/shop --set=image.tag=1.28,theme=dark,coupon.percent=25,autoscaling.enabled=false,replicas=3 --wait --timeout=150s "+flag, "REVISION: 2", "STATUS: deployed")
	k.run("get deploy shop-web -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.replicas}'", "nginx:1.28 3")
	k.run("get cpn shop-welcome -o jsonpath='{.spec.percent} {.spec.until}'", "25 2030-01-01")
	k.fails(1, "get hpa shop-web", "not found")
	if now := k.run("get secret shop-web -o jsonpath={.data.password}"); now != password {
		t.Error("the password was not found in the cluster")
	}
	somebodyElse(t, k, h, flag)

	h.run("get values shop --revision=2 -o json", `"theme":"dark"`)
	h.run("rollback shop 1 --wait --timeout=150s "+flag+conflicts(serverSide), "Rollback was a success")
	k.run("get deploy shop-web -o jsonpath='{.spec.template.spec.containers[0].image}'", "nginx:1.27")
	k.run("get hpa shop-web", "Deployment/shop-web")
	k.run("get cpn", "shop-welcome 10")

	// What the server refuses becomes a failed release, and is taken back.
	_, errs, code := h.try("", "upgrade", "shop", "helm/shop", "--set=coupon.percent=99", "--rollback-on-failure", "--timeout=150s", flag)
	if code != 1 {
		t.Errorf("a chart with a wrong coupon ends with %d", code)
	}
	h.has("upgrade", errs, "spec.percent: Invalid value: 99: spec.percent in body should be less than or equal to 90")
	k.run("get cpn", "shop-welcome 10")
	h.run("history shop", "1", "superseded", "failed", "deployed")

	h.run("uninstall shop --wait --timeout=150s", `release "shop" uninstalled`)
	k.run("get deploy,sts,svc,ing,hpa,pdb,netpol,cronjob,role,rolebinding,cpn,job -l app.kubernetes.io/instance=shop", "No resources found")
	k.fails(1, "get job shop-farewell", "not found")
	k.run("get crd coupons.shop.example.org", "coupons.shop.example.org")
	h.run("list -o json", "[]")
}

func conflicts(serverSide bool) string {
	if serverSide {
		return " --force-conflicts"
	}
	return ""
}

// somebodyElse changes what the chart says: with server-side apply that is a
// conflict, with client-side apply Helm's three-way patch takes it back.
func somebodyElse(t *testing.T, k, h *kubectl, flag string) {
	t.Helper()
	k.run("scale deploy/shop-web --replicas=9", "scaled")
	upgrade := []string{"upgrade", "shop", "helm/shop", "--reuse-values", "--set=replicas=4", "--timeout=150s", flag}
	if strings.HasSuffix(flag, "true") {
		_, errs, code := h.try("", upgrade...)
		if code != 1 {
			t.Errorf("an upgrade over what somebody else owns ends with %d", code)
		}
		h.has("upgrade", errs, `conflict with "kubectl"`, ".spec.replicas")
		upgrade = append(upgrade, "--force-conflicts")
	}
	if out, errs, code := h.try("", upgrade...); code != 0 {
		t.Errorf("upgrade: %s%s", out, errs)
	}
	var d struct{ Spec struct{ Replicas int } }
	if err := json.Unmarshal([]byte(k.run("get deploy shop-web -o json")), &d); err != nil || d.Spec.Replicas != 4 {
		t.Errorf("%d replicas: %v", d.Spec.Replicas, err)
	}
}
