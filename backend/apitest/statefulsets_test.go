package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

const (
	statefulSets = apps + "statefulsets"
	claims       = "/api/v1/namespaces/default/persistentvolumeclaims"
	cronJobs     = "/apis/batch/v1/namespaces/default/cronjobs"
)

func newStatefulSet(c *apitest.Caller, name, spec string) {
	c.Post(statefulSets, `{"metadata":{"name":"`+name+`"},"spec":{`+spec+`"serviceName":"svc","selector":{"matchLabels":{"app":"`+name+`"}},"template":`+podTemplate(`{"app":"`+name+`"}`, "one")+`}}`).Must(201)
}

// namesAndImages gives the pods with a label.
func namesAndImages(c *apitest.Caller, selector string) func() string {
	return func() string {
		var out []string
		for _, p := range podsOf(c, selector) {
			out = append(out, p.Name+":"+p.Spec.Containers[0].Image)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
}

func describeStatefulSet(c *apitest.Caller, name string) func() string {
	return func() string {
		var s appsv1.StatefulSet
		c.Get(statefulSets + "/" + name).Must(200).Into(&s)
		return fmt.Sprintf("replicas=%d ready=%d current=%d updated=%d same=%t", s.Status.Replicas, s.Status.ReadyReplicas, s.Status.CurrentReplicas,
			s.Status.UpdatedReplicas, s.Status.CurrentRevision == s.Status.UpdateRevision)
	}
}

func TestStatefulSetsGoInOrder(t *testing.T) {
	t.Parallel()
	c := working(t, "statefulset-controller")
	newStatefulSet(c, "db", `"replicas":3,"ordinals":{"start":1},"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}],
		"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete","whenDeleted":"Retain"},`)
	awaits(t, "db-1:one", namesAndImages(c, "app=db"))
	setReady(c, "db-1", "True")
	awaits(t, "db-1:one db-2:one", namesAndImages(c, "app=db"))
	setReady(c, "db-2", "True")
	awaits(t, "db-1:one db-2:one db-3:one", namesAndImages(c, "app=db"))
	setReady(c, "db-3", "True")
	awaits(t, "replicas=3 ready=3 current=3 updated=3 same=true", describeStatefulSet(c, "db"))
	var p corev1.Pod
	c.Get(pods + "/db-2").Must(200).Into(&p)
	if p.Spec.Hostname != "db-2" || p.Spec.Subdomain != "svc" || p.Labels["apps.kubernetes.io/pod-index"] != "2" || p.Labels["statefulset.kubernetes.io/pod-name"] != "db-2" ||
		!slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
			return v.Name == "data" && v.PersistentVolumeClaim.ClaimName == "data-db-2"
		}) {
		t.Errorf("%+v", p)
	}
	c.Get(claims + "/data-db-3").Must(200)

	// A rollout goes from the last one down to the partition, one after another.
	c.Patch(statefulSets+"/db", `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}},"template":{"spec":{"containers":[{"name":"c","image":"two"}]}}}}`).Must(200)
	awaits(t, "db-1:one db-2:one db-3:two", namesAndImages(c, "app=db"))
	setReady(c, "db-3", "True")
	awaits(t, "db-1:one db-2:two db-3:two", namesAndImages(c, "app=db"))
	setReady(c, "db-2", "True")
	awaits(t, "replicas=3 ready=3 current=1 updated=2 same=false", describeStatefulSet(c, "db"))
	// Below the partition a pod that is lost comes back as it was.
	c.Do("DELETE", pods+"/db-1", `{"gracePeriodSeconds":0}`).Must(200)
	awaits(t, "db-1:one db-2:two db-3:two", namesAndImages(c, "app=db"))
	setReady(c, "db-1", "True")
	c.Patch(statefulSets+"/db", `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}`).Must(200)
	awaits(t, "db-1:two db-2:two db-3:two", namesAndImages(c, "app=db"))
	setReady(c, "db-1", "True")
	awaits(t, "replicas=3 ready=3 current=3 updated=3 same=true", describeStatefulSet(c, "db"))

	// Smaller: the last one goes, and its claim with it.
	c.Patch(statefulSets+"/db/scale", `{"spec":{"replicas":2}}`).Must(200)
	awaits(t, "db-1:two db-2:two", namesAndImages(c, "app=db"))
	awaits(t, "true", func() string {
		answer := c.Get(claims + "/data-db-3")
		return fmt.Sprint(answer.Code == 404 || answer.Object().GetDeletionTimestamp() != nil)
	})
	c.Get(claims + "/data-db-2").Must(200)
}

func TestStatefulSetsInParallel(t *testing.T) {
	t.Parallel()
	c := working(t, "statefulset-controller")
	newStatefulSet(c, "p", `"replicas":3,"podManagementPolicy":"Parallel","updateStrategy":{"type":"OnDelete"},`)
	awaits(t, "p-0:one p-1:one p-2:one", namesAndImages(c, "app=p"))
	// A set whose template changes before its first status has no earlier revision.
	awaits(t, "replicas=3 ready=0 current=3 updated=3 same=true", describeStatefulSet(c, "p"))
	c.Patch(statefulSets+"/p", `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"two"}]}}}}`).Must(200)
	awaits(t, "replicas=3 ready=0 current=3 updated=0 same=false", describeStatefulSet(c, "p")) // the loop knows the new template
	c.Do("DELETE", pods+"/p-1", `{"gracePeriodSeconds":0}`).Must(200)
	awaits(t, "p-0:one p-1:two p-2:one", namesAndImages(c, "app=p"))
	c.Patch(pods+"/p-0/status", `{"status":{"phase":"Failed"}}`).Must(200)
	awaits(t, "p-0:two p-1:two p-2:one", namesAndImages(c, "app=p"))
	c.Patch(statefulSets+"/p/scale", `{"spec":{"replicas":0}}`).Must(200)
	awaits(t, "", namesAndImages(c, "app=p"))
}

func TestCronJobsMakeJobs(t *testing.T) {
	t.Parallel()
	c := working(t, "cronjob-controller")
	template := `"jobTemplate":{"metadata":{"labels":{"l":"v"}},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}`
	c.Post(cronJobs, `{"metadata":{"name":"off"},"spec":{"schedule":"@every 1s","suspend":true,`+template+`}}`).Must(201)
	c.Post(cronJobs, `{"metadata":{"name":"on"},"spec":{"schedule":"@every 1s","concurrencyPolicy":"Forbid","successfulJobsHistoryLimit":0,`+template+`}}`).Must(201)
	jobsOf := func() (out []batchv1.Job) {
		var list batchv1.JobList
		c.Get(jobs + "?labelSelector=l%3Dv").Must(200).Into(&list)
		return list.Items
	}
	read := func(name string) *batchv1.CronJob {
		var cj batchv1.CronJob
		c.Get(cronJobs + "/" + name).Must(200).Into(&cj)
		return &cj
	}
	awaits(t, "1 1", func() string { return fmt.Sprint(len(jobsOf()), len(read("on").Status.Active)) })
	j := jobsOf()[0]
	if !strings.HasPrefix(j.Name, "on-") || len(j.OwnerReferences) != 1 || j.OwnerReferences[0].Kind != "CronJob" || j.Annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "" {
		t.Errorf("%+v", j.ObjectMeta)
	}
	// It does not start another one while this one runs.
	awaits(t, "true", func() string {
		var events corev1.EventList
		c.Get("/api/v1/namespaces/default/events?fieldSelector=reason%3DJobAlreadyActive").Must(200).Into(&events)
		return fmt.Sprint(len(events.Items) > 0)
	})
	c.Patch(cronJobs+"/on", `{"spec":{"suspend":true}}`).Must(200)
	// A job that was begun while it was suspended completes as well.
	complete := func() {
		at := time.Now().UTC().Format(time.RFC3339)
		for _, j := range jobsOf() {
			c.Patch(jobs+"/"+j.Name+"/status", `{"status":{"startTime":"`+at+`","completionTime":"`+at+`","succeeded":1,"conditions":[
				{"type":"SuccessCriteriaMet","status":"True","lastTransitionTime":"`+at+`"},{"type":"Complete","status":"True","lastTransitionTime":"`+at+`"}]}}`)
		}
	}
	complete()
	awaits(t, "0 0 true", func() string {
		for _, j := range jobsOf() {
			if j.Status.CompletionTime == nil {
				complete()
			}
		}
		cj := read("on")
		return fmt.Sprint(len(jobsOf()), " ", len(cj.Status.Active), " ", cj.Status.LastSuccessfulTime != nil)
	})
	if cj := read("off"); cj.Status.LastScheduleTime != nil {
		t.Error(cj.Status)
	}
}
