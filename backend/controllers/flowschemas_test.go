package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDanglingCondition(t *testing.T) {
	s := &flowSchema{}
	s.Spec.PriorityLevelConfiguration.Name = "l"
	first, later := metav1.NewTime(time.Unix(1, 0)), metav1.NewTime(time.Unix(2, 0))
	set := func(missing bool, at metav1.Time) {
		c := dangling(s, missing)
		c.LastTransitionTime = at
		setFlowCondition(s, c)
	}
	check := func(status, reason, message string, since metav1.Time) {
		t.Helper()
		c := s.Status.Conditions
		if len(c) != 1 || string(c[0].Status) != status || c[0].Reason != reason || c[0].Message != message || !c[0].LastTransitionTime.Equal(&since) {
			t.Errorf("got %+v", c)
		}
	}
	const about = `This FlowSchema references the PriorityLevelConfiguration object named `
	set(true, first)
	check("True", "NotFound", about+`"l" but there is no such object`, first)
	s.Spec.PriorityLevelConfiguration.Name = "m"
	set(true, later)
	check("True", "NotFound", about+`"m" but there is no such object`, first)
	set(false, later)
	check("False", "Found", about+`"m" and it exists`, later)
}
