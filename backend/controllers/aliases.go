package controllers

// aliases are the names that kube-controller-manager had for its controllers
// before 1.28 and still takes.
var aliases = map[string]string{
	"clusterrole-aggregation": "clusterrole-aggregation-controller",
	"cronjob":                 "cronjob-controller",
	"csrapproving":            "certificatesigningrequest-approving-controller",
	"csrcleaner":              "certificatesigningrequest-cleaner-controller",
	"csrsigning":              "certificatesigningrequest-signing-controller",
	"daemonset":               "daemonset-controller",
	"deployment":              "deployment-controller",
	"disruption":              "disruption-controller",
	"endpoint":                "endpoints-controller",
	"endpointslice":           "endpointslice-controller",
	"endpointslicemirroring":  "endpointslice-mirroring-controller",
	"garbagecollector":        "garbage-collector-controller",
	"job":                     "job-controller",
	"namespace":               "namespace-controller",
	"nodelifecycle":           "node-lifecycle-controller",
	"persistentvolume-binder": "persistentvolume-binder-controller",
	"podgc":                   "pod-garbage-collector-controller",
	"pv-protection":           "persistentvolume-protection-controller",
	"pvc-protection":          "persistentvolumeclaim-protection-controller",
	"replicaset":              "replicaset-controller",
	"replicationcontroller":   "replicationcontroller-controller",
	"resourcequota":           "resourcequota-controller",
	"root-ca-cert-publisher":  "root-ca-certificate-publisher-controller",
	"serviceaccount":          "serviceaccount-controller",
	"serviceaccount-token":    "serviceaccount-token-controller",
	"statefulset":             "statefulset-controller",
	"ttl-after-finished":      "ttl-after-finished-controller",
}
