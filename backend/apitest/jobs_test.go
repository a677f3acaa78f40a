package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/apitest"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

const jobs = "/apis/batch/v1/namespaces/default/jobs"

func newJob(c *apitest.Caller, name, spec string) {
	c.Post(jobs, `{"metadata":{"name":"`+name+`"},"spec":{`+spec+`"template":{"spec":{"terminationGracePeriodSeconds":0,"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}`).Must(201)
}

// describeJob gives counts and the conditions that are true.
func describeJob(c *apitest.Caller, name string) func() string {
	return func() string {
		var j batchv1.Job
		c.Get(jobs + "/" + name).Must(200).Into(&j)
		s := j.Status
		out := fmt.Sprintf("active=%d succeeded=%d failed=%d", s.Active, s.Succeeded, s.Failed)
		if s.CompletedIndexes != "" {
			out += " indexes=" + s.CompletedIndexes
		}
		if s.FailedIndexes != nil {
			out += " failedIndexes=" + *s.FailedIndexes
		}
		for _, k := range s.Conditions {
			if k.Status == "True" {
				out += fmt.Sprintf(" %s/%s", k.Type, k.Reason)
			}
		}
		return out
	}
}

// runningPods gives the pods of a Job that run, in the order of their indexes or
// names.
func runningPods(c *apitest.Caller, job string) []corev1.Pod {
	list := slices.DeleteFunc(podsOf(c, "batch.kubernetes.io%2Fjob-name%3D"+job), func(p corev1.Pod) bool {
		return p.Status.Phase != corev1.PodPending && p.Status.Phase != corev1.PodRunning
	})
	slices.SortFunc(list, func(a, b corev1.Pod) int {
		const index = "batch.kubernetes.io/job-completion-index"
		return strings.Compare(a.Annotations[index]+a.Name, b.Annotations[index]+b.Name)
	})
	return list
}

func countRunning(c *apitest.Caller, job string) func() string {
	return func() string { return fmt.Sprint(len(runningPods(c, job))) }
}

// end makes a pod end; code is that of its container. It ended long ago, so that
// nothing is waited for.
func end(c *apitest.Caller, p *corev1.Pod, code int) {
	phase := "Succeeded"
	if code != 0 {
		phase = "Failed"
	}
	c.Patch(pods+"/"+p.Name+"/status", fmt.Sprintf(`{"status":{"phase":%q,"containerStatuses":[{"name":"c","image":"i","imageID":"","ready":false,"restartCount":0,
		"state":{"terminated":{"exitCode":%d,"finishedAt":"2024-01-01T00:00:00Z"}}}]}}`, phase, code)).Must(200)
}

func TestJobsComplete(t *testing.T) {
	t.Parallel()
	c := working(t, "job-controller")
	newJob(c, "j", `"completions":3,"parallelism":2,`)
	awaits(t, "2", countRunning(c, "j"))
	awaits(t, "active=2 succeeded=0 failed=0", describeJob(c, "j"))
	first := runningPods(c, "j")
	if p := first[0]; !strings.HasPrefix(p.Name, "j-") || len(p.OwnerReferences) != 1 || !slices.Contains(p.Finalizers, "batch.kubernetes.io/job-tracking") {
		t.Errorf("%+v", p.ObjectMeta)
	}
	end(c, &first[0], 0)
	awaits(t, "active=2 succeeded=1 failed=0", describeJob(c, "j"))
	end(c, &first[1], 1)
	awaits(t, "active=2 succeeded=1 failed=1", describeJob(c, "j"))
	for _, p := range runningPods(c, "j") {
		end(c, &p, 0)
	}
	awaits(t, "active=0 succeeded=3 failed=1 SuccessCriteriaMet/CompletionsReached Complete/CompletionsReached", describeJob(c, "j"))
	for _, p := range podsOf(c, "batch.kubernetes.io%2Fjob-name%3Dj") {
		if len(p.Finalizers) != 0 {
			t.Errorf("%s is never let go", p.Name)
		}
	}
	var j batchv1.Job
	if c.Get(jobs + "/j").Must(200).Into(&j); j.Status.StartTime == nil || j.Status.CompletionTime == nil {
		t.Error(j.Status)
	}
	c.Do("DELETE", jobs+"/j", `{"propagationPolicy":"Background"}`).Must(200)
	awaits(t, "0", countPods(c, "batch.kubernetes.io%2Fjob-name%3Dj"))

	// A queue of work: over when one has succeeded and none runs.
	newJob(c, "queue", `"parallelism":2,`)
	awaits(t, "2", countRunning(c, "queue"))
	workers := runningPods(c, "queue")
	end(c, &workers[0], 0)
	awaits(t, "active=1 succeeded=1 failed=0", describeJob(c, "queue"))
	end(c, &workers[1], 0)
	awaits(t, "active=0 succeeded=2 failed=0 SuccessCriteriaMet/CompletionsReached Complete/CompletionsReached", describeJob(c, "queue"))
}

func TestJobsFail(t *testing.T) {
	t.Parallel()
	c := working(t, "job-controller")
	newJob(c, "limit", `"backoffLimit":1,"parallelism":2,"completions":2,`)
	awaits(t, "2", countRunning(c, "limit"))
	end(c, &runningPods(c, "limit")[0], 1)
	awaits(t, "active=2 succeeded=0 failed=1", describeJob(c, "limit"))
	end(c, &runningPods(c, "limit")[0], 1)
	awaits(t, "active=0 succeeded=0 failed=2 FailureTarget/BackoffLimitExceeded Failed/BackoffLimitExceeded", describeJob(c, "limit"))
	awaits(t, "0", countRunning(c, "limit"))

	newJob(c, "late", `"activeDeadlineSeconds":1,`)
	awaits(t, "active=0 succeeded=0 failed=0 FailureTarget/DeadlineExceeded Failed/DeadlineExceeded", describeJob(c, "late"))

	newJob(c, "policy", `"backoffLimit":9,"podFailurePolicy":{"rules":[
		{"action":"Ignore","onExitCodes":{"operator":"In","values":[3]}},{"action":"FailJob","onExitCodes":{"containerName":"c","operator":"In","values":[42]}}]},`)
	awaits(t, "1", countRunning(c, "policy"))
	ignored := runningPods(c, "policy")[0]
	end(c, &ignored, 3)
	awaits(t, "true", func() string {
		now := runningPods(c, "policy")
		return fmt.Sprint(len(now) == 1 && now[0].Name != ignored.Name)
	})
	end(c, &runningPods(c, "policy")[0], 42)
	awaits(t, "active=0 succeeded=0 failed=1 FailureTarget/PodFailurePolicy Failed/PodFailurePolicy", describeJob(c, "policy"))
}

func TestJobsWithIndexes(t *testing.T) {
	t.Parallel()
	c := working(t, "job-controller")
	newJob(c, "j", `"completionMode":"Indexed","completions":4,"parallelism":4,"backoffLimitPerIndex":1,"maxFailedIndexes":3,`)
	awaits(t, "4", countRunning(c, "j"))
	all := runningPods(c, "j")
	p := all[2]
	if !strings.HasPrefix(p.Name, "j-2-") || p.Spec.Hostname != "j-2" || p.Labels["batch.kubernetes.io/job-completion-index"] != "2" || p.Spec.Containers[0].Env[0].Name != "JOB_COMPLETION_INDEX" {
		t.Errorf("%+v", p)
	}
	for _, i := range []int{0, 1, 3} {
		end(c, &all[i], 0)
	}
	awaits(t, "active=1 succeeded=3 failed=0 indexes=0,1,3 failedIndexes=", describeJob(c, "j"))
	end(c, &all[2], 1)
	awaits(t, "active=1 succeeded=3 failed=1 indexes=0,1,3 failedIndexes=", describeJob(c, "j"))
	awaits(t, "1", countRunning(c, "j"))
	again := runningPods(c, "j")
	if n := again[0].Annotations["batch.kubernetes.io/job-index-failure-count"]; n != "1" {
		t.Errorf("%s failures before", n)
	}
	end(c, &again[0], 1)
	awaits(t, "active=0 succeeded=3 failed=2 indexes=0,1,3 failedIndexes=2 FailureTarget/FailedIndexes Failed/FailedIndexes", describeJob(c, "j"))

	newJob(c, "leader", `"completionMode":"Indexed","completions":3,"parallelism":3,"successPolicy":{"rules":[{"succeededIndexes":"0"}]},`)
	awaits(t, "3", countRunning(c, "leader"))
	end(c, &runningPods(c, "leader")[0], 0)
	awaits(t, "active=0 succeeded=1 failed=0 indexes=0 SuccessCriteriaMet/SuccessPolicy Complete/SuccessPolicy", describeJob(c, "leader"))
	awaits(t, "0", countRunning(c, "leader"))
}

func TestJobsAreSuspended(t *testing.T) {
	t.Parallel()
	c := working(t, "job-controller")
	newJob(c, "j", `"suspend":true,`)
	awaits(t, "active=0 succeeded=0 failed=0 Suspended/JobSuspended", describeJob(c, "j"))
	c.Patch(jobs+"/j", `{"spec":{"suspend":false}}`).Must(200)
	awaits(t, "active=1 succeeded=0 failed=0", describeJob(c, "j"))
	c.Patch(jobs+"/j", `{"spec":{"suspend":true}}`).Must(200)
	awaits(t, "active=0 succeeded=0 failed=0 Suspended/JobSuspended", describeJob(c, "j"))
	awaits(t, "0", countRunning(c, "j"))
}
