// Package cronjob makes Jobs at the times of CronJobs. Read cronjob.go first, then
// schedule.go.
// https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
package cronjob

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/workload"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

var (
	kind = workload.Kind{
		GroupVersionKind: batchv1.SchemeGroupVersion.WithKind("CronJob"),
		Resource:         batchv1.SchemeGroupVersion.WithResource("cronjobs"),
	}
	jobResource = batchv1.SchemeGroupVersion.WithResource("jobs")
	jobKind     = batchv1.SchemeGroupVersion.WithKind("Job")
)

// tooMany is how many missed times are said to be too many.
const tooMany = 100

type controller struct {
	*workload.Controller[*batchv1.CronJob]
	jobs *loop.View[*batchv1.Job]
}

// New gives the loop cronjob-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{workload.New[*batchv1.CronJob](d, kind, "cronjob-controller"), loop.NewView[*batchv1.Job](d, batchv1.GroupName, "jobs")}
	return func(ctx context.Context) error {
		return c.Run(ctx, c.sync, workload.FollowOwned(c.Controller, c.jobs, nil))
	}
}

func (c *controller) sync(ctx context.Context, read *batchv1.CronJob) error {
	cj := read.DeepCopy()
	jobs := workload.ByOwner(c.jobs, cj)
	c.settle(cj, jobs)
	if err := c.forget(ctx, cj, jobs); err != nil {
		return err
	}
	next, err := c.start(ctx, cj)
	if e := c.report(ctx, cj, read); e != nil {
		return e
	}
	if err == nil && next > 0 {
		c.Queue.AddAfter(loop.Key(cj), next)
	}
	return err
}

func (c *controller) report(ctx context.Context, cj, read *batchv1.CronJob) error {
	if equality.Semantic.DeepEqual(cj.Status, read.Status) {
		return nil
	}
	err := c.Client.UpdateSubresource(ctx, kind.Resource, "status", cj)
	if apierrors.IsNotFound(err) {
		return nil
	}
	c.Objects.CatchUp(ctx, cj)
	return err
}

// outcome gives the condition with which a Job has ended, blank for one that runs.
func outcome(j *batchv1.Job) batchv1.JobConditionType {
	for _, k := range j.Status.Conditions {
		if (k.Type == batchv1.JobComplete || k.Type == batchv1.JobFailed) && k.Status == corev1.ConditionTrue {
			return k.Type
		}
	}
	return ""
}

// settle brings the list of active Jobs up to date.
func (c *controller) settle(cj *batchv1.CronJob, jobs []*batchv1.Job) {
	running := map[types.UID]bool{}
	for _, j := range jobs {
		listed := slices.ContainsFunc(cj.Status.Active, func(r corev1.ObjectReference) bool { return r.UID == j.UID })
		switch end := outcome(j); {
		case end == "":
			running[j.UID] = true
			if !listed {
				c.Events.Event(cj, corev1.EventTypeWarning, "UnexpectedJob", "Saw a job that the controller did not create or forgot: %s", j.Name)
				cj.Status.Active = append(cj.Status.Active, refOf(j))
			}
		case listed:
			c.Events.Event(cj, corev1.EventTypeNormal, "SawCompletedJob", "Saw completed job: %s, condition: %s", j.Name, end)
			fallthrough
		default:
			if at := j.Status.CompletionTime; end == batchv1.JobComplete && at != nil && (cj.Status.LastSuccessfulTime == nil || at.After(cj.Status.LastSuccessfulTime.Time)) {
				cj.Status.LastSuccessfulTime = at
			}
		}
	}
	cj.Status.Active = workload.Without(cj.Status.Active, func(r corev1.ObjectReference) bool { return !running[r.UID] })
	if len(cj.Status.Active) == 0 {
		cj.Status.Active = nil
	}
}

func refOf(j *batchv1.Job) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: jobKind.GroupVersion().String(), Kind: jobKind.Kind, Namespace: j.Namespace, Name: j.Name, UID: j.UID, ResourceVersion: j.ResourceVersion,
	}
}

// forget deletes the oldest Jobs beyond the limits of the history.
func (c *controller) forget(ctx context.Context, cj *batchv1.CronJob, jobs []*batchv1.Job) error {
	for _, h := range []struct {
		end   batchv1.JobConditionType
		limit *int32
	}{{batchv1.JobComplete, cj.Spec.SuccessfulJobsHistoryLimit}, {batchv1.JobFailed, cj.Spec.FailedJobsHistoryLimit}} {
		if h.limit == nil {
			continue
		}
		list := workload.Without(jobs, func(j *batchv1.Job) bool { return outcome(j) != h.end || j.DeletionTimestamp != nil })
		slices.SortFunc(list, func(a, b *batchv1.Job) int {
			x, y := ptr.Deref(a.Status.StartTime, a.CreationTimestamp), ptr.Deref(b.Status.StartTime, b.CreationTimestamp)
			if n := x.Compare(y.Time); n != 0 {
				return n
			}
			return strings.Compare(a.Name, b.Name)
		})
		for _, j := range list[:max(len(list)-int(*h.limit), 0)] {
			if err := c.delete(ctx, cj, j); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *controller) delete(ctx context.Context, cj *batchv1.CronJob, j *batchv1.Job) error {
	background := metav1.DeletePropagationBackground
	err := c.Client.Delete(ctx, jobResource, j.Namespace, j.Name, &metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: metav1.NewUIDPreconditions(string(j.UID))})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		c.Events.Event(cj, corev1.EventTypeWarning, "FailedDelete", "Deleted job: %v", err)
		return err
	}
	c.Events.Event(cj, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted job %s", j.Name)
	return nil
}

// start makes the Job of the last time that has come, if it is still to be made,
// and tells how long it is to the next time.
func (c *controller) start(ctx context.Context, cj *batchv1.CronJob) (time.Duration, error) {
	if cj.DeletionTimestamp != nil || ptr.Deref(cj.Spec.Suspend, false) {
		return 0, nil
	}
	now := c.Clock()
	if cj.Spec.TimeZone != nil {
		zone, err := time.LoadLocation(*cj.Spec.TimeZone)
		if err != nil {
			c.Events.Event(cj, corev1.EventTypeWarning, "UnknownTimeZone", "invalid timeZone: %q: %s", *cj.Spec.TimeZone, err)
			return 0, nil
		}
		now = now.In(zone)
	}
	s, err := parse(cj.Spec.Schedule)
	if err != nil {
		c.Events.Event(cj, corev1.EventTypeWarning, "UnparseableSchedule", "unparseable schedule: %q : %s", cj.Spec.Schedule, err)
		return 0, nil
	}
	due, missed := s.last(c.since(cj, now), now)
	if missed > tooMany {
		c.Events.Event(cj, corev1.EventTypeWarning, "TooManyMissedTimes", "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew")
	}
	wait := time.Duration(0)
	if next, ok := s.next(now); ok {
		wait = max(next.Sub(now), time.Millisecond)
	}
	if due.IsZero() {
		return wait, nil
	}
	if d := cj.Spec.StartingDeadlineSeconds; d != nil && due.Add(time.Duration(*d)*time.Second).Before(now) {
		c.Events.Event(cj, corev1.EventTypeWarning, "MissSchedule", "Missed scheduled time to start a job: %s", due.UTC().Format(time.RFC1123Z))
		return wait, nil
	}
	switch active := len(cj.Status.Active); {
	case active > 0 && cj.Spec.ConcurrencyPolicy == batchv1.ForbidConcurrent:
		c.Events.Event(cj, corev1.EventTypeNormal, "JobAlreadyActive", "Not starting job because prior execution is running and concurrency policy is Forbid")
		return wait, nil
	case active > 0 && cj.Spec.ConcurrencyPolicy == batchv1.ReplaceConcurrent:
		for _, r := range cj.Status.Active {
			if j, ok := c.jobs.Get(cj.Namespace, r.Name); ok && j.UID == r.UID {
				if err := c.delete(ctx, cj, j); err != nil {
					return 0, err
				}
			}
		}
		cj.Status.Active = nil
	}
	return wait, c.create(ctx, cj, due)
}

// since is from when on times count: after the last one that a Job was made for,
// and not longer ago than the deadline.
func (c *controller) since(cj *batchv1.CronJob, now time.Time) time.Time {
	t := cj.CreationTimestamp.Time
	if cj.Status.LastScheduleTime != nil {
		t = cj.Status.LastScheduleTime.Time
	}
	if d := cj.Spec.StartingDeadlineSeconds; d != nil {
		if earliest := now.Add(-time.Duration(*d) * time.Second); earliest.After(t) {
			t = earliest
		}
	}
	return t.In(now.Location())
}

// last gives the last time up to now, zero when none has come, and how many have.
// Far more than are too many are not counted: then the search goes on from a
// little before now.
func (s *schedule) last(since, now time.Time) (due time.Time, n int) {
	if s.every > 0 {
		if n = int(now.Sub(since) / s.every); n <= 0 {
			return due, 0
		}
		return since.Add(time.Duration(n) * s.every), n
	}
	for t, ok := s.next(since); ok && !t.After(now); t, ok = s.next(t) {
		due = t
		if n++; n == tooMany+1 {
			if near := now.Add(-horizonOfMissed); near.After(t) {
				if at, ok := s.next(near); ok && !at.After(now) {
					t = near
				}
			}
		}
		if n > maxCounted {
			break
		}
	}
	return due, n
}

const (
	horizonOfMissed = 24 * time.Hour
	maxCounted      = 5000
)

func (c *controller) create(ctx context.Context, cj *batchv1.CronJob, due time.Time) error {
	t := cj.Spec.JobTemplate.DeepCopy()
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cj.Namespace, Name: fmt.Sprintf("%s-%d", cj.Name, due.Unix()/60),
			Labels: t.Labels, Annotations: maps.Clone(t.Annotations), OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cj, kind.GroupVersionKind)},
		},
		Spec: t.Spec,
	}
	if j.Annotations == nil {
		j.Annotations = map[string]string{}
	}
	j.Annotations[batchv1.CronJobScheduledTimestampAnnotation] = due.Format(time.RFC3339)
	switch err := c.Client.Create(ctx, jobResource, cj.Namespace, j); {
	case apierrors.IsAlreadyExists(err):
		have, ok := c.jobs.Get(cj.Namespace, j.Name)
		if !ok || !metav1.IsControlledBy(have, cj) {
			return err
		}
		j = have // made by this loop before it could say so
	case err != nil:
		if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			c.Events.Event(cj, corev1.EventTypeWarning, "FailedCreate", "Error creating job: %v", err)
		}
		return err
	default:
		c.jobs.CatchUp(ctx, j)
		c.Events.Event(cj, corev1.EventTypeNormal, "SuccessfulCreate", "Created job %s", j.Name)
	}
	if outcome(j) == "" && !slices.ContainsFunc(cj.Status.Active, func(r corev1.ObjectReference) bool { return r.UID == j.UID }) {
		cj.Status.Active = append(cj.Status.Active, refOf(j))
	}
	cj.Status.LastScheduleTime = ptr.To(metav1.NewTime(due))
	return nil
}
