package batch

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	batchv1 "k8s.io/api/batch/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxCronJobNameLength leaves room for what the controller adds to a job's
// name: a hyphen and the time in minutes.
const maxCronJobNameLength = 52

// cronJobResource is jobs that are made by a schedule.
func cronJobResource(env *registry.Env) registry.Resource {
	status := cronJobStatusStrategy().Strategy()
	specDoc, statusDoc := batchv1.CronJobSpec{}.SwaggerDoc(), batchv1.CronJobStatus{}.SwaggerDoc()
	return registry.Resource{
		Group:      batchv1.GroupName,
		Name:       "cronjobs",
		Singular:   "cronjob",
		Kind:       "CronJob",
		ShortNames: []string{"cj"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &batchv1.CronJob{} },
			Default: registry.Typed(setCronJobDefaults),
		}},
		Strategy: cronJobStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Schedule", specDoc["schedule"]),
			printers.Column("Timezone", specDoc["timeZone"]),
			printers.Boolean("Suspend", specDoc["suspend"]),
			printers.Integer("Active", statusDoc["active"]),
			printers.Column("Last Schedule", statusDoc["lastScheduleTime"]),
			printers.Age,
			printers.Wide("Containers", "Names of each container in the template."),
			printers.Wide("Images", "Images referenced by each container in the template."),
			printers.Wide("Selector", batchv1.JobSpec{}.SwaggerDoc()["selector"]),
		},
		Cells: registry.Row(cronJobCells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

// setCronJobDefaults leaves the defaults of jobs to the jobs that are made.
func setCronJobDefaults(c *batchv1.CronJob) {
	s := &c.Spec
	if s.ConcurrencyPolicy == "" {
		s.ConcurrencyPolicy = batchv1.AllowConcurrent
	}
	if s.Suspend == nil {
		s.Suspend = new(false)
	}
	if s.SuccessfulJobsHistoryLimit == nil {
		s.SuccessfulJobsHistoryLimit = new(int32(3))
	}
	if s.FailedJobsHistoryLimit == nil {
		s.FailedJobsHistoryLimit = new(int32(1))
	}
	setFailurePolicyDefaults(s.JobTemplate.Spec.PodFailurePolicy)
	podspec.SetTemplateDefaults(&s.JobTemplate.Spec.Template)
}

func cronJobCells(c *batchv1.CronJob, now registry.Clock) []any {
	names, images := podspec.NamesAndImages(c.Spec.JobTemplate.Spec.Template.Spec.Containers)
	zone, last, suspend := "<none>", "<none>", "<unset>"
	if c.Spec.TimeZone != nil {
		zone = *c.Spec.TimeZone
	}
	if c.Status.LastScheduleTime != nil {
		last = printers.Since(*c.Status.LastScheduleTime, now)
	}
	if c.Spec.Suspend != nil {
		suspend = map[bool]string{true: "True", false: "False"}[*c.Spec.Suspend]
	}
	return []any{
		c.Name, c.Spec.Schedule, zone, suspend, int64(len(c.Status.Active)), last, printers.Since(c.CreationTimestamp, now),
		names, images, metav1.FormatLabelSelector(c.Spec.JobTemplate.Spec.Selector),
	}
}

func cronJobStrategy(env *registry.Env) registry.For[*batchv1.CronJob] {
	return registry.For[*batchv1.CronJob]{
		PrepareForCreate: func(_ context.Context, c *batchv1.CronJob) {
			c.Status = batchv1.CronJobStatus{}
			c.Generation = 1
			podspec.DropGated(&c.Spec.JobTemplate.Spec.Template.Spec)
		},
		Validate: func(_ context.Context, c *batchv1.CronJob) field.ErrorList {
			errs := validateCronJob(&c.Spec, nil, podspec.ForCreate(env.AllowPrivileged))
			if len(c.Name) > maxCronJobNameLength {
				errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), c.Name, fmt.Sprintf("must be no more than %d characters", maxCronJobNameLength)))
			}
			return errs
		},
		WarningsOnCreate: func(_ context.Context, c *batchv1.CronJob) []string {
			return append(podspec.OwnerNameWarnings(c.Name), cronJobWarnings(c, true)...)
		},
		PrepareForUpdate: func(_ context.Context, c, old *batchv1.CronJob) {
			c.Status = old.Status
			podspec.DropGated(&c.Spec.JobTemplate.Spec.Template.Spec)
			c.Generation = old.Generation
			if !apiequality.Semantic.DeepEqual(c.Spec, old.Spec) {
				c.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, c, old *batchv1.CronJob) field.ErrorList {
			t := &old.Spec.JobTemplate.Spec.Template
			return validateCronJob(&c.Spec, &old.Spec, podspec.ForUpdate(env.AllowPrivileged, &t.Spec, &t.ObjectMeta))
		},
		WarningsOnUpdate: func(_ context.Context, c, old *batchv1.CronJob) []string {
			return cronJobWarnings(c, c.Generation != old.Generation)
		},
		ResetFields: map[string][]string{"batch/v1": {"status"}},
	}
}

func cronJobStatusStrategy() registry.For[*batchv1.CronJob] {
	return registry.For[*batchv1.CronJob]{
		SkipsMetaChanges: true,
		PrepareForUpdate: func(_ context.Context, c, old *batchv1.CronJob) { c.Spec = old.Spec },
		ResetFields:      map[string][]string{"batch/v1": {"spec"}},
	}
}

func cronJobWarnings(c *batchv1.CronJob, specChanged bool) []string {
	var warnings []string
	if specChanged {
		warnings = jobSpecWarnings(&c.Spec.JobTemplate.Spec, field.NewPath("spec", "jobTemplate", "spec"))
	}
	if strings.Contains(c.Spec.Schedule, "TZ") {
		warnings = append(warnings, fmt.Sprintf("cannot use TZ or CRON_TZ in %s, use timeZone instead", field.NewPath("spec", "spec", "schedule")))
	}
	return warnings
}

var concurrencyPolicies = []batchv1.ConcurrencyPolicy{batchv1.AllowConcurrent, batchv1.ForbidConcurrent, batchv1.ReplaceConcurrent}

// validateCronJob has no old spec for a new cron job.
func validateCronJob(s, old *batchv1.CronJobSpec, o podspec.Options) field.ErrorList {
	path := field.NewPath("spec")
	var errs field.ErrorList
	if s.Schedule == "" {
		errs = append(errs, field.Required(path.Child("schedule"), ""))
	} else {
		errs = append(errs, validateSchedule(s, old, path.Child("schedule"))...)
	}
	if d := s.StartingDeadlineSeconds; d != nil {
		errs = append(errs, apivalidation.ValidateNonnegativeField(*d, path.Child("startingDeadlineSeconds"))...)
	}
	if s.TimeZone != nil && (old == nil || old.TimeZone == nil || *old.TimeZone != *s.TimeZone) {
		errs = append(errs, validateTimeZone(*s.TimeZone, path.Child("timeZone"))...)
	}
	if s.ConcurrencyPolicy == "" {
		errs = append(errs, field.Required(path.Child("concurrencyPolicy"), ""))
	} else {
		errs = append(errs, validate.OneOf(path.Child("concurrencyPolicy"), s.ConcurrencyPolicy, concurrencyPolicies)...)
	}
	errs = append(errs, validateJobTemplate(&s.JobTemplate.Spec, path.Child("jobTemplate", "spec"), o)...)
	if n := s.SuccessfulJobsHistoryLimit; n != nil {
		errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*n), path.Child("successfulJobsHistoryLimit"))...)
	}
	if n := s.FailedJobsHistoryLimit; n != nil {
		errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*n), path.Child("failedJobsHistoryLimit"))...)
	}
	return errs
}

func validateJobTemplate(s *batchv1.JobSpec, path *field.Path, o podspec.Options) field.ErrorList {
	errs := validateJobSpec(s, path, o)
	if s.Selector != nil {
		errs = append(errs, field.Invalid(path.Child("selector"), s.Selector, "`selector` will be auto-generated"))
	}
	if s.ManualSelector != nil && *s.ManualSelector {
		errs = append(errs, field.NotSupported(path.Child("manualSelector"), s.ManualSelector, []string{"nil", "false"}))
	}
	return errs
}

// validateSchedule lets a time zone in the schedule stay that was there before
// Kubernetes had a field for it.
func validateSchedule(s, old *batchv1.CronJobSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if err := checkSchedule(s.Schedule); err != nil {
		errs = append(errs, field.Invalid(path, s.Schedule, err.Error()))
	}
	zoned := strings.Contains(s.Schedule, "TZ")
	allowed := old != nil && strings.Contains(old.Schedule, "TZ")
	switch {
	case zoned && !allowed:
		errs = append(errs, field.Invalid(path, s.Schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
	case zoned && s.TimeZone != nil:
		errs = append(errs, field.Invalid(path, s.Schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"))
	}
	return errs
}

var zonePart = regexp.MustCompile(`^[A-Za-z\.\-_0-9+]{1,14}$`)

func validateTimeZone(zone string, path *field.Path) field.ErrorList {
	if zone == "" {
		return field.ErrorList{field.Invalid(path, zone, "timeZone must be nil or non-empty string")}
	}
	for part := range strings.SplitSeq(zone, "/") {
		if part == "." || part == ".." || strings.HasPrefix(part, "-") || !zonePart.MatchString(part) {
			return field.ErrorList{field.Invalid(path, zone, "unknown time zone "+zone)}
		}
	}
	var errs field.ErrorList
	if strings.EqualFold(zone, "Local") {
		errs = append(errs, field.Invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"))
	}
	if _, err := time.LoadLocation(zone); err != nil {
		errs = append(errs, field.Invalid(path, zone, err.Error()))
	}
	return errs
}
