package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/apitest"

	appsv1 "k8s.io/api/apps/v1"
)

const deployments = apps + "deployments"

func readDeployment(c *apitest.Caller, name string) *appsv1.Deployment {
	var d appsv1.Deployment
	c.Get(deployments + "/" + name).Must(200).Into(&d)
	return &d
}

// describeDeployment gives counts and conditions.
func describeDeployment(c *apitest.Caller, name string) func() string {
	return func() string {
		d := readDeployment(c, name)
		s := d.Status
		out := fmt.Sprintf("gen=%t replicas=%d updated=%d ready=%d available=%d", s.ObservedGeneration == d.Generation, s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas)
		var each []string
		for _, k := range s.Conditions {
			each = append(each, fmt.Sprintf(" %s=%s/%s", k.Type, k.Status, k.Reason))
		}
		slices.Sort(each)
		return out + strings.Join(each, "")
	}
}

// describeSets gives the ReplicaSets with a label by revision: image and size.
func describeSets(c *apitest.Caller, selector string) func() string {
	return func() string {
		var list appsv1.ReplicaSetList
		c.Get(apps + "replicasets?labelSelector=" + selector).Must(200).Into(&list)
		var out []string
		for _, rs := range list.Items {
			out = append(out, fmt.Sprintf("%s:%s=%d", rs.Annotations["deployment.kubernetes.io/revision"], rs.Spec.Template.Spec.Containers[0].Image, *rs.Spec.Replicas))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
}

func newDeployment(c *apitest.Caller, name, spec, image string) {
	c.Post(deployments, `{"metadata":{"name":"`+name+`","annotations":{"note":"n"}},"spec":{`+spec+`"selector":{"matchLabels":{"app":"`+name+`"}},"template":`+podTemplate(`{"app":"`+name+`"}`, image)+`}}`).Must(201)
}

func setImage(c *apitest.Caller, name, image string) {
	c.Patch(deployments+"/"+name, `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"`+image+`"}]}}}}`).Must(200)
}

func TestDeploymentsRollOutAndBack(t *testing.T) {
	t.Parallel()
	c := working(t, "deployment-controller", "replicaset-controller")
	kubelet(t, c, "app=web")
	const done = "gen=true replicas=3 updated=3 ready=3 available=3 Available=True/MinimumReplicasAvailable Progressing=True/NewReplicaSetAvailable"
	newDeployment(c, "web", `"replicas":3,"revisionHistoryLimit":1,`, "one")
	awaits(t, done, describeDeployment(c, "web"))
	awaits(t, "1:one=3", describeSets(c, "app=web"))
	for _, p := range podsOf(c, "app=web") {
		if p.Labels["pod-template-hash"] == "" {
			t.Errorf("%s has no label of its template", p.Name)
		}
	}

	setImage(c, "web", "two")
	awaits(t, "1:one=0 2:two=3", describeSets(c, "app=web"))
	awaits(t, done, describeDeployment(c, "web"))
	if d := readDeployment(c, "web"); d.Annotations["deployment.kubernetes.io/revision"] != "2" {
		t.Error(d.Annotations)
	}

	// Back: the old ReplicaSet gets a new revision, and keeps its old one in its history.
	setImage(c, "web", "one")
	awaits(t, "2:two=0 3:one=3", describeSets(c, "app=web"))
	awaits(t, done, describeDeployment(c, "web"))
	// A third template: only one old revision is kept.
	setImage(c, "web", "three")
	awaits(t, "3:one=0 4:three=3", describeSets(c, "app=web"))
	// By the annotation of old versions.
	c.Patch(deployments+"/web", `{"metadata":{"annotations":{"deprecated.deployment.rollback.to":"0"}}}`).Must(200)
	awaits(t, "4:three=0 5:one=3", describeSets(c, "app=web"))
	d := readDeployment(c, "web")
	if _, has := d.Annotations["deprecated.deployment.rollback.to"]; has {
		t.Error("it is to be rolled back for ever")
	}

	c.Patch(deployments+"/web/scale", `{"spec":{"replicas":5}}`).Must(200)
	awaits(t, "4:three=0 5:one=5", describeSets(c, "app=web"))
	c.Delete(deployments + "/web").Must(200)
	awaits(t, "", describeSets(c, "app=web"))
	awaits(t, "0", countPods(c, "app=web"))
}

// While new pods do not become ready, as many old ones stay as must be available.
func TestDeploymentsKeepWhatIsAvailable(t *testing.T) {
	t.Parallel()
	c := working(t, "deployment-controller", "replicaset-controller")
	newDeployment(c, "web", `"replicas":4,"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":1}},`, "one")
	awaits(t, "4", countPods(c, "app=web"))
	for _, p := range podsOf(c, "app=web") {
		setReady(c, p.Name, "True")
	}
	awaits(t, "gen=true replicas=4 updated=4 ready=4 available=4 Available=True/MinimumReplicasAvailable Progressing=True/NewReplicaSetAvailable", describeDeployment(c, "web"))
	setImage(c, "web", "two")
	awaits(t, "1:one=3 2:two=2", describeSets(c, "app=web"))
	awaits(t, "gen=true replicas=5 updated=2 ready=3 available=3 Available=True/MinimumReplicasAvailable Progressing=True/ReplicaSetUpdated", describeDeployment(c, "web"))

	// Scaled in the middle: each gets its share.
	c.Patch(deployments+"/web", `{"spec":{"replicas":9}}`).Must(200)
	awaits(t, "1:one=6 2:two=4", describeSets(c, "app=web"))
	c.Patch(deployments+"/web", `{"spec":{"replicas":4}}`).Must(200)
	awaits(t, "1:one=3 2:two=2", describeSets(c, "app=web"))

	// Paused: nothing rolls on, and a change makes no ReplicaSet.
	c.Patch(deployments+"/web", `{"spec":{"paused":true}}`).Must(200)
	awaits(t, "Unknown/DeploymentPaused", func() string {
		for _, k := range readDeployment(c, "web").Status.Conditions {
			if k.Type == appsv1.DeploymentProgressing {
				return string(k.Status) + "/" + k.Reason
			}
		}
		return ""
	})
	setImage(c, "web", "three")
	awaits(t, "true", func() string {
		d := readDeployment(c, "web")
		return fmt.Sprint(d.Status.ObservedGeneration == d.Generation)
	})
	if got := describeSets(c, "app=web")(); got != "1:one=3 2:two=2" {
		t.Error(got)
	}
	kubelet(t, c, "app=web")
	c.Patch(deployments+"/web", `{"spec":{"paused":false}}`).Must(200)
	awaits(t, "1:one=0 2:two=0 3:three=4", describeSets(c, "app=web"))
}

func TestDeploymentsTimeOut(t *testing.T) {
	t.Parallel()
	c := working(t, "deployment-controller", "replicaset-controller")
	newDeployment(c, "web", `"replicas":1,"progressDeadlineSeconds":1,`, "one")
	awaits(t, "gen=true replicas=1 updated=1 ready=0 available=0 Available=False/MinimumReplicasUnavailable Progressing=False/ProgressDeadlineExceeded", describeDeployment(c, "web"))
	setReady(c, podsOf(c, "app=web")[0].Name, "True")
	awaits(t, "gen=true replicas=1 updated=1 ready=1 available=1 Available=True/MinimumReplicasAvailable Progressing=True/NewReplicaSetAvailable", describeDeployment(c, "web"))
}

// Recreate: no new pod before the last old one is gone.
func TestDeploymentsRecreate(t *testing.T) {
	t.Parallel()
	c := working(t, "deployment-controller", "replicaset-controller")
	newDeployment(c, "web", `"replicas":2,"strategy":{"type":"Recreate"},`, "one")
	awaits(t, "2", countPods(c, "app=web"))
	old := podsOf(c, "app=web")
	c.Patch(pods+"/"+old[0].Name, `{"metadata":{"finalizers":["example.com/f"]}}`).Must(200)
	setImage(c, "web", "two")
	awaits(t, "1:one=0", describeSets(c, "app=web"))
	awaits(t, "0", countPods(c, "app=web"))
	if got := describeSets(c, "app=web")(); got != "1:one=0" {
		t.Error(got)
	}
	c.Patch(pods+"/"+old[0].Name, `{"metadata":{"finalizers":null}}`).Must(200)
	awaits(t, "1:one=0 2:two=2", describeSets(c, "app=web"))
	awaits(t, "2", countPods(c, "app=web"))
}
