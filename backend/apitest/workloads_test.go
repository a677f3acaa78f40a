package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

const apps = "/apis/apps/v1/namespaces/default/"

// podTemplate is a template of pods with labels.
func podTemplate(labels, image string) string {
	return `{"metadata":{"labels":` + labels + `},"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c","image":"` + image + `"}]}}`
}

// podsOf gives the pods with a label that nobody deletes, by name.
func podsOf(c *apitest.Caller, selector string) []corev1.Pod {
	var list corev1.PodList
	c.Get(pods + "?labelSelector=" + selector).Must(200).Into(&list)
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

func countPods(c *apitest.Caller, selector string) func() string {
	return func() string { return fmt.Sprint(len(podsOf(c, selector))) }
}

// setReady makes a pod run and be ready, or not.
func setReady(c *apitest.Caller, name, ready string) {
	at := time.Unix(1700000000+changes.Add(1), 0).UTC().Format(time.RFC3339)
	answer := c.Patch(pods+"/"+name+"/status", `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"`+ready+`","lastTransitionTime":"`+at+`"}]}}`)
	answer.Must(200, 404)
}

// kubelet makes all pods of a label run and be ready until the test ends.
func kubelet(t *testing.T, c *apitest.Caller, selector string) {
	w := c.Watch(pods + "?labelSelector=" + selector)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.Events() {
			var p corev1.Pod
			if e.Type == "DELETED" || e.Into(&p) != nil || p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodPending {
				continue
			}
			at := time.Unix(1700000000+changes.Add(1), 0).UTC().Format(time.RFC3339)
			running := `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"` + at + `"}]}}`
			for range 10 { // others write pods, too
				if code := c.TryPatch(pods+"/"+p.Name+"/status", running); code == 200 || code == 404 {
					break
				}
			}
		}
	}()
	t.Cleanup(func() { w.Close(); <-done })
}

func TestReplicaSetsKeepTheirPods(t *testing.T) {
	t.Parallel()
	c := working(t, "replicaset-controller")
	const sets = apps + "replicasets"
	webPod(c, "alone", "", "10.1.1.1", "True") // app=web, without an owner
	c.Post(sets, `{"metadata":{"name":"web"},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":`+podTemplate(`{"app":"web","tier":"x"}`, "i")+`}}`).Must(201)
	awaits(t, "3", countPods(c, "app=web"))
	status := func() string {
		var rs appsv1.ReplicaSet
		c.Get(sets + "/web").Must(200).Into(&rs)
		s := rs.Status
		return fmt.Sprintf("%d %d %d %d %d", s.Replicas, s.FullyLabeledReplicas, s.ReadyReplicas, s.AvailableReplicas, s.ObservedGeneration)
	}
	awaits(t, "3 2 1 1 1", status)
	for _, p := range podsOf(c, "app=web") {
		if len(p.OwnerReferences) != 1 || p.OwnerReferences[0].Name != "web" || !*p.OwnerReferences[0].Controller {
			t.Errorf("%s is owned by %v", p.Name, p.OwnerReferences)
		}
		if p.Name != "alone" && (!strings.HasPrefix(p.Name, "web-") || p.GenerateName != "web-") {
			t.Error(p.Name)
		}
	}

	// One that is over is replaced; one whose label is taken away is let go.
	c.Patch(pods+"/alone/status", `{"status":{"phase":"Failed"}}`).Must(200)
	awaits(t, "3", countPods(c, "tier=x"))
	free := podsOf(c, "tier=x")[0].Name
	c.Patch(pods+"/"+free, `{"metadata":{"labels":{"app":"other"}}}`).Must(200)
	awaits(t, "4", countPods(c, "tier=x"))
	awaits(t, "0", func() string {
		return fmt.Sprint(len(c.Get(pods + "/" + free).Must(200).Object().GetOwnerReferences()))
	})

	// The one that is not ready goes first.
	mine := podsOf(c, "app=web,tier=x")
	setReady(c, mine[1].Name, "True")
	awaits(t, "3 3 1 1 1", status)
	c.Patch(sets+"/web", `{"spec":{"replicas":1}}`).Must(200)
	awaits(t, "1", countPods(c, "app=web,tier=x"))
	if left := podsOf(c, "app=web,tier=x")[0].Name; left != mine[1].Name {
		t.Errorf("%s is left, not the one that is ready", left)
	}
	awaits(t, "1 1 1 1 2", status)
	awaits(t, "true", func() string {
		var events corev1.EventList
		c.Get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dweb").Must(200).Into(&events)
		reasons := map[string]bool{}
		for i := range events.Items {
			reasons[events.Items[i].Reason] = true
		}
		return fmt.Sprint(reasons["SuccessfulCreate"] && reasons["SuccessfulDelete"])
	})
	c.Delete(sets + "/web").Must(200)
	awaits(t, "0", countPods(c, "app=web,tier=x"))
}

func TestReplicaSetsSayWhatFails(t *testing.T) {
	t.Parallel()
	c := working(t, "replicaset-controller")
	const sets = apps + "replicasets"
	c.Post("/api/v1/namespaces/default/resourcequotas", `{"metadata":{"name":"q"},"spec":{"hard":{"pods":"2"}}}`).Must(201)
	c.Post(sets, `{"metadata":{"name":"web"},"spec":{"replicas":5,"selector":{"matchLabels":{"app":"web"}},"template":`+podTemplate(`{"app":"web"}`, "i")+`}}`).Must(201)
	condition := func() string {
		var rs appsv1.ReplicaSet
		c.Get(sets + "/web").Must(200).Into(&rs)
		out := fmt.Sprint(rs.Status.Replicas)
		for _, k := range rs.Status.Conditions {
			out += fmt.Sprintf(" %s %s %s %t", k.Type, k.Status, k.Reason, strings.Contains(k.Message, "exceeded quota"))
		}
		return out
	}
	awaits(t, "2 ReplicaFailure True FailedCreate true", condition)
	c.Delete("/api/v1/namespaces/default/resourcequotas/q").Must(200)
	awaits(t, "5", condition)
}
