package autoscaling

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"
)

func kind(t *testing.T) resourcetest.Kind[*hpa] {
	t.Helper()
	return resourcetest.Of[*hpa](t, Resources(&registry.Env{}), "horizontalpodautoscalers")
}

const target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}"

func TestDefaults(t *testing.T) {
	k := kind(t)
	k.JSON(k.New("spec: {maxReplicas: 3, "+target+"}"), "{metadata: {}, spec: {maxReplicas: 3, minReplicas: 1, "+target+
		", metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}, status: {currentMetrics: null, desiredReplicas: 0}}")
	k.JSON(k.New("spec: {maxReplicas: 3, "+target+", metrics: [{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 1}}}], behavior: {scaleDown: {selectPolicy: Min, tolerance: 0.1}}}"),
		"{metadata: {}, spec: {maxReplicas: 3, minReplicas: 1, "+target+`,
		metrics: [{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: '1'}}}],
		behavior: {scaleDown: {selectPolicy: Min, tolerance: 100m, policies: [{type: Percent, value: 100, periodSeconds: 15}]},
		scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [{type: Pods, value: 4, periodSeconds: 15}, {type: Percent, value: 100, periodSeconds: 15}]}}}, status: {currentMetrics: null, desiredReplicas: 0}}`)
}

func TestSpec(t *testing.T) {
	k := kind(t)
	k.Create("spec: {maxReplicas: 3, " + target + "}")
	k.Create("spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: v1, kind: ReplicationController, name: web}}")
	k.Create("spec: {minReplicas: 0, maxReplicas: 0, scaleTargetRef: {apiVersion: v1, kind: '', name: a/b}}",
		`spec.minReplicas: Invalid value: 0: must be greater than or equal to 1`,
		`spec.maxReplicas: Required value: must be set and greater than 0`,
		`spec.scaleTargetRef.kind: Required value`,
		`spec.scaleTargetRef.name: Invalid value: "a/b": may not contain '/'`,
		`spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group`,
		`spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas`)
	k.Create("spec: {minReplicas: 4, maxReplicas: 3, "+target+", behavior: {scaleUp: {stabilizationWindowSeconds: 3601, selectPolicy: Some, policies: [{type: Some, value: 0, periodSeconds: 1801}], tolerance: -1}, scaleDown: {policies: []}}}",
		"spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`",
		`spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600`,
		`spec.behavior.scaleUp.selectPolicy: Unsupported value: "Some": supported values: "Disabled", "Max", "Min"`,
		`spec.behavior.scaleUp.policies[0].type: Unsupported value: "Some": supported values: "Percent", "Pods"`,
		`spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero`,
		`spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
		`spec.behavior.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to 0`,
		`spec.behavior.scaleDown.policies: Required value: must specify at least one Policy`)
}

func TestMetrics(t *testing.T) {
	k := kind(t)
	f := func(metric string, want ...string) {
		t.Helper()
		k.Create("spec: {maxReplicas: 3, "+target+", metrics: ["+metric+"]}", want...)
	}
	f("{type: External, external: {metric: {name: m, selector: {matchLabels: {a: b}}}, target: {type: Value, value: 1}}}")
	f("{type: External, external: {metric: {name: m}, target: {type: Value, value: 1, averageValue: 1}}}",
		`spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`)
	f("{type: Object, object: {describedObject: {kind: Service, name: s}, metric: {name: ''}, target: {type: Value}}}",
		`spec.metrics[0].object.metric.name: Required value: must specify a metric name`,
		`spec.metrics[0].object.target.averageValue: Required value: must set either a target value or averageValue`)
	f("{type: Pods, pods: {metric: {name: a/b}, target: {type: Some, averageValue: -1}}}",
		`spec.metrics[0].pods.metric.name: Invalid value: "a/b": may not contain '/'`,
		`spec.metrics[0].pods.target.type: Invalid value: "Some": must be either Utilization, Value, or AverageValue`,
		`spec.metrics[0].pods.target.averageValue: Invalid value: "-1": must be positive`)
	f("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 0, averageValue: 1}}}",
		`spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
		`spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`)
	f("{type: ContainerResource, containerResource: {name: cpu, container: '', target: {type: Utilization}}}",
		`spec.metrics[0].containerResource.container: Required value: must specify a container`,
		`spec.metrics[0].containerResource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`)
	f("{type: Pods, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}}",
		`spec.metrics[0].pods: Required value: must populate information for the given metric source`)
	f("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}, pods: {metric: {name: a}, target: {type: AverageValue, averageValue: 1}}}",
		`spec.metrics[0].pods: Forbidden: must populate the given metric source only`)
}

func TestUpdates(t *testing.T) {
	k := kind(t)
	const old = "{spec: {minReplicas: 0, maxReplicas: 3, scaleTargetRef: {apiVersion: v1, kind: Odd, name: web}, metrics: [{type: External, external: {metric: {name: m}, target: {type: Value, value: 1}}}]}, status: {desiredReplicas: 1}}"
	h := k.Update(old, "spec: {minReplicas: 0, maxReplicas: 4, scaleTargetRef: {apiVersion: v1, kind: Odd, name: other}, metrics: [{type: External, external: {metric: {name: m}, target: {type: Value, value: 1}}}]}")
	if h.Status.DesiredReplicas != 1 {
		t.Error("an update changed the status")
	}
	h = k.UpdateSubresource("status", old, "{spec: {maxReplicas: 9, "+target+"}, status: {currentReplicas: -1, desiredReplicas: -2}}",
		`status.currentReplicas: Invalid value: -1: must be greater than or equal to 0`,
		`status.desiredReplicas: Invalid value: -2: must be greater than or equal to 0`)
	if h.Spec.MaxReplicas != 3 {
		t.Error("a status update changed the spec")
	}
}

func TestTable(t *testing.T) {
	k := kind(t)
	f := func(metrics, status, want string) {
		t.Helper()
		k.Row("{metadata: {name: h}, spec: {maxReplicas: 3, "+target+", metrics: ["+metrics+"]}, status: {currentReplicas: 2, currentMetrics: ["+status+"]}}",
			"h | Deployment/web | "+want+" | 1 | 3 | 2 | <unknown>")
	}
	const cpu = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}"
	f("", "", "cpu: <unknown>/80%")
	f(cpu, "{type: Resource, resource: {name: cpu, current: {averageUtilization: 12, averageValue: 1}}}", "cpu: 12%/80%")
	f("{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}", "{type: Resource, resource: {name: memory, current: {averageValue: 512Mi}}}", "memory: 512Mi/1Gi")
	f("{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 10}}}", "", "<unknown>/10")
	f("{type: Object, object: {describedObject: {kind: A, name: b}, metric: {name: m}, target: {type: Value, value: 10}}}, {type: External, external: {metric: {name: m}, target: {type: AverageValue, averageValue: 5}}}, "+cpu,
		"{type: Object, object: {describedObject: {kind: A, name: b}, metric: {name: m}, current: {value: 7}}}", "7/10, <unknown>/5 (avg) + 1 more...")
}

func TestV1RoundTrip(t *testing.T) {
	k := kind(t)
	v1 := k.Versions[1]
	hub := k.Read(`{metadata: {name: h, annotations: {mine: yes-it-is}}, spec: {maxReplicas: 3, ` + target + `,
		metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}, {type: Pods, pods: {metric: {name: m, selector: {matchLabels: {a: b}}}, target: {type: AverageValue, averageValue: 1}}},
			{type: External, external: {metric: {name: e}, target: {type: Value, value: 2}}}, {type: Object, object: {describedObject: {kind: A, name: b}, metric: {name: o}, target: {type: Value, value: 10}}}],
		behavior: {scaleDown: {stabilizationWindowSeconds: 30}}}, status: {currentReplicas: 2, desiredReplicas: 2,
		currentMetrics: [{type: Resource, resource: {name: cpu, current: {averageUtilization: 12, averageValue: 1}}}, {type: Pods, pods: {metric: {name: m}, current: {averageValue: 3}}}],
		conditions: [{type: AbleToScale, status: 'True', reason: R, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}`)
	obj, err := v1.FromHub(hub.DeepCopyObject().(*hpa))
	if err != nil {
		t.Fatal(err)
	}
	old := obj.(*autoscalingv1.HorizontalPodAutoscaler)
	if p := old.Spec.TargetCPUUtilizationPercentage; p == nil || *p != 70 {
		t.Errorf("target %v", p)
	}
	if p := old.Status.CurrentCPUUtilizationPercentage; p == nil || *p != 12 {
		t.Errorf("current %v", p)
	}
	wantBehavior := `{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null},` +
		`"ScaleDown":{"StabilizationWindowSeconds":30,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}`
	if got := old.Annotations[behaviorAnnotation]; got != wantBehavior {
		t.Errorf("behavior %s", got)
	}
	for _, key := range []string{metricsAnnotation, currentMetricsAnnotation, conditionsAnnotation, "mine"} {
		if old.Annotations[key] == "" {
			t.Errorf("no annotation %s", key)
		}
	}
	again, err := v1.ToHub(old)
	if err != nil {
		t.Fatal(err)
	}
	// v1 has no order between the CPU target and the other metrics.
	metrics := hub.Spec.Metrics
	hub.Spec.Metrics = append(metrics[1:len(metrics):len(metrics)], metrics[0])
	if got := again.(*hpa); !equality.Semantic.DeepEqual(got.Spec, hub.Spec) || !equality.Semantic.DeepEqual(got.Annotations, hub.Annotations) ||
		!equality.Semantic.DeepEqual(got.Status.Conditions, hub.Status.Conditions) {
		a, _ := yaml.Marshal(got)
		b, _ := yaml.Marshal(hub)
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

func TestV1WithoutMetrics(t *testing.T) {
	v1 := kind(t).Versions[1]
	old := &autoscalingv1.HorizontalPodAutoscaler{}
	old.Annotations = map[string]string{metricsAnnotation: "no json"}
	v1.Default(old)
	obj, err := v1.ToHub(old)
	if err != nil {
		t.Fatal(err)
	}
	h := obj.(*hpa)
	if *h.Spec.MinReplicas != 1 || len(h.Spec.Metrics) != 1 || *h.Spec.Metrics[0].Resource.Target.AverageUtilization != 80 || len(h.Annotations) != 0 {
		t.Errorf("%+v", h)
	}
}
