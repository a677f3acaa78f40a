package batch

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/validate"

	batchv1 "k8s.io/api/batch/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func jobStatusStrategy() registry.For[*batchv1.Job] {
	return registry.For[*batchv1.Job]{
		PrepareForUpdate: func(_ context.Context, j, old *batchv1.Job) { j.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, j, old *batchv1.Job) field.ErrorList {
			return validateJobStatusUpdate(j, old)
		},
		ResetFields: map[string][]string{"batch/v1": {"spec"}},
	}
}

// statusChange is a change of a job's status. Any controller may look after a
// job (spec.managedBy), so the status must make sense by itself; only what
// changes is looked at, so that a status that is wrong already can be mended
// step by step.
type statusChange struct {
	job, old *batchv1.Job
	path     *field.Path
	errs     field.ErrorList
}

func validateJobStatusUpdate(j, old *batchv1.Job) field.ErrorList {
	c := &statusChange{job: j, old: old, path: field.NewPath("status")}
	c.numbers()
	c.uncounted()
	c.ends()
	c.times()
	c.announcements()
	c.finished()
	c.indexes()
	c.pods()
	c.success()
	c.counters()
	return c.errs
}

func (c *statusChange) invalid(name string, value any, detail string) {
	c.errs = append(c.errs, field.Invalid(c.path.Child(name), value, detail))
}

// is tells whether a condition is true, changed whether it was not the same
// before.
func (c *statusChange) is(t batchv1.JobConditionType) bool { return hasCondition(c.job, t) }
func (c *statusChange) changed(t batchv1.JobConditionType) bool {
	return hasCondition(c.job, t) != hasCondition(c.old, t)
}

func finished(j *batchv1.Job) bool {
	return hasCondition(j, batchv1.JobComplete) || hasCondition(j, batchv1.JobFailed)
}

func sameTime(a, b *metav1.Time) bool { return a.Equal(b) }

func sameNumber(a, b *int32) bool { return apiequality.Semantic.DeepEqual(a, b) }

func (c *statusChange) numbers() {
	s := &c.job.Status
	for _, n := range []struct {
		name  string
		value *int32
	}{{"active", &s.Active}, {"succeeded", &s.Succeeded}, {"failed", &s.Failed}, {"ready", s.Ready}, {"terminating", s.Terminating}} {
		if n.value != nil {
			c.errs = append(c.errs, apivalidation.ValidateNonnegativeField(int64(*n.value), c.path.Child(n.name))...)
		}
	}
}

func (c *statusChange) uncounted() {
	u := c.job.Status.UncountedTerminatedPods
	if u == nil {
		return
	}
	seen := sets.Set[types.UID]{}
	look := func(uids []types.UID, path *field.Path) {
		for i, uid := range uids {
			switch {
			case uid == "":
				c.errs = append(c.errs, field.Invalid(path.Index(i), uid, "must not be empty"))
			case seen.Has(uid):
				c.errs = append(c.errs, field.Duplicate(path.Index(i), uid))
			default:
				seen.Insert(uid)
			}
		}
	}
	path := c.path.Child("uncountedTerminatedPods")
	look(u.Succeeded, path.Child("succeeded"))
	look(u.Failed, path.Child("failed"))
}

// times looks at when a job ended.
func (c *statusChange) times() {
	s, was := &c.job.Status, &c.old.Status
	complete := c.is(batchv1.JobComplete)
	startChanged, endChanged := !sameTime(s.StartTime, was.StartTime), !sameTime(s.CompletionTime, was.CompletionTime)
	if endChanged || c.changed(batchv1.JobComplete) {
		switch {
		case s.CompletionTime != nil && !complete:
			c.invalid("completionTime", s.CompletionTime, "cannot set completionTime when there is no Complete=True condition")
		case s.CompletionTime == nil && complete:
			c.errs = append(c.errs, field.Required(c.path.Child("completionTime"), "completionTime is required for Complete jobs"))
		}
	}
	if (startChanged || endChanged) && s.StartTime != nil && s.CompletionTime != nil && s.CompletionTime.Before(s.StartTime) {
		c.invalid("completionTime", s.CompletionTime, "must be equal to or after `startTime`")
	}
}

const complete, failed, failing, met = batchv1.JobComplete, batchv1.JobFailed, batchv1.JobFailureTarget, batchv1.JobSuccessCriteriaMet

func (c *statusChange) refuse(wrong bool, detail string) {
	if wrong {
		c.invalid("conditions", field.OmitValueType{}, detail)
	}
}

// ends refuses a job that ends in two ways.
func (c *statusChange) ends() {
	if c.changed(complete) || c.changed(failed) {
		c.refuse(c.is(complete) && c.is(failed), "cannot set Complete=True and Failed=true conditions")
	}
	if c.changed(complete) || c.changed(failing) {
		c.refuse(c.is(complete) && c.is(failing), "cannot set Complete=True and FailureTarget=true conditions")
	}
}

// announcements refuses an end without the condition that announces it.
func (c *statusChange) announcements() {
	if c.changed(failed) || c.changed(failing) {
		c.refuse(c.is(failed) && !c.is(failing), "cannot set Failed=True condition without the FailureTarget=true condition")
	}
	if c.changed(complete) || c.changed(met) {
		c.refuse(c.is(complete) && !c.is(met), "cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
	}
}

// success refuses that a job's criteria are met while it fails.
func (c *statusChange) success() {
	c.refuse(c.is(met) && c.is(failed), "cannot set SuccessCriteriaMet=True and Failed=true conditions")
	c.refuse(c.is(met) && c.is(failing), "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
	c.refuse(c.job.Spec.SuccessPolicy != nil && !c.is(met) && c.is(complete),
		"cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")
}

// finished looks at what a job that has ended cannot have any more.
func (c *statusChange) finished() {
	s, was := &c.job.Status, &c.old.Status
	done := finished(c.job)
	ended := done != finished(c.old)
	if done && (ended || s.Active != was.Active) && s.Active > 0 {
		c.invalid("active", s.Active, "active>0 is invalid for finished job")
	}
	nothing := c.job.Spec.Suspend != nil && *c.job.Spec.Suspend && c.job.Spec.Completions != nil && *c.job.Spec.Completions == 0
	if done && s.StartTime == nil && (ended || !sameTime(s.StartTime, was.StartTime)) && !nothing {
		c.errs = append(c.errs, field.Required(c.path.Child("startTime"), "startTime is required for finished job"))
	}
	u := s.UncountedTerminatedPods
	if done && u != nil && len(u.Failed)+len(u.Succeeded) > 0 && (ended || !apiequality.Semantic.DeepEqual(u, was.UncountedTerminatedPods)) {
		c.invalid("uncountedTerminatedPods", validate.Internal(u), "must be empty for finished job")
	}
}

// indexes looks at the lists of indexes that are done.
func (c *statusChange) indexes() {
	s, was, spec := &c.job.Status, &c.old.Status, &c.job.Spec
	completedChanged := s.CompletedIndexes != was.CompletedIndexes
	failedChanged := !apiequality.Semantic.DeepEqual(s.FailedIndexes, was.FailedIndexes)
	if completedChanged && spec.Completions != nil {
		if _, err := parseIndexes(s.CompletedIndexes, *spec.Completions); err != nil {
			c.invalid("completedIndexes", s.CompletedIndexes, "error parsing completedIndexes: "+err.Error())
		}
	}
	if failedChanged && spec.Completions != nil && spec.BackoffLimitPerIndex != nil && s.FailedIndexes != nil {
		if _, err := parseIndexes(*s.FailedIndexes, *spec.Completions); err != nil {
			c.invalid("failedIndexes", s.FailedIndexes, "error parsing failedIndexes: "+err.Error())
		}
	}
	if completedChanged && s.CompletedIndexes != "" && !indexed(spec) {
		c.invalid("completedIndexes", s.CompletedIndexes, "cannot set non-empty completedIndexes when non-indexed completion mode")
	}
	if failedChanged && s.FailedIndexes != nil && spec.BackoffLimitPerIndex == nil {
		c.invalid("failedIndexes", *s.FailedIndexes, "cannot set non-null failedIndexes when backoffLimitPerIndex is null")
	}
	if (completedChanged || failedChanged) && spec.Completions != nil && s.FailedIndexes != nil {
		if err := overlap(s.CompletedIndexes, *s.FailedIndexes, *spec.Completions); err != nil {
			c.invalid("failedIndexes", *s.FailedIndexes, err.Error())
		}
	}
}

// pods looks at those that end or are ready.
func (c *statusChange) pods() {
	s, was := &c.job.Status, &c.old.Status
	done := finished(c.job)
	if done && (done != finished(c.old) || !sameNumber(s.Terminating, was.Terminating)) && deref(s.Terminating) > 0 {
		c.invalid("terminating", s.Terminating, "terminating>0 is invalid for finished job")
	}
	if (!sameNumber(s.Ready, was.Ready) || s.Active != was.Active) && s.Ready != nil && *s.Ready > s.Active {
		c.invalid("ready", *s.Ready, "cannot set more ready pods than active")
	}
}

// counters refuses what goes back: counts, times and conditions that are the
// end of a job.
func (c *statusChange) counters() {
	s, was, spec := &c.job.Status, &c.old.Status, &c.job.Spec
	for _, t := range []batchv1.JobConditionType{failed, complete, failing} {
		c.refuse(hasCondition(c.old, t) && !c.is(t), "cannot disable the terminal "+string(t)+"=True condition")
	}
	if s.Failed < was.Failed {
		c.invalid("failed", s.Failed, "cannot decrease the failed counter")
	}
	// A job whose completions follow its parallelism can shrink.
	if s.Succeeded < was.Succeeded && !(indexed(spec) && sameNumber(spec.Completions, spec.Parallelism)) {
		c.invalid("succeeded", s.Succeeded, "cannot decrease the succeeded counter")
	}
	if s.CompletionTime != nil && was.CompletionTime != nil && !sameTime(s.CompletionTime, was.CompletionTime) {
		c.invalid("completionTime", s.CompletionTime, "completionTime cannot be mutated")
	}
	suspended := spec.Suspend != nil && *spec.Suspend
	if was.StartTime != nil && !sameTime(s.StartTime, was.StartTime) && !suspended {
		c.errs = append(c.errs, field.Required(c.path.Child("startTime"), "startTime cannot be removed for unsuspended job"))
	}
	c.refuse(hasCondition(c.old, met) && !c.is(met), "cannot disable the SuccessCriteriaMet=True condition")
	c.refuse(hasCondition(c.old, complete) && !hasCondition(c.old, met) && c.is(met),
		"cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")
}
