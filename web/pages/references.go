package pages

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"pilothouse/web/messages"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"pilothouse/web/view"
)

// reference is an object that another one names, or pods that it selects.
type reference struct {
	_ view.Incomparable

	schema.GroupResource
	// namespace is empty for what is in none.
	namespace, name string
	// selector chooses pods; name is empty then.
	selector string
	// all selects every pod of the namespace.
	all bool
	// how says by which of its fields.
	how string
}

// referrer is a kind of objects that name others. refs gives what one of them
// names; to are the resources that these are of.
type referrer struct {
	schema.GroupResource
	refs func(o map[string]any, r *refList)
	to   []string
}

// refList collects references of an object in a namespace.
type refList struct {
	*messages.Language // of the texts that say how

	namespace string
	list      []reference
}

// add adds an object of the same namespace.
func (r *refList) add(group, resource string, name any, how string) {
	r.in(r.namespace, group, resource, name, how)
}

// in adds an object of a namespace. One that is named twice is there once.
func (r *refList) in(namespace, group, resource string, name any, how string) {
	s, _ := name.(string)
	if s == "" {
		return
	}
	gr := schema.GroupResource{Group: group, Resource: resource}
	i := slices.IndexFunc(r.list, func(o reference) bool {
		return o.GroupResource == gr && o.namespace == namespace && o.name == s
	})
	switch {
	case i < 0:
		r.list = append(r.list, reference{GroupResource: gr, namespace: namespace, name: s, how: how})
	case !slices.Contains(strings.Split(r.list[i].how, ", "), how):
		r.list[i].how += ", " + how
	}
}

// pods adds the pods that a selector chooses.
func (r *refList) pods(selector, how string) {
	if selector != "" {
		r.list = append(r.list, reference{GroupResource: podResource, namespace: r.namespace, selector: selector, how: how})
	}
}

var podResource = schema.GroupResource{Resource: "pods"}

// usedByPods are what the specification of a pod names.
var usedByPods = []string{"configmaps", "secrets", "persistentvolumeclaims", "serviceaccounts", "priorityclasses", "runtimeclasses"}

// podKinds are the kinds that have the specification of pods, see podSpecs.
var podKinds = map[schema.GroupResource]string{
	podResource: "Pod", {Resource: "replicationcontrollers"}: "ReplicationController", {Resource: "podtemplates"}: "PodTemplate",
	{Group: "apps", Resource: "deployments"}: "Deployment", {Group: "apps", Resource: "replicasets"}: "ReplicaSet",
	{Group: "apps", Resource: "statefulsets"}: "StatefulSet", {Group: "apps", Resource: "daemonsets"}: "DaemonSet",
	{Group: "batch", Resource: "jobs"}: "Job", {Group: "batch", Resource: "cronjobs"}: "CronJob",
}

// referrers are all kinds that name others, besides by their owners.
var referrers = slices.Concat(podReferrers(), []referrer{
	{schema.GroupResource{Resource: "services"}, func(o map[string]any, r *refList) { r.pods(labelsText(dig(o, "spec selector")), r.T("selector")) }, []string{"pods"}},
	{schema.GroupResource{Resource: "serviceaccounts"}, accountRefs, []string{"secrets"}},
	{schema.GroupResource{Resource: "secrets"}, func(o map[string]any, r *refList) {
		r.add("", "serviceaccounts", dig(o, "metadata annotations kubernetes.io/service-account.name"), r.T("its token"))
	}, []string{"serviceaccounts"}},
	{schema.GroupResource{Resource: "persistentvolumeclaims"}, func(o map[string]any, r *refList) {
		r.in("", "", "persistentvolumes", dig(o, "spec volumeName"), r.T("volume"))
		r.in("", "storage.k8s.io", "storageclasses", dig(o, "spec storageClassName"), r.T("class"))
	}, []string{"persistentvolumes", "storageclasses"}},
	{schema.GroupResource{Resource: "persistentvolumes"}, func(o map[string]any, r *refList) {
		r.in(digText(o, "spec claimRef namespace"), "", "persistentvolumeclaims", dig(o, "spec claimRef name"), r.T("claim"))
		r.in("", "storage.k8s.io", "storageclasses", dig(o, "spec storageClassName"), r.T("class"))
	}, []string{"persistentvolumeclaims", "storageclasses"}},
	{schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}, func(o map[string]any, r *refList) {
		r.add("", "services", dig(o, "metadata labels kubernetes.io/service-name"), r.T("its endpoints"))
	}, nil}, // a Service shows them by itself
	{schema.GroupResource{Group: "networking.k8s.io", Resource: "ingresses"}, ingressRefs, []string{"services", "secrets", "ingressclasses"}},
	{schema.GroupResource{Group: "networking.k8s.io", Resource: "networkpolicies"}, policyRefs, []string{"pods"}},
	{schema.GroupResource{Group: "policy", Resource: "poddisruptionbudgets"}, func(o map[string]any, r *refList) { r.pods(selectorText(dig(o, "spec selector")), r.T("selector")) }, []string{"pods"}},
	{schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}, scaleRefs, []string{"deployments", "statefulsets", "replicasets", "replicationcontrollers"}},
	{schema.GroupResource{Group: "rbac.authorization.k8s.io", Resource: "rolebindings"}, bindingRefs, []string{"roles", "clusterroles", "serviceaccounts"}},
	{schema.GroupResource{Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"}, bindingRefs, []string{"clusterroles", "serviceaccounts"}},
	{schema.GroupResource{Group: "apiregistration.k8s.io", Resource: "apiservices"}, func(o map[string]any, r *refList) {
		r.in(digText(o, "spec service namespace"), "", "services", dig(o, "spec service name"), r.T("served by"))
	}, []string{"services"}},
	{schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"}, webhookRefs, []string{"services"}},
	{schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations"}, webhookRefs, []string{"services"}},
})

func podReferrers() []referrer {
	var list []referrer
	for gr, kind := range podKinds {
		path := podSpecs[kind]
		to := usedByPods
		if gr.Resource == "statefulsets" {
			to = append(slices.Clone(to), "services")
		}
		list = append(list, referrer{gr, func(o map[string]any, r *refList) {
			podRefs(dig(o, path), r)
			r.add("", "services", dig(o, "spec serviceName"), "serviceName")
		}, to})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Resource < list[j].Resource })
	return list
}

// referencesOf gives what an object names.
func referencesOf(l *messages.Language, gr schema.GroupResource, o map[string]any) []reference {
	r := &refList{Language: l, namespace: digText(o, "metadata namespace")}
	for _, k := range referrers {
		if k.GroupResource == gr {
			k.refs(o, r)
		}
	}
	return r.list
}

// podRefs are what the specification of a pod names.
func podRefs(spec any, r *refList) {
	for _, v := range objects(dig(spec, "volumes")) {
		how := r.T("volume %s", text(v["name"]))
		r.add("", "configmaps", dig(v, "configMap name"), how)
		r.add("", "secrets", dig(v, "secret secretName"), how)
		r.add("", "persistentvolumeclaims", dig(v, "persistentVolumeClaim claimName"), how)
		for _, source := range objects(dig(v, "projected sources")) {
			r.add("", "configmaps", dig(source, "configMap name"), how)
			r.add("", "secrets", dig(source, "secret name"), how)
		}
		r.add("", "secrets", dig(v, "csi nodePublishSecretRef name"), how)
	}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, c := range objects(dig(spec, list)) {
			name := text(c["name"])
			for _, e := range objects(c["envFrom"]) {
				r.add("", "configmaps", dig(e, "configMapRef name"), r.T("all variables of %s", name))
				r.add("", "secrets", dig(e, "secretRef name"), r.T("all variables of %s", name))
			}
			for _, e := range objects(c["env"]) {
				how := r.T("variable %s of %s", text(e["name"]), name)
				r.add("", "configmaps", dig(e, "valueFrom configMapKeyRef name"), how)
				r.add("", "secrets", dig(e, "valueFrom secretKeyRef name"), how)
			}
		}
	}
	for _, s := range objects(dig(spec, "imagePullSecrets")) {
		r.add("", "secrets", s["name"], r.T("image pull secret"))
	}
	r.add("", "serviceaccounts", dig(spec, "serviceAccountName"), "serviceAccountName")
	r.in("", "", "nodes", dig(spec, "nodeName"), r.T("runs on"))
	r.in("", "scheduling.k8s.io", "priorityclasses", dig(spec, "priorityClassName"), "priorityClassName")
	r.in("", "node.k8s.io", "runtimeclasses", dig(spec, "runtimeClassName"), "runtimeClassName")
}

func accountRefs(o map[string]any, r *refList) {
	for _, field := range []string{"secrets", "imagePullSecrets"} {
		for _, s := range objects(o[field]) {
			r.add("", "secrets", s["name"], field)
		}
	}
}

func ingressRefs(o map[string]any, r *refList) {
	r.add("", "services", dig(o, "spec defaultBackend service name"), r.T("default backend"))
	for _, rule := range objects(dig(o, "spec rules")) {
		for _, p := range objects(dig(rule, "http paths")) {
			r.add("", "services", dig(p, "backend service name"), text(rule["host"])+text(p["path"]))
		}
	}
	for _, t := range objects(dig(o, "spec tls")) {
		r.add("", "secrets", t["secretName"], "tls")
	}
	r.in("", "networking.k8s.io", "ingressclasses", dig(o, "spec ingressClassName"), r.T("class"))
}

func policyRefs(o map[string]any, r *refList) {
	selector := dig(o, "spec podSelector")
	if m, ok := selector.(map[string]any); ok && len(m) == 0 {
		r.list = append(r.list, reference{GroupResource: podResource, namespace: r.namespace, all: true, how: "podSelector"})
		return
	}
	r.pods(selectorText(selector), "podSelector")
}

// scaled are the resources that a HorizontalPodAutoscaler can name by their
// kinds.
var scaled = map[string]schema.GroupResource{
	"Deployment": {Group: "apps", Resource: "deployments"}, "StatefulSet": {Group: "apps", Resource: "statefulsets"},
	"ReplicaSet": {Group: "apps", Resource: "replicasets"}, "ReplicationController": {Resource: "replicationcontrollers"},
}

func scaleRefs(o map[string]any, r *refList) {
	if gr, ok := scaled[digText(o, "spec scaleTargetRef kind")]; ok {
		r.add(gr.Group, gr.Resource, dig(o, "spec scaleTargetRef name"), r.T("scales"))
	}
}

func bindingRefs(o map[string]any, r *refList) {
	const group = "rbac.authorization.k8s.io"
	if digText(o, "roleRef kind") == "ClusterRole" {
		r.in("", group, "clusterroles", dig(o, "roleRef name"), r.T("grants"))
	} else {
		r.add(group, "roles", dig(o, "roleRef name"), r.T("grants"))
	}
	for _, s := range objects(o["subjects"]) {
		if text(s["kind"]) == "ServiceAccount" {
			namespace, _ := s["namespace"].(string)
			r.in(cmp.Or(namespace, r.namespace), "", "serviceaccounts", s["name"], r.T("subject"))
		}
	}
}

func webhookRefs(o map[string]any, r *refList) {
	for _, w := range objects(o["webhooks"]) {
		r.in(digText(w, "clientConfig service namespace"), "", "services", dig(w, "clientConfig service name"), r.T("calls"))
	}
}
