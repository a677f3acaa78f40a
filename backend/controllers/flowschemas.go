package controllers

import (
	"context"
	"fmt"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	flowSchemas    = schema.GroupVersionResource{Group: flowcontrolv1.GroupName, Version: "v1", Resource: "flowschemas"}
	priorityLevels = schema.GroupVersionResource{Group: flowcontrolv1.GroupName, Version: "v1", Resource: "prioritylevelconfigurations"}
)

type (
	flowSchema    = flowcontrolv1.FlowSchema
	priorityLevel = flowcontrolv1.PriorityLevelConfiguration
)

// newFlowSchemas says in the status of each FlowSchema whether its priority level
// exists: the condition Dangling.
// https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
func newFlowSchemas(d Deps) func(context.Context) error {
	schemas := informer.New(d.Shared, flowSchemas, "", func() *flowSchema { return &flowSchema{} })
	levels := informer.New(d.Shared, priorityLevels, "", func() *priorityLevel { return &priorityLevel{} })
	q := loop.NewQueue[string]("flowschemas")
	schemas.OnChange(func(_, now *flowSchema) {
		if now != nil {
			q.Add(now.Name)
		}
	})
	levels.OnChange(func(old, now *priorityLevel) {
		if old != nil && now != nil {
			return
		}
		for _, s := range schemas.List() {
			q.Add(s.Name)
		}
	})
	look := func(ctx context.Context, name string) error {
		<-schemas.Synced()
		<-levels.Synced()
		s, ok := schemas.Get("", name)
		if !ok {
			return nil
		}
		_, found := levels.Get("", s.Spec.PriorityLevelConfiguration.Name)
		want := dangling(s, !found)
		for _, c := range s.Status.Conditions {
			if c.Type == want.Type && c.Status == want.Status && c.Reason == want.Reason && c.Message == want.Message {
				return nil
			}
		}
		want.LastTransitionTime = metav1.NewTime(d.Clock())
		next := s.DeepCopy()
		setFlowCondition(next, want)
		return ignoreNotFound(d.Client.UpdateSubresource(ctx, flowSchemas, "status", next))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, schemas.Run, levels.Run, func(ctx context.Context) error { return q.Work(ctx, 1, look) })
	}
}

// dangling is the condition of a schema whose level is missing, or is not.
func dangling(s *flowSchema, missing bool) flowcontrolv1.FlowSchemaCondition {
	c := flowcontrolv1.FlowSchemaCondition{Type: flowcontrolv1.FlowSchemaConditionDangling, Status: flowcontrolv1.ConditionFalse, Reason: "Found"}
	fact := "and it exists"
	if missing {
		c.Status, c.Reason, fact = flowcontrolv1.ConditionTrue, "NotFound", "but there is no such object"
	}
	c.Message = fmt.Sprintf("This FlowSchema references the PriorityLevelConfiguration object named %q %s", s.Spec.PriorityLevelConfiguration.Name, fact)
	return c
}

// setFlowCondition puts a condition in the place of the one of its type.
func setFlowCondition(s *flowSchema, c flowcontrolv1.FlowSchemaCondition) {
	for i, have := range s.Status.Conditions {
		if have.Type == c.Type {
			if have.Status == c.Status {
				c.LastTransitionTime = have.LastTransitionTime
			}
			s.Status.Conditions[i] = c
			return
		}
	}
	s.Status.Conditions = append(s.Status.Conditions, c)
}
