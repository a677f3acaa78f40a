package apitest_test

import (
	"fmt"
	"testing"

	"pilothouse/backend/apitest"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"

// describeBudget says how a budget's pods are and what may go.
func describeBudget(c *apitest.Caller, name string) func() string {
	return func() string {
		var b policyv1.PodDisruptionBudget
		c.Get(budgets + "/" + name).Must(200).Into(&b)
		s := b.Status
		out := fmt.Sprintf("%d/%d of %d, %d may go, %d go", s.CurrentHealthy, s.DesiredHealthy, s.ExpectedPods, s.DisruptionsAllowed, len(s.DisruptedPods))
		for _, k := range s.Conditions {
			out += fmt.Sprintf(", %s", k.Reason)
		}
		if s.ObservedGeneration != b.Generation {
			out += ", not seen"
		}
		return out
	}
}

func newBudget(c *apitest.Caller, name, app, spec string) {
	c.Post(budgets, `{"metadata":{"name":"`+name+`"},"spec":{"selector":{"matchLabels":{"app":"`+app+`"}},`+spec+`}}`).Must(201)
}

func TestBudgetsOfDisruptions(t *testing.T) {
	t.Parallel()
	c := working(t, "disruption-controller", "replicaset-controller", "deployment-controller", "-job-controller")
	newBudget(c, "fixed", "web", `"minAvailable":2`)
	newBudget(c, "share", "web", `"minAvailable":"50%"`)
	newBudget(c, "unavailable", "web", `"maxUnavailable":"30%"`)
	newBudget(c, "one", "web", `"maxUnavailable":1`)
	newBudget(c, "nobody", "none", `"maxUnavailable":1`)
	awaits(t, "0/0 of 0, 0 may go, 0 go, InsufficientPods", describeBudget(c, "nobody"))
	kubelet(t, c, "app=web")
	c.Post(apps+"deployments", `{"metadata":{"name":"web"},"spec":{"replicas":5,"selector":{"matchLabels":{"app":"web"}},"template":`+podTemplate(`{"app":"web"}`, "i")+`}}`).Must(201)
	awaits(t, "5/2 of 5, 3 may go, 0 go, SufficientPods", describeBudget(c, "fixed"))
	awaits(t, "5/3 of 5, 2 may go, 0 go, SufficientPods", describeBudget(c, "share"))
	awaits(t, "5/3 of 5, 2 may go, 0 go, SufficientPods", describeBudget(c, "unavailable"))
	awaits(t, "5/4 of 5, 1 may go, 0 go, SufficientPods", describeBudget(c, "one"))
	for _, name := range []string{"fixed", "share", "unavailable"} {
		c.Delete(budgets + "/" + name).Must(200)
	}

	// An eviction takes the one that may go; its replacement gives it back.
	evict := func(name, query string) *apitest.Answer {
		return c.Do("POST", pods+"/"+name+"/eviction"+query, `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"`+name+`"}}`)
	}
	evict(podsOf(c, "app=web")[0].Name, "").Must(201)
	awaits(t, "5/4 of 5, 1 may go, 0 go, SufficientPods", describeBudget(c, "one"))
	setReady(c, podsOf(c, "app=web")[0].Name, "False")
	awaits(t, "4/4 of 5, 0 may go, 0 go, InsufficientPods", describeBudget(c, "one"))
	evict(podsOf(c, "app=web")[1].Name, "").Must(429)

	// What nobody can count does not go.
	newJob(c, "j", "")
	job := c.Get("/apis/batch/v1/namespaces/default/jobs/j").Must(200).Object()
	c.Post(pods, `{"metadata":{"name":"strange","labels":{"app":"strange"},"ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"`+string(job.GetUID())+`","controller":true}]},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	newBudget(c, "strange", "strange", `"maxUnavailable":1`)
	awaits(t, "0/0 of 0, 0 may go, 0 go, SyncFailed", describeBudget(c, "strange"))
	c.Post(pods, `{"metadata":{"name":"alone","labels":{"app":"alone"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	webPodStatus(c, "alone", "10.1.1.1", "True")
	newBudget(c, "alone", "alone", `"maxUnavailable":1`)
	awaits(t, "UnmanagedPods", func() string {
		var events corev1.EventList
		c.Get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dalone,reason%3DUnmanagedPods").Must(200).Into(&events)
		if len(events.Items) == 0 {
			return ""
		}
		return events.Items[0].Reason
	})

	// One that was to be disrupted and was not is told after a while.
	c.Patch(pods+"/alone/status", `{"status":{"conditions":[{"type":"DisruptionTarget","status":"True","lastTransitionTime":"2020-01-01T00:00:00Z"}]}}`).Must(200)
	awaits(t, "False", func() string {
		for _, k := range podOf(c, "alone").Status.Conditions {
			if k.Type == corev1.DisruptionTarget {
				return string(k.Status)
			}
		}
		return ""
	})
}

func TestReplicationControllersKeepTheirPods(t *testing.T) {
	t.Parallel()
	c := working(t, "replicationcontroller-controller")
	const controllers = "/api/v1/namespaces/default/replicationcontrollers"
	c.Post(controllers, `{"metadata":{"name":"old"},"spec":{"replicas":3,"template":`+podTemplate(`{"app":"old"}`, "i")+`}}`).Must(201)
	awaits(t, "3", countPods(c, "app=old"))
	status := func() string {
		var rc corev1.ReplicationController
		c.Get(controllers + "/old").Must(200).Into(&rc)
		s := rc.Status
		return fmt.Sprintf("%d %d %d %d %d", s.Replicas, s.FullyLabeledReplicas, s.ReadyReplicas, s.AvailableReplicas, s.ObservedGeneration)
	}
	setReady(c, podsOf(c, "app=old")[1].Name, "True")
	awaits(t, "3 3 1 1 1", status)
	p := podsOf(c, "app=old")[0]
	if o := p.OwnerReferences; len(o) != 1 || o[0].Kind != "ReplicationController" || o[0].APIVersion != "v1" || p.GenerateName != "old-" {
		t.Error(p.ObjectMeta)
	}
	c.Patch(controllers+"/old/scale", `{"spec":{"replicas":1}}`).Must(200)
	awaits(t, "1", countPods(c, "app=old"))
	awaits(t, "1 1 1 1 2", status)
	c.Delete(pods + "/" + podsOf(c, "app=old")[0].Name).Must(200)
	awaits(t, "1", countPods(c, "app=old"))
	c.Patch(controllers+"/old", `{"spec":{"replicas":0}}`).Must(200)
	awaits(t, "0 0 0 0 3", status)
}
