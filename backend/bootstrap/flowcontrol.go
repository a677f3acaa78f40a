package bootstrap

import (
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const flowGroup = "flowcontrol.apiserver.k8s.io"

// autoUpdate marks what the server may bring up to date itself.
var autoUpdate = map[string]string{flowcontrolv1.AutoUpdateAnnotationKey: "true"}

// flowControl is the default configuration of API Priority and Fairness.
func flowControl(o Options) []object {
	return append(priorityLevels(), flowSchemas(o)...)
}

func priorityLevels() []object {
	level := func(name string, spec flowcontrolv1.PriorityLevelConfigurationSpec) object {
		return object{gr: group(flowGroup, "prioritylevelconfigurations"), obj: &flowcontrolv1.PriorityLevelConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: autoUpdate}, Spec: spec,
		}}
	}
	limited := func(name string, shares, lendable int32, response flowcontrolv1.LimitResponse) object {
		return level(name, flowcontrolv1.PriorityLevelConfigurationSpec{
			Type: flowcontrolv1.PriorityLevelEnablementLimited,
			Limited: &flowcontrolv1.LimitedPriorityLevelConfiguration{
				NominalConcurrencyShares: &shares, LendablePercent: &lendable, LimitResponse: response,
			},
		})
	}
	queue := func(queues, hand int32) flowcontrolv1.LimitResponse {
		return flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeQueue, Queuing: &flowcontrolv1.QueuingConfiguration{
			Queues: queues, HandSize: hand, QueueLengthLimit: 50,
		}}
	}
	var none int32
	return []object{
		level("exempt", flowcontrolv1.PriorityLevelConfigurationSpec{
			Type:   flowcontrolv1.PriorityLevelEnablementExempt,
			Exempt: &flowcontrolv1.ExemptPriorityLevelConfiguration{NominalConcurrencyShares: &none, LendablePercent: &none},
		}),
		limited("catch-all", 5, 0, flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject}),
		limited("global-default", 20, 50, queue(128, 6)),
		limited("leader-election", 10, 0, queue(16, 4)),
		limited("node-high", 40, 25, queue(64, 6)),
		limited("system", 30, 33, queue(64, 6)),
		limited("workload-high", 40, 50, queue(128, 6)),
		limited("workload-low", 100, 90, queue(128, 6)),
	}
}

// schemaSpec is one flow schema in short.
type schemaSpec struct {
	name, level    string
	precedence     int32
	distinguishing flowcontrolv1.FlowDistinguisherMethodType
	rule           flowcontrolv1.PolicyRulesWithSubjects
}

func flowSchemas(o Options) []object {
	byUser, byNamespace := flowcontrolv1.FlowDistinguisherMethodByUserType, flowcontrolv1.FlowDistinguisherMethodByNamespaceType
	everyone := []flowcontrolv1.Subject{groupSubject("system:unauthenticated"), groupSubject("system:authenticated")}
	manager, scheduler, system := userSubject("system:kube-controller-manager"), userSubject("system:kube-scheduler"), accounts("kube-system")
	var list []object
	for _, s := range []schemaSpec{
		{"exempt", "exempt", 1, "", everything(groupSubject("system:masters"))},
		{"probes", "exempt", 2, "", flowcontrolv1.PolicyRulesWithSubjects{
			Subjects:         everyone,
			NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz", "/readyz", "/livez"}}},
		}},
		{"system-leader-election", "leader-election", 100, byUser, flowcontrolv1.PolicyRulesWithSubjects{
			Subjects:      []flowcontrolv1.Subject{manager, scheduler, system},
			ResourceRules: []flowcontrolv1.ResourcePolicyRule{resources("coordination.k8s.io", false, []string{"get", "create", "update"}, "leases")},
		}},
		{"system-node-high", "node-high", 400, byUser, flowcontrolv1.PolicyRulesWithSubjects{
			Subjects: []flowcontrolv1.Subject{groupSubject("system:nodes")},
			ResourceRules: []flowcontrolv1.ResourcePolicyRule{
				resources("", true, []string{"*"}, "nodes", "nodes/status"),
				resources("coordination.k8s.io", false, []string{"*"}, "leases"),
			},
		}},
		{"system-nodes", "system", 500, byUser, everything(groupSubject("system:nodes"))},
		{"kube-controller-manager", "workload-high", 800, byNamespace, everything(manager)},
		{"kube-scheduler", "workload-high", 800, byNamespace, everything(scheduler)},
		{"kube-system-service-accounts", "workload-high", 900, byNamespace, everything(system)},
		{"service-accounts", "workload-low", 9000, byUser, everything(groupSubject("system:serviceaccounts"))},
		{"global-default", "global-default", 9900, byUser, everything(everyone...)},
		{"catch-all", "catch-all", 10000, byUser, everything(everyone...)},
	} {
		list = append(list, s.object(o))
	}
	return list
}

func (s schemaSpec) object(o Options) object {
	f := &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Annotations: autoUpdate},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: s.level},
			MatchingPrecedence:         s.precedence, Rules: []flowcontrolv1.PolicyRulesWithSubjects{s.rule},
		},
	}
	if s.distinguishing != "" {
		f.Spec.DistinguisherMethod = &flowcontrolv1.FlowDistinguisherMethod{Type: s.distinguishing}
	}
	found := f.DeepCopy()
	found.Status.Conditions = []flowcontrolv1.FlowSchemaCondition{{
		Type: flowcontrolv1.FlowSchemaConditionDangling, Status: flowcontrolv1.ConditionFalse, LastTransitionTime: metav1.NewTime(o.Now),
		Reason: "Found", Message: `This FlowSchema references the PriorityLevelConfiguration object named "` + s.level + `" and it exists`,
	}}
	return object{group(flowGroup, "flowschemas"), f, found}
}

func everything(subjects ...flowcontrolv1.Subject) flowcontrolv1.PolicyRulesWithSubjects {
	return flowcontrolv1.PolicyRulesWithSubjects{
		Subjects:         subjects,
		ResourceRules:    []flowcontrolv1.ResourcePolicyRule{resources("*", true, []string{"*"}, "*")},
		NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}},
	}
}

func resources(apiGroup string, cluster bool, verbs []string, names ...string) flowcontrolv1.ResourcePolicyRule {
	return flowcontrolv1.ResourcePolicyRule{
		Verbs: verbs, APIGroups: []string{apiGroup}, Resources: names, ClusterScope: cluster, Namespaces: []string{"*"},
	}
}

func groupSubject(name string) flowcontrolv1.Subject {
	return flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindGroup, Group: &flowcontrolv1.GroupSubject{Name: name}}
}

func userSubject(name string) flowcontrolv1.Subject {
	return flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindUser, User: &flowcontrolv1.UserSubject{Name: name}}
}

func accounts(namespace string) flowcontrolv1.Subject {
	return flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: namespace, Name: "*"}}
}
