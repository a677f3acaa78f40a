package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/apitest"

	appsv1 "k8s.io/api/apps/v1"
)

const (
	daemonSets = apps + "daemonsets"
	nodes      = "/api/v1/nodes"
)

func describeDaemonSet(c *apitest.Caller, name string) func() string {
	return func() string {
		var ds appsv1.DaemonSet
		c.Get(daemonSets + "/" + name).Must(200).Into(&ds)
		s := ds.Status
		return fmt.Sprintf("desired=%d current=%d updated=%d ready=%d available=%d misscheduled=%d", s.DesiredNumberScheduled, s.CurrentNumberScheduled,
			s.UpdatedNumberScheduled, s.NumberReady, s.NumberAvailable, s.NumberMisscheduled)
	}
}

// daemonPods gives the nodes and images of the pods with a label.
func daemonPods(c *apitest.Caller, selector string) func() string {
	return func() string {
		var out []string
		for _, p := range podsOf(c, selector) {
			node := p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields[0].Values[0]
			out = append(out, node+":"+p.Spec.Containers[0].Image)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
}

func newDaemonSet(c *apitest.Caller, name, spec, podSpec string) {
	c.Post(daemonSets, `{"metadata":{"name":"`+name+`"},"spec":{`+spec+`"selector":{"matchLabels":{"app":"`+name+`"}},"template":{"metadata":{"labels":{"app":"`+name+`"}},
		"spec":{"terminationGracePeriodSeconds":0,`+podSpec+`"containers":[{"name":"c","image":"one"}]}}}}`).Must(201)
}

func setDaemonImage(c *apitest.Caller, name, image string) {
	c.Patch(daemonSets+"/"+name, `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"`+image+`"}]}}}}`).Must(200)
}

// newNode makes a node, and takes the taint from it that a new one has.
func newNode(c *apitest.Caller, name, labels, spec string) {
	c.Post(nodes, `{"metadata":{"name":"`+name+`","labels":`+labels+`}}`).Must(201)
	c.Patch(nodes+"/"+name, `{"spec":{`+spec+`}}`).Must(200)
}

func TestDaemonSetsAreOnTheirNodes(t *testing.T) {
	t.Parallel()
	c := working(t, "daemonset-controller")
	newNode(c, "a", `{"disk":"ssd"}`, `"taints":null`)
	newNode(c, "b", `{"disk":"ssd"}`, `"taints":[{"key":"special","effect":"NoSchedule"}]`)
	newNode(c, "c", `{}`, `"taints":null,"unschedulable":true`)
	newDaemonSet(c, "all", "", "")
	newDaemonSet(c, "ssd", "", `"nodeSelector":{"disk":"ssd"},"tolerations":[{"key":"special","operator":"Exists"}],`)
	awaits(t, "a:one c:one", daemonPods(c, "app=all"))
	awaits(t, "a:one b:one", daemonPods(c, "app=ssd"))
	awaits(t, "desired=2 current=2 updated=2 ready=0 available=0 misscheduled=0", describeDaemonSet(c, "all"))

	newNode(c, "d", `{"disk":"ssd"}`, `"taints":null`)
	awaits(t, "a:one c:one d:one", daemonPods(c, "app=all"))
	c.Patch(nodes+"/a", `{"metadata":{"labels":{"disk":"none"}}}`).Must(200)
	awaits(t, "b:one d:one", daemonPods(c, "app=ssd"))
	c.Patch(nodes+"/d", `{"spec":{"taints":[{"key":"out","effect":"NoExecute"}]}}`).Must(200)
	awaits(t, "a:one c:one", daemonPods(c, "app=all"))
	awaits(t, "b:one", daemonPods(c, "app=ssd")) // the one that is on its way out is not the one that fails

	// One that fails is made anew.
	failed := podsOf(c, "app=ssd")[0].Name
	c.Patch(pods+"/"+failed+"/status", `{"status":{"phase":"Failed"}}`).Must(200)
	awaits(t, "404", codeOf(c, pods+"/"+failed))
	awaits(t, "b:one", daemonPods(c, "app=ssd"))
	c.Delete(daemonSets + "/all").Must(200)
	awaits(t, "", daemonPods(c, "app=all"))
}

func TestDaemonSetsRoll(t *testing.T) {
	t.Parallel()
	c := working(t, "daemonset-controller")
	for _, n := range []string{"a", "b", "c"} {
		newNode(c, n, `{}`, `"taints":null`)
	}
	ready := func(image string) {
		for _, p := range podsOf(c, "app=ds") {
			if p.Spec.Containers[0].Image == image {
				setReady(c, p.Name, "True")
			}
		}
	}
	newDaemonSet(c, "ds", "", "")
	awaits(t, "a:one b:one c:one", daemonPods(c, "app=ds"))
	ready("one")
	awaits(t, "desired=3 current=3 updated=3 ready=3 available=3 misscheduled=0", describeDaemonSet(c, "ds"))
	setDaemonImage(c, "ds", "two")
	awaits(t, "desired=3 current=3 updated=1 ready=2 available=2 misscheduled=0", describeDaemonSet(c, "ds"))
	if got := daemonPods(c, "app=ds")(); strings.Count(got, ":two") != 1 {
		t.Error(got)
	}
	awaits(t, "desired=3 current=3 updated=3 ready=3 available=3 misscheduled=0", func() string { ready("two"); return describeDaemonSet(c, "ds")() })

	// A second pod first, then the old one goes.
	c.Patch(daemonSets+"/ds", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}}`).Must(200)
	setDaemonImage(c, "ds", "three")
	awaits(t, "3 1", func() string {
		got := daemonPods(c, "app=ds")()
		return fmt.Sprint(strings.Count(got, ":two"), " ", strings.Count(got, ":three"))
	})
	awaits(t, "a:three b:three c:three", func() string { ready("three"); return daemonPods(c, "app=ds")() })

	// Each template is a revision, with which kubectl rollout undo works.
	var list appsv1.ControllerRevisionList
	c.Get(apps + "controllerrevisions?labelSelector=app%3Dds").Must(200).Into(&list)
	if len(list.Items) != 3 || !strings.Contains(string(list.Items[0].Data.Raw), `"$patch":"replace"`) {
		t.Errorf("%+v", list.Items)
	}
	c.Do("PATCH", daemonSets+"/ds", revisionWith(list.Items, `"one"`), "Content-Type", "application/strategic-merge-patch+json").Must(200)
	awaits(t, "a:one b:one c:one", func() string { ready("one"); return daemonPods(c, "app=ds")() })
	c.Get(apps + "controllerrevisions?labelSelector=app%3Dds").Must(200).Into(&list)
	if len(list.Items) != 3 {
		t.Errorf("%d revisions", len(list.Items))
	}
}

// revisionWith gives the patch of the revision that has some text in it.
func revisionWith(list []appsv1.ControllerRevision, text string) []byte {
	for i := range list {
		if strings.Contains(string(list[i].Data.Raw), text) {
			return list[i].Data.Raw
		}
	}
	return nil
}
