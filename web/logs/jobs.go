package logs

import (
	"context"
	"slices"

	"pilothouse/backend/client"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var jobs = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}

// learnJobs finds out which Jobs there are of the CronJobs. A Pick without any
// asks nothing.
func (p *picker) learnJobs(ctx context.Context, c *client.Client) error {
	if len(p.CronJobs) == 0 {
		return nil
	}
	var list batchv1.JobList
	if err := c.List(ctx, jobs, p.Namespace, metav1.ListOptions{}, &list); err != nil {
		return err
	}
	for i := range list.Items {
		p.note(&list.Items[i])
	}
	return nil
}

// learnJob finds out whether a pod is of such a Job, unless that is known.
func (p *picker) learnJob(ctx context.Context, c *client.Client, pod *corev1.Pod) error {
	owner := metav1.GetControllerOf(pod)
	if len(p.CronJobs) == 0 || owner == nil || owner.Kind != "Job" {
		return nil
	}
	if _, known := p.jobs[owner.UID]; known {
		return nil
	}
	var job batchv1.Job
	err := c.Get(ctx, jobs, pod.Namespace, owner.Name, &job)
	if apierrors.IsNotFound(err) || err == nil && job.UID != owner.UID {
		p.jobs[owner.UID] = false // it has gone, and its pods follow
		return nil
	}
	if err == nil {
		p.note(&job)
	}
	return err
}

func (p *picker) note(job *batchv1.Job) {
	owner := metav1.GetControllerOf(job)
	p.jobs[job.UID] = owner != nil && slices.Contains(p.CronJobs, string(owner.UID))
}
