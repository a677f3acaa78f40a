package controllers

import (
	"pilothouse/backend/controllers/bootstraptoken"
	"pilothouse/backend/controllers/cronjob"
	"pilothouse/backend/controllers/daemonset"
	"pilothouse/backend/controllers/deployment"
	"pilothouse/backend/controllers/disruption"
	"pilothouse/backend/controllers/endpoints"
	"pilothouse/backend/controllers/job"
	"pilothouse/backend/controllers/replicaset"
	"pilothouse/backend/controllers/statefulset"
	"pilothouse/backend/controllers/volumebinder"
	"pilothouse/backend/scheduler"
)

// All gives every loop, in the order in which they start.
func All() []Loop {
	return []Loop{
		{Name: "namespace-controller", Account: "namespace-controller", New: newNamespaces},
		{Name: "serviceaccount-controller", Account: "service-account-controller", New: newServiceAccounts},
		{Name: "serviceaccount-token-controller", Account: "token-controller", New: newTokens},
		{Name: "legacy-serviceaccount-token-tracking-controller", New: newTokenTracking},
		{Name: "root-ca-certificate-publisher-controller", Account: "root-ca-cert-publisher", New: newRootCA},
		{Name: "certificatesigningrequest-signing-controller", Account: "certificate-controller", New: newSigning},
		{Name: "certificatesigningrequest-approving-controller", Account: "certificate-controller", New: newApproving},
		{Name: "certificatesigningrequest-cleaner-controller", Account: "certificate-controller", New: newCleaner},
		{Name: "bootstrap-signer-controller", Account: "bootstrap-signer", New: bootstraptoken.NewSigner},
		{Name: "token-cleaner-controller", Account: "token-cleaner", New: bootstraptoken.NewCleaner},
		{Name: "cluster-info-publisher-controller", New: bootstraptoken.NewPublisher},
		{Name: "clusterrole-aggregation-controller", Account: "clusterrole-aggregation-controller", New: newAggregation},
		{Name: "persistentvolumeclaim-protection-controller", Account: "pvc-protection-controller", New: newClaimProtection},
		{Name: "persistentvolume-protection-controller", Account: "pv-protection-controller", New: newVolumeProtection},
		{Name: "volumeattributesclass-protection-controller", Account: "volumeattributesclass-protection-controller", New: newClassProtection},
		{Name: "resourcequota-controller", Account: "resourcequota-controller", New: newQuotas},
		{Name: "flowschema-status-controller", New: newFlowSchemas},
		{Name: "garbage-collector-controller", Account: "generic-garbage-collector", New: newCollector},
		{Name: "pod-garbage-collector-controller", Account: "pod-garbage-collector", New: newPodCollector},
		{Name: "ttl-after-finished-controller", Account: "ttl-after-finished-controller", New: newFinishedJobs},
		{Name: "endpointslice-mirroring-controller", Account: "endpointslicemirroring-controller", New: newMirroring},
		{Name: "endpoints-controller", Account: "endpoint-controller", Workload: true, New: endpoints.NewEndpoints},
		{Name: "endpointslice-controller", Account: "endpointslice-controller", Workload: true, New: endpoints.NewSlices},
		{Name: "deployment-controller", Account: "deployment-controller", Workload: true, New: deployment.New},
		{Name: "replicaset-controller", Account: "replicaset-controller", Workload: true, New: replicaset.New},
		{Name: "replicationcontroller-controller", Account: "replication-controller", Workload: true, New: replicaset.NewControllers},
		{Name: "disruption-controller", Account: "disruption-controller", Workload: true, New: disruption.New},
		{Name: "persistentvolume-binder-controller", Account: "persistent-volume-binder", Workload: true, New: volumebinder.New},
		{Name: "job-controller", Account: "job-controller", Workload: true, New: job.New},
		{Name: "daemonset-controller", Account: "daemon-set-controller", Workload: true, New: daemonset.New},
		{Name: "statefulset-controller", Account: "statefulset-controller", Workload: true, New: statefulset.New},
		{Name: "cronjob-controller", Account: "cronjob-controller", Workload: true, New: cronjob.New},
		{Name: "event-expiry-controller", New: newEventExpiry},
		{Name: "validatingadmissionpolicy-status-controller", Account: "validatingadmissionpolicy-status-controller", New: newPolicyStatus},
		{Name: "node-lifecycle-controller", Account: "node-controller", Workload: true, New: newNodeLifecycle},
		{Name: "taint-eviction-controller", Account: "node-controller", Workload: true, New: newTaintEviction},
		{Name: "kube-scheduler", User: scheduler.User, New: newScheduler},
	}
}
