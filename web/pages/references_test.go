package pages

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

func tree(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatObjectsName(t *testing.T) {
	f := func(group, resource, object string, want ...string) {
		t.Helper()
		var got []string
		for _, r := range referencesOf(nil, schema.GroupResource{Group: group, Resource: resource}, tree(t, object)) {
			got = append(got, r.Resource+" "+r.namespace+"/"+r.name+r.selector+": "+r.how)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", resource, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f("", "pods", `
metadata: {namespace: shop}
spec:
  serviceAccountName: web
  nodeName: node-1
  imagePullSecrets: [{name: pull}]
  volumes:
  - {name: a, configMap: {name: settings}}
  - {name: b, projected: {sources: [{secret: {name: token}}, {configMap: {name: settings}}]}}
  - {name: c, persistentVolumeClaim: {claimName: data}}
  containers:
  - name: main
    envFrom: [{secretRef: {name: token}}]
    env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: settings, key: level}}}]
`, "configmaps shop/settings: volume a, volume b, variable LEVEL of main", "secrets shop/token: volume b, all variables of main", "persistentvolumeclaims shop/data: volume c",
		"secrets shop/pull: image pull secret", "serviceaccounts shop/web: serviceAccountName", "nodes /node-1: runs on")
	f("apps", "statefulsets", `{metadata: {namespace: shop}, spec: {serviceName: db, template: {spec: {serviceAccountName: db}}}}`, "serviceaccounts shop/db: serviceAccountName", "services shop/db: serviceName")
	f("batch", "cronjobs", `{metadata: {namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: {priorityClassName: low}}}}}}`, "priorityclasses /low: priorityClassName")
	f("", "services", `{metadata: {namespace: shop}, spec: {selector: {app: web}}}`, "pods shop/app=web: selector")
	f("", "services", `{metadata: {namespace: shop}, spec: {}}`)
	f("networking.k8s.io", "networkpolicies", `{metadata: {namespace: shop}, spec: {podSelector: {}}}`, "pods shop/: podSelector")
	f("networking.k8s.io", "ingresses", `{metadata: {namespace: shop}, spec: {ingressClassName: edge, tls: [{secretName: cert}], rules: [{host: a.example, http: {paths: [{path: /x, backend: {service: {name: web}}}]}}]}}`,
		"services shop/web: a.example/x", "secrets shop/cert: tls", "ingressclasses /edge: class")
	f("rbac.authorization.k8s.io", "rolebindings", `{metadata: {namespace: shop}, roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: ci, namespace: build}, {kind: User, name: ann}]}`,
		"clusterroles /view: grants", "serviceaccounts build/ci: subject")
	f("", "configmaps", `{metadata: {namespace: shop}, data: {a: b}}`)
	f("", "pods", `{spec: {volumes: 3, containers: [4, {env: {a: b}}]}}`)
}

func TestWhoSelectsPods(t *testing.T) {
	service := referrers[0]
	for _, r := range referrers {
		if r.Resource == "services" {
			service = r
		}
	}
	item := tree(t, `{metadata: {namespace: shop}, spec: {selector: {app: web}}}`)
	of := func(group, resource, namespace, object string) *loaded {
		return &loaded{address: address{gvr: schema.GroupVersionResource{Group: group, Resource: resource}, namespace: namespace}, object: unstructured.Unstructured{Object: tree(t, object)}}
	}
	for _, k := range []struct {
		o    *loaded
		want bool
	}{
		{of("", "pods", "shop", `{metadata: {labels: {app: web, tier: a}}}`), true},
		{of("", "pods", "shop", `{metadata: {labels: {app: db}}}`), false},
		{of("", "pods", "other", `{metadata: {labels: {app: web}}}`), false},
		{of("apps", "deployments", "shop", `{spec: {template: {metadata: {labels: {app: web}}}}}`), true},
		{of("batch", "cronjobs", "shop", `{spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: web}}}}}}}`), true},
		{of("", "configmaps", "shop", `{metadata: {labels: {app: web}}}`), false},
	} {
		if _, got := (&Call{}).naming(service, item, k.o, labelsOfPods(k.o)); got != k.want {
			t.Errorf("%s in %s: got %t", k.o.gvr.Resource, k.o.namespace, got)
		}
	}
}
