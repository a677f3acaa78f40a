package batch

import (
	"strings"
	"testing"
	"time"

	"pilothouse/backend/resources/podspec"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func podOptions() podspec.Options { return podspec.ForCreate(false) }

func validateJob(t testing.TB, j *batchv1.Job) field.ErrorList {
	return jobStrategy(env).Validate(t.Context(), j)
}

func cronJob(t testing.TB, spec string) *batchv1.CronJob {
	t.Helper()
	c := &batchv1.CronJob{}
	c.Name = "c"
	read(t, `{schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "i:1"}]}}}}}`, &c.Spec)
	read(t, spec, &c.Spec)
	setCronJobDefaults(c)
	cronJobStrategy(env).PrepareForCreate(t.Context(), c)
	return c
}

func TestCronJobDefaults(t *testing.T) {
	c := cronJob(t, `{}`)
	got := c.Spec
	if got.ConcurrencyPolicy != batchv1.AllowConcurrent || *got.Suspend || *got.SuccessfulJobsHistoryLimit != 3 || *got.FailedJobsHistoryLimit != 1 {
		t.Errorf("got %s", asJSON(t, got))
	}
	if j := got.JobTemplate.Spec; j.Completions != nil || j.BackoffLimit != nil || j.Template.Spec.DNSPolicy != "ClusterFirst" {
		t.Errorf("job template %s", asJSON(t, j))
	}
	kept := cronJob(t, `{concurrencyPolicy: Forbid, suspend: true, successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 0}`).Spec
	if kept.ConcurrencyPolicy != batchv1.ForbidConcurrent || !*kept.Suspend || *kept.SuccessfulJobsHistoryLimit != 0 || *kept.FailedJobsHistoryLimit != 0 {
		t.Errorf("got %s", asJSON(t, kept))
	}
}

func TestCronJobValidation(t *testing.T) {
	f := func(spec string, want ...string) {
		t.Helper()
		expect(t, spec, lines(cronJobStrategy(env).Validate(t.Context(), cronJob(t, spec))), want)
	}
	f(`{}`)
	f(`{schedule: "@hourly", timeZone: Europe/Berlin}`)
	f(`{schedule: ""}`, `spec.schedule: Required value`)
	f(`{schedule: "* * *"}`, `spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]`)
	f(`{schedule: "TZ=UTC * * * * *"}`, `spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead`)
	f(`{timeZone: ""}`, `spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string`)
	f(`{timeZone: Local}`, `spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones`)
	f(`{timeZone: Mars/Base}`, `spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base`)
	f(`{timeZone: ../etc/passwd}`, `spec.timeZone: Invalid value: "../etc/passwd": unknown time zone ../etc/passwd`)
	f(`{startingDeadlineSeconds: -1, concurrencyPolicy: Some, successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -2}`,
		`spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0`,
		`spec.concurrencyPolicy: Unsupported value: "Some": supported values: "Allow", "Forbid", "Replace"`,
		`spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0`,
		`spec.failedJobsHistoryLimit: Invalid value: -2: must be greater than or equal to 0`)
	f(`{jobTemplate: {spec: {selector: {matchLabels: {a: b}}, manualSelector: true, template: {spec: {restartPolicy: Always}}}}}`,
		`spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`,
		`spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `+"`selector` will be auto-generated",
		`spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"`)

	long := cronJob(t, `{}`)
	long.Name = strings.Repeat("x", 53)
	expect(t, "long name", lines(cronJobStrategy(env).Validate(t.Context(), long)),
		[]string{`metadata.name: Invalid value: "` + long.Name + `": must be no more than 52 characters`})
}

// What was allowed once stays allowed in an update that leaves it as it is.
func TestCronJobUpdate(t *testing.T) {
	f := func(old, now string, want ...string) {
		t.Helper()
		was, is := cronJob(t, old), cronJob(t, now)
		cronJobStrategy(env).PrepareForUpdate(t.Context(), is, was)
		expect(t, now, lines(cronJobStrategy(env).ValidateUpdate(t.Context(), is, was)), want)
	}
	f(`{schedule: "TZ=UTC * * * * *"}`, `{schedule: "TZ=UTC 1 * * * *"}`)
	f(`{schedule: "TZ=UTC * * * * *"}`, `{schedule: "TZ=UTC * * * * *", timeZone: UTC}`,
		`spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule`)
	f(`{}`, `{schedule: "TZ=UTC * * * * *"}`,
		`spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead`)
	f(`{timeZone: Mars/Base}`, `{timeZone: Mars/Base, suspend: true}`)
}

func TestCronJobWarnings(t *testing.T) {
	c := cronJob(t, `{schedule: "TZ=UTC * * * * *"}`)
	c.Name = "a.b"
	want := []string{
		"metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
		"cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead",
	}
	expect(t, "create", cronJobStrategy(env).WarningsOnCreate(t.Context(), c), want)
	expect(t, "update", cronJobStrategy(env).WarningsOnUpdate(t.Context(), c, c), want[1:])
}

func TestCronJobCells(t *testing.T) {
	c := cronJob(t, `{}`)
	c.CreationTimestamp = metav1.NewTime(env.Clock().Add(-24 * time.Hour))
	f := func(want string) {
		t.Helper()
		if got := asJSON(t, cronJobCells(c, env.Clock)); strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(`[ "c", "* * * * *", "\u003cnone\u003e", "False", 0, "\u003cnone\u003e", "24h", "c", "i:1", "\u003cnone\u003e" ]`)
	c.Spec.TimeZone = new("UTC")
	c.Spec.Suspend = nil
	c.Status.LastScheduleTime = new(metav1.NewTime(env.Clock().Add(-5 * time.Second)))
	f(`[ "c", "* * * * *", "UTC", "\u003cunset\u003e", 0, "5s", "24h", "c", "i:1", "\u003cnone\u003e" ]`)
}

func TestSchedule(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		got := ""
		if err := checkSchedule(s); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
	for _, ok := range []string{
		"* * * * *", "0-59/2 ?/3 1,15 jan-DEC mon-fri", "5/15 * * * sun", "@daily", "@midnight", "@every 1h30m", "TZ=UTC 0 0 1 1 0", "CRON_TZ=Europe/Berlin @hourly",
	} {
		f(ok, "")
	}
	f("", "empty spec string")
	f("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]")
	f("60 * * * *", "end of range (60) above maximum (59): 60")
	f("* * 0 * *", "beginning of range (0) below minimum (1): 0")
	f("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1")
	f("*/0 * * * *", "step of range should be a positive number: */0")
	f("1-2-3 * * * *", "too many hyphens: 1-2-3")
	f("1/2/3 * * * *", "too many slashes: 1/2/3")
	f("a * * * *", `failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax`)
	f("*/-1 * * * *", "negative number (-1) not allowed: -1")
	f("@never", "unrecognized descriptor: @never")
	f("@every x", `failed to parse duration @every x: time: invalid duration "x"`)
	f("TZ=Mars * * * * *", "provided bad location Mars: unknown time zone Mars")
}

func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"* * * * *", "TZ=", "CRON_TZ= ", "@every", "1-/ * * * *", "?,/- - / , *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := checkSchedule(s)
		if err == nil && !strings.HasPrefix(s, "@") && len(strings.Fields(s)) < 2 {
			t.Errorf("%q is a schedule", s)
		}
		validateTimeZone(s, field.NewPath("zone"))
	})
}
